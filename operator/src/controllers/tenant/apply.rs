//! Step four: the objects into the cluster, what should not be there out of it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use oscar_blueprint::names::{GATEWAY_POLICY, LAKE_API, MOUNTED_ANNOTATION, Zone};
use oscar_blueprint::{GatewayAccess, Kind, TenantObjects, TenantPlan, probe_job};
use oscar_permit::{Sha256Digest, TenantName};
use serde_json::json;

use crate::controllers::context::Context;
use crate::objects::{Applied, ApplyError, Change, Objects, Prepared};
use crate::sight::PodSight;
use crate::world::TENANT_MANAGER;

/// A pod that has not taken notice is told again after so many milliseconds; each telling is a
/// write, and the answer to it another reconcile.
const TOLD_AGAIN: i64 = 2_000;

/// Applies a tenant's objects and removes what is not among them. What was changed is told of
/// also when something failed; a firewall that this finds to have been open under `gateway` is
/// noted at once.
pub(crate) async fn apply(
    context: &Context,
    plan: &TenantPlan,
    objects: &TenantObjects,
    gateway: GatewayAccess,
) -> (Applied, Result<(), ApplyError>) {
    let changed = |change: &Change| {
        if let (true, Some(namespace)) = (opened(change, gateway), &change.namespace) {
            context.disturbances.note(namespace, Timestamp::now());
        }
    };
    let prepared = Objects::<Prepared>::prepared(objects.objects.clone());
    let (Objects { list: _, state: mut applied }, mut end) = prepared.apply(&context.applier, changed).await;
    if end.is_ok() {
        end = prune(context, plan, objects, &mut applied, changed).await;
    }
    (applied, end)
}

/// Takes a tenant off the gateway at once, whatever else is to be done or fails; returns the
/// requests that wrote.
///
/// # Errors
/// See [`ApplyError`].
pub(crate) async fn withdraw_gateway(context: &Context, tenant: &TenantName) -> Result<usize, ApplyError> {
    let (kind, namespace) = (Kind::of::<NetworkPolicy>(), Zone::Workspace.namespace(tenant));
    let open = context.applier.in_namespace(kind, &namespace).get(GATEWAY_POLICY).is_some_and(|seen| !seen.deleting);
    if open {
        context.applier.remove(kind, &namespace, GATEWAY_POLICY).await?;
    }
    Ok(usize::from(open))
}

/// Whether a change says that the firewall was open for a while: somebody has laid hands on a
/// policy, or one was missing or not as it was under an open `gateway`, which is open only where
/// this very firewall was measured before. The gateway's own policy comes and goes by our own
/// hand.
#[must_use]
pub(crate) fn opened(change: &Change, gateway: GatewayAccess) -> bool {
    let Change { kind, namespace: _, name, hands } = change;
    let was_whole = gateway == GatewayAccess::Open && name != GATEWAY_POLICY;
    *kind == Kind::of::<NetworkPolicy>() && (hands.is_some() || was_whole)
}

/// Whether every policy of the firewall is there as it should be; the gateway's own only opens.
#[must_use]
pub(crate) fn firewall_stands(context: &Context, objects: &TenantObjects) -> bool {
    let policies = objects.objects.iter().filter(|object| object.kind == Kind::of::<NetworkPolicy>());
    policies.filter(|policy| policy.name != GATEWAY_POLICY).all(|policy| context.applier.stands(policy))
}

/// Removes whatever of the kinds that we apply is in a tenant's namespaces and not wanted.
/// The namespaces are ours alone, so it does not matter who made it.
async fn prune(
    context: &Context,
    plan: &TenantPlan,
    objects: &TenantObjects,
    applied: &mut Applied,
    changed: impl Fn(&Change) + Send,
) -> Result<(), ApplyError> {
    let kinds = [
        Kind::of::<NetworkPolicy>(),
        Kind::of::<CronJob>(),
        Kind::of::<Deployment>(),
        Kind::of::<Service>(),
        Kind::of::<ConfigMap>(),
        Kind::of::<ServiceAccount>(),
    ];
    let wanted: BTreeSet<(Kind, &str, &str)> = objects
        .objects
        .iter()
        .chain(&objects.left_alone)
        .filter_map(|object| Some((object.kind, object.namespace.as_deref()?, object.name.as_str())))
        .collect();
    for zone in Zone::ALL {
        let namespace = zone.namespace(&plan.name);
        for kind in kinds {
            for (name, seen) in context.applier.in_namespace(kind, &namespace) {
                let unwanted = !wanted.contains(&(kind, namespace.as_str(), name.as_str()));
                if unwanted && !seen.deleting && !is_extracts(kind, &name) {
                    tracing::warn!(
                        kind = kind.kind,
                        namespace,
                        name,
                        ours = seen.ours,
                        "removed: it is not of the blueprint"
                    );
                    context.applier.remove(kind, &namespace, &name).await?;
                    let hands = (!seen.ours).then(|| "somebody else".to_owned());
                    applied.writes += 1;
                    let change = Change { kind, namespace: Some(namespace.clone()), name, hands };
                    changed(&change);
                    applied.changes.push(change);
                }
            }
        }
    }
    Ok(())
}

