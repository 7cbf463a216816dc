//! One tenant's reconcile against an API server that fails in part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use kube::Client;
use kube::api::Api;
use kube::core::{DeserializeGuard, ObjectMeta};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector;
use oscar_blueprint::names::MANAGED_BY;
use oscar_blueprint::{AccessKey, Kind};
use oscar_crds::Tenant;
use oscar_operator::controllers::context::Context;
use oscar_operator::controllers::disturbance::Disturbances;
use oscar_operator::controllers::failure::Failures;
use oscar_operator::controllers::tenant;
use oscar_operator::jwks::JwksCache;
use oscar_operator::keys::{KeyStore, SpokeKeys};
use oscar_operator::metrics::Metrics;
use oscar_operator::objects::{Applier, Seen};
use oscar_operator::settings::Settings;
use oscar_operator::storage::{Access, Ensured, Erased, Guarantees, StorageError, StorageProvider, TenantStorage};
use oscar_operator::trigger::trigger;
use oscar_operator::world::{TENANT_MANAGER, World};
use parking_lot::RwLock;
use serde_json::{Value, json};

use crate::fake_api::{Write, start};

/// Buckets that are names.
struct Names;

#[async_trait]
impl StorageProvider for Names {
    async fn ensure(&self, tenant: &TenantStorage, _: Option<&Access>) -> Result<Ensured, StorageError> {
        let key = || AccessKey { id: "id".to_owned(), secret: "secret".to_owned(), session_token: None };
        let access = Access { workspace: key(), intake: key(), renew_at: None };
        Ok(Ensured { bucket: tenant.bucket("oscar"), users: true, access, guarantees: Guarantees::default() })
    }

    async fn retire(&self, _: &TenantStorage) -> Result<(), StorageError> {
        Ok(())
    }

    async fn erase(&self, tenant: &TenantStorage) -> Result<Erased, StorageError> {
        Ok(Erased { bucket: tenant.bucket("oscar"), objects: 0 })
    }
}

fn settings() -> Settings {
    let targets = json!(["192.0.2.1:443"]);
    serde_json::from_value(json!({"installation": {
        "lakeApi": {"image": format!("lake-api@sha256:{}", "1".repeat(64))}, "podSecurityVersion": "v1.34",
        "gateway": {"kind": "nobody"}, "monitoring": {"kind": "nobody"}, "operator": {"kind": "nobody"},
        "objectStore": {
            "endpoint": "http://192.0.2.2", "region": "r", "addresses": ["192.0.2.2"], "port": 80,
            "personIndexBucket": "person-index",
        },
        "probe": {
            "outsideTcp": targets, "outsideUdp": targets, "resolvers": targets, "metadata": targets,
            "apiServer": targets, "kubelets": targets, "intervalMinutes": 1,
        },
    }}))
    .unwrap()
}

