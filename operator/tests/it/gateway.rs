//! What closes the gateway of a tenant whose firewall held.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::core::{DeserializeGuard, ObjectMeta};
use oscar_blueprint::names::{GATEWAY_POLICY, Role, Zone};
use oscar_blueprint::{Installation, Kind, Peer, TenantPlan, probe_plan};
use oscar_crds::ComputeSize;
use oscar_operator::controllers::context::Context;
use oscar_operator::controllers::tenant;
use oscar_operator::objects::Seen;
use oscar_operator::sight::{Ended, PodSight};
use oscar_operator::world::{TENANT_MANAGER, World};
use oscar_permit::{ProbeReport, Sha256Digest, TenantName};
use parking_lot::Mutex;

use crate::fake_api::{Write, start};
use crate::tenant::{acme, context, permits_are_refused};

const WORKSPACE: &str = "oscar-acme";

/// A pod of a role; `words` are what it wrote at its end.
fn pod(role: Role, words: Option<String>) -> PodSight {
    // A pod's time has no fractions, and what was measured before a disturbance does not count.
    let at = Timestamp::now() + SignedDuration::from_secs(2);
    PodSight {
        role: role.as_str().to_owned(),
        job: words.is_some().then(|| "isolation-probe-1".to_owned()),
        extract: None,
        address: None,
        ready: true,
        made: Some(at),
        mounted: None,
        trouble: None,
        ended: words.map(|words| Ended { at, code: 0, words }),
        deleting: false,
    }
}

/// Acme at an API server that fails so.
struct Acme {
    context: Arc<Context>,
    writes: Arc<Mutex<Vec<Write>>>,
}

impl Acme {
    async fn at(fails: fn(&Method, &str) -> Option<StatusCode>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (client, writes) = start(fails, serde_json::to_value(acme().spec).unwrap()).await;
        Self { context: context(client, Arc::new(World::default())), writes }
    }

    /// Notes that the same firewall was measured to hold, with a plan of before.
    fn held_before(&self) {
        let (name, uid) = (TenantName::new("acme").unwrap(), "1a2b3c4d-0000".to_owned());
        let plan = TenantPlan::bare(self.context.installation(), name.clone(), uid, ComputeSize::Small);
        for (zone, role) in [(Zone::Workspace, Role::WorkspaceProbe), (Zone::Intake, Role::Intake)] {
            let report = ProbeReport {
                plan: Sha256Digest::of("of before"),
                firewall: probe_plan(&plan, zone).unwrap().firewall,
                open: Vec::new(),
                closed: Vec::new(),
                unclear: Vec::new(),
            };
            let words = serde_json::to_string(&report).unwrap();
            self.context.world.pods.insert((zone.namespace(&name), "probe".to_owned()), pod(role, Some(words)));
        }
    }

    /// Looks once, with an open gateway. How the isolation stands by the last status, and whether
    /// the gateway was closed.
    async fn look(&self) -> (String, bool) {
        let seen = Seen::of(&ObjectMeta::default(), TENANT_MANAGER);
        let policies = &self.context.world.objects[&Kind::of::<NetworkPolicy>()];
        policies.insert((WORKSPACE.to_owned(), GATEWAY_POLICY.to_owned()), Seen { ours: true, ..seen });
        self.reconcile().await;
        let writes = self.writes.lock();
        let status = writes.iter().rfind(|write| write.path.ends_with("/tenants/acme/status")).unwrap();
        let conditions = status.body["status"]["conditions"].as_array().unwrap();
        let isolated = conditions.iter().find(|condition| condition["type"] == "Isolated").unwrap();
        let closed = of_gateway(&writes).any(|method| method == Method::DELETE);
        (isolated["reason"].as_str().unwrap().to_owned(), closed)
    }

    /// Looks once, as the controller does.
    async fn reconcile(&self) {
        self.writes.lock().clear();
        let guard = Arc::new(DeserializeGuard(Ok(acme())));
        if let Err(error) = Box::pin(tenant::reconcile(Arc::clone(&guard), Arc::clone(&self.context))).await {
            let _ = tenant::error_policy(&guard, &error, &self.context);
        }
    }

    /// Notes a lake-api that is there and does not say what it judges by.
    fn silent(&self) {
        let silent = PodSight { address: Some("127.9.9.9".parse().unwrap()), ..pod(Role::LakeApi, None) };
        self.context.world.pods.insert((WORKSPACE.to_owned(), "lake-api".to_owned()), silent);
    }
}

/// What was done to the gateway's policy.
fn of_gateway(writes: &[Write]) -> impl Iterator<Item = &Method> {
    writes.iter().filter(|write| write.path.ends_with(GATEWAY_POLICY)).map(|write| &write.method)
}

#[tokio::test]
async fn a_policy_that_is_missing_while_the_firewall_is_measured_anew_closes_it() {
    let acme = Acme::at(|_, _| None).await;
    acme.held_before();
    // No policy is there yet, and by the measurement all of them were.
    assert_eq!(acme.look().await, ("Disturbed".to_owned(), true));
    // They are now; what was measured since counts.
    acme.held_before();
    assert_eq!(acme.look().await.0, "Remeasuring");
}

#[tokio::test]
async fn a_lake_api_that_may_judge_by_a_revoked_permit_is_closed_while_nothing_can_be_applied() {
    let acme = Acme::at(permits_are_refused).await;
    acme.held_before();
    assert_eq!(acme.look().await, ("Disturbed".to_owned(), true));
    acme.held_before();
    assert_eq!(acme.look().await, ("Remeasuring".to_owned(), false), "nobody judges, and the policies stand");
    acme.silent();
    assert_eq!(acme.look().await, ("Remeasuring".to_owned(), true));
}

#[tokio::test]
async fn a_gateway_that_a_failure_has_closed_is_not_opened_for_the_next_one() {
    let acme = Acme::at(permits_are_refused).await;
    let mut installation = Installation::clone(&acme.context.installation());
    let labels = [("app".to_owned(), "gateway".to_owned())].into();
    installation.gateway = Peer::Pods { namespace: "gateway".to_owned(), labels };
    *acme.context.installation.write() = Arc::new(installation);
    acme.held_before();
    acme.reconcile().await;
    acme.held_before();
    acme.reconcile().await;
    assert_eq!(of_gateway(&acme.writes.lock()).collect::<Vec<_>>(), [Method::PATCH], "nobody judges by anything");
    acme.silent();
    acme.reconcile().await;
    assert_eq!(of_gateway(&acme.writes.lock()).collect::<Vec<_>>(), [Method::DELETE]);
    for _ in 0..3 {
        acme.reconcile().await;
        assert_eq!(of_gateway(&acme.writes.lock()).count(), 0, "neither opened nor closed anew");
    }
    acme.context.failures.after_success("acme");
    acme.reconcile().await;
    assert_eq!(of_gateway(&acme.writes.lock()).next(), Some(&Method::PATCH), "once a look has succeeded");
}