/// Scheduled runs belong to the controller of extracts.
fn is_extracts(kind: Kind, name: &str) -> bool {
    kind == Kind::of::<CronJob>() && name.starts_with("extract-")
}

/// Tells the lake-api's pods that permits or issuers' keys have changed, so that the kubelet
/// refreshes their volumes at once. `again`: they were told and have not taken notice.
///
/// # Errors
/// When the API server does not take it.
pub(crate) async fn refresh_volumes(
    context: &Context,
    plan: &TenantPlan,
    pods: &BTreeMap<String, PodSight>,
    digest: Sha256Digest,
    again: bool,
) -> Result<usize, ApplyError> {
    let namespace = Zone::Workspace.namespace(&plan.name);
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &namespace);
    let mut told = 0;
    for (name, pod) in pods {
        let is_told = pod.mounted.as_deref().is_some_and(|mounted| mounted.starts_with(&digest.to_string()));
        if (is_told && !again) || pod.ended.is_some() {
            continue;
        }
        let now = Timestamp::now().as_millisecond();
        if is_told && pod.mounted.as_deref().and_then(told_at).is_some_and(|at| (at..at + TOLD_AGAIN).contains(&now)) {
            continue;
        }
        // The same digest once more would change nothing, and the kubelet would not look.
        let value = format!("{digest}-{now}");
        let patch = json!({"metadata": {"annotations": {MOUNTED_ANNOTATION: value}}});
        let params = PatchParams { field_manager: Some(TENANT_MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(name, &params, &Patch::Merge(&patch)).await {
            Ok(_) => told += 1,
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(source) => {
                return Err(ApplyError::Api { object: format!("Pod {namespace}/{name}"), source: Box::new(source) });
            }
        }
    }
    Ok(told)
}

/// When a pod was told, from the end of what it was told.
fn told_at(mounted: &str) -> Option<i64> {
    mounted.rsplit_once('-')?.1.parse().ok()
}

/// Starts the measurements that are wanted now.
///
/// # Errors
/// When the API server does not take one.
pub(crate) async fn measure(
    context: &Context,
    plan: &TenantPlan,
    objects: &TenantObjects,
    zones: &[Zone],
) -> Result<usize, ApplyError> {
    for zone in zones {
        let namespace = zone.namespace(&plan.name);
        let attempt = format!("{:08x}", rand::random::<u32>());
        let job = probe_job(plan, *zone, objects.probe_digest(*zone), &attempt);
        let api: Api<Job> = Api::namespaced(context.client.clone(), &namespace);
        let params = PostParams { field_manager: Some(TENANT_MANAGER.to_owned()), ..PostParams::default() };
        if let Err(source) = api.create(&params, &job).await {
            return Err(ApplyError::Api {
                object: format!("Job {namespace}/{LAKE_API} probe"),
                source: Box::new(source),
            });
        }
    }
    Ok(zones.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_was_missing_under_an_open_gateway_has_opened_the_firewall() {
        let change = |name: &str, hands: Option<&str>| Change {
            kind: Kind::of::<NetworkPolicy>(),
            namespace: Some("oscar-acme".to_owned()),
            name: name.to_owned(),
            hands: hands.map(str::to_owned),
        };
        let missing = change("deny-all", None);
        // Also while it is measured anew, for which the gateway stays open.
        assert!(opened(&missing, GatewayAccess::Open));
        assert!(!opened(&missing, GatewayAccess::Withdrawn), "one that is made for the first time");
        assert!(opened(&change("deny-all", Some("kubectl")), GatewayAccess::Withdrawn));
        assert!(!opened(&change(GATEWAY_POLICY, None), GatewayAccess::Open), "ours to give and to take");
        assert!(opened(&change(GATEWAY_POLICY, Some("kubectl")), GatewayAccess::Open));
        let service = Change { kind: Kind::of::<Service>(), ..change("lake-api", Some("kubectl")) };
        assert!(!opened(&service, GatewayAccess::Open));
    }
}