/// A tenant that was measured to be isolated, and had a bucket.
pub(crate) fn acme() -> Tenant {
    let isolated = json!([{
        "type": "Isolated", "status": "True", "reason": "Measured", "message": "", "observedGeneration": 3,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]);
    let issuers = json!([{"issuer": "https://login.example.dk", "audience": "oscar-host"}]);
    serde_json::from_value(json!({
        "apiVersion": "host.oscar-project.com/v1alpha1", "kind": "Tenant",
        "metadata": {
            "name": "acme", "uid": "1a2b3c4d-0000", "generation": 3, "finalizers": [tenant::FINALIZER],
        },
        "spec": {"organisation": {"name": "Acme", "cvr": "12345678"}, "issuers": issuers},
        "status": {"conditions": isolated},
    }))
    .unwrap()
}

/// What became of one look at a tenant.
#[derive(Debug)]
struct Looked {
    transient: Option<bool>,
    writes: Vec<Write>,
    metrics: String,
    /// Whether the workspace's firewall is noted to have been open.
    disturbed: bool,
}

impl Looked {
    fn wrote(&self, what: &str) -> bool {
        self.writes.iter().any(|write| write.path.contains(what))
    }

    /// The statuses that were written, each as conditions by type.
    fn statuses(&self) -> Vec<BTreeMap<String, (String, String)>> {
        let statuses = self.writes.iter().filter(|write| write.path.ends_with("/tenants/acme/status"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let conditions = |write: &Write| {
            let conditions = write.body["status"]["conditions"].as_array().unwrap().iter();
            conditions.map(|found| (text(&found["type"]), (text(&found["status"]), text(&found["reason"])))).collect()
        };
        statuses.map(conditions).collect()
    }
}

/// What a reconcile can reach, with nothing in it yet.
pub(crate) fn context(client: Client, world: Arc<World>) -> Arc<Context> {
    let settings = settings();
    Arc::new(Context {
        namespace: "oscar-host".to_owned(),
        installation: RwLock::new(Arc::new(settings.installation.clone())),
        settings,
        tenants: reflector::store().0,
        permits: reflector::store().0,
        extracts: reflector::store().0,
        listed: Vec::new(),
        applier: Applier::new(client.clone(), TENANT_MANAGER, Arc::clone(&world.objects)),
        storage: Arc::new(Names),
        keys: KeyStore::new(Api::namespaced(client.clone(), "oscar-host")),
        spoke: SpokeKeys { person_index: "0".repeat(64), erasure: "0".repeat(64) },
        jwks: Arc::new(JwksCache::new(Duration::from_mins(1))),
        recorder: Recorder::new(client.clone(), Reporter { controller: "test".to_owned(), instance: None }),
        metrics: Arc::new(Metrics::default()),
        trigger: trigger().0,
        failures: Failures::default(),
        disturbances: Disturbances::default(),
        announced: tenant::Announced::default(),
        trusted: parking_lot::Mutex::default(),
        http: Context::http_client().unwrap(),
        client,
        world,
    })
}

/// A policy that somebody else has put into the workspace.
fn foreign(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// One of ours that somebody else has changed.
fn changed(name: &str) -> ObjectMeta {
    let labels = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned())]);
    let fields = json!({"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:ingress": {}}}});
    ObjectMeta {
        labels: Some(labels),
        managed_fields: Some(vec![serde_json::from_value(fields).unwrap()]),
        ..foreign(name)
    }
}

/// Looks at a tenant once, with this policy in its workspace.
async fn look(tenant: Tenant, policy: Option<ObjectMeta>, fails: fn(&Method, &str) -> Option<StatusCode>) -> Looked {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let spec = serde_json::to_value(&tenant.spec).unwrap();
    let (client, writes) = start(fails, spec).await;
    let world = Arc::new(World::default());
    if let Some(policy) = policy {
        let kind = Kind::of::<k8s_openapi::api::networking::v1::NetworkPolicy>();
        let place = ("oscar-acme".to_owned(), policy.name.clone().unwrap());
        world.objects[&kind].insert(place, Seen::of(&policy, TENANT_MANAGER));
    }
    let context = context(client, world);
    let looked = Box::pin(tenant::reconcile(Arc::new(DeserializeGuard(Ok(tenant))), Arc::clone(&context))).await;
    let writes = writes.lock().clone();
    Looked {
        transient: looked.err().map(|error| error.is_transient()),
        writes,
        metrics: context.metrics.text().unwrap(),
        disturbed: context.disturbances.last("oscar-acme").is_some(),
    }
}

pub(crate) fn permits_are_refused(method: &Method, path: &str) -> Option<StatusCode> {
    let refused = method == Method::PATCH && path.ends_with("/configmaps/permits");
    refused.then_some(StatusCode::UNPROCESSABLE_ENTITY)
}

fn secrets_are_away(method: &Method, path: &str) -> Option<StatusCode> {
    let away = method == Method::GET && path.contains("/namespaces/oscar-host/secrets/oscar-tenant-");
    away.then_some(StatusCode::FORBIDDEN)
}

fn doors_stay_open(_: &Method, _: &str) -> Option<StatusCode> {
    None
}

#[tokio::test]
async fn an_object_that_is_refused_does_not_hide_an_open_firewall() {
    let looked = look(acme(), Some(foreign("open-all")), permits_are_refused).await;
    assert_eq!(looked.transient, Some(true));
    let statuses = looked.statuses();
    let isolated = |status: &BTreeMap<String, (String, String)>| status["Isolated"].clone();
    let breached = ("False".to_owned(), "Breached".to_owned());
    assert!(statuses.len() >= 2 && statuses.iter().all(|status| isolated(status) == breached), "{statuses:?}");
    assert_eq!(statuses.last().unwrap()["Ready"].1, "RefusedByApiServer");
    // Before anything was applied: whoever starts a run reads it at once.
    let first = looked.writes.iter().position(|write| write.path.ends_with("/status")).unwrap();
    let applied = looked.writes.iter().position(|write| write.path.contains("/networkpolicies/deny")).unwrap();
    assert!(first < applied, "{:?}", looked.writes.iter().map(|write| &write.path).collect::<Vec<_>>());
    assert!(looked.metrics.contains("tenant_isolated{tenant=\"acme\"} 0"), "{}", looked.metrics);
}

#[tokio::test]
async fn a_policy_that_was_mended_was_open_also_when_something_behind_it_fails() {
    let looked = look(acme(), Some(changed("deny-all")), permits_are_refused).await;
    assert!(looked.transient == Some(true) && looked.disturbed);
    let status = looked.statuses().pop().unwrap();
    assert_eq!(status["Isolated"], ("Unknown".to_owned(), "Disturbed".to_owned()));
    let undisturbed = look(acme(), None, permits_are_refused).await;
    assert!(!undisturbed.disturbed);
}

#[tokio::test]
async fn a_tenant_that_never_succeeded_is_counted() {
    let new = Tenant { status: None, ..acme() };
    let looked = look(new, None, permits_are_refused).await;
    for series in ["tenant_isolated", "tenant_ready"] {
        assert!(looked.metrics.contains(&format!("{series}{{tenant=\"acme\"}} 0")), "{}", looked.metrics);
    }
    assert_eq!(looked.statuses().last().unwrap()["Isolated"].0, "Unknown");
}

#[tokio::test]
async fn programs_are_left_alone_while_the_secrets_cannot_be_read() {
    let looked = look(acme(), None, secrets_are_away).await;
    assert_eq!(looked.transient, None);
    assert!(looked.wrote("/networkpolicies/deny") && looked.wrote("/configmaps/permits"));
    assert!(!looked.wrote("/deployments/") && !looked.wrote("/cronjobs/"));
    assert!(!looked.wrote("/secrets/"));
    assert_eq!(looked.statuses().last().unwrap()["StorageReady"].1, "SecretsUnavailable");
    // As soon as they are known, they run.
    let looked = look(acme(), None, doors_stay_open).await;
    assert!(looked.wrote("/deployments/lake-api") && looked.wrote("/cronjobs/"));
}

#[tokio::test]
async fn the_bucket_is_recorded_with_the_keys_before_anything_uses_it() {
    let looked = look(acme(), None, doors_stay_open).await;
    let secret = |write: &&Write| write.path.contains("/namespaces/oscar-host/secrets/oscar-tenant-acme-1a2b3c4d");
    let kept = looked.writes.iter().find(secret).unwrap();
    // "oscar-acme-1a2b3c4d"
    assert_eq!(kept.body["data"]["bucket"], "b3NjYXItYWNtZS0xYTJiM2M0ZA==");
    let record = looked.writes.iter().position(|write| secret(&write)).unwrap();
    assert!(record < looked.writes.iter().position(|write| write.path.ends_with("/configmaps/config")).unwrap());
}
