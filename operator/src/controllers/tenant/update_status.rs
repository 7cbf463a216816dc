//! Step five: what people and programs are told.
//!
//! Everything here was measured or answered: the bucket by the store, the permits by the
//! running lake-api, the workspace by its Deployment, the isolation by the probes. What was
//! only wanted is never called true.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use oscar_blueprint::names::Zone;
use oscar_crds::condition::{
    Finding, ISOLATED, PERMITS_APPLIED, READY, RECONCILING, STALLED, STORAGE_READY, WORKSPACE_READY, is_true, merge,
};
use oscar_crds::{Tenant, TenantStatus};
use serde_json::json;

use super::CONTROLLER;
use super::dereference::Found;
use super::isolation::Verdict;
use super::issuer_keys::keys_fresh;
use super::lake_api::Silence;
use super::validate::Validated;
use crate::controllers::context::Context;
use crate::jwks::Keys;
use crate::world::TENANT_MANAGER;

/// What a reconcile came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was found.
    pub(crate) found: Found,
    /// What was judged.
    pub(crate) validated: Validated,
    /// Whether the firewall holds.
    pub(crate) verdict: Verdict,
}

impl Outcome {
    /// Whether the lake-api is known to judge by no permit that is revoked or was another one
    /// when it read it. Permits that it has not read yet give nobody anything.
    pub(crate) fn judges_by_wanted_permits(&self) -> bool {
        let wanted = &self.validated.permit_digests;
        match &self.found.lake_api {
            Ok(report) => report.permits.iter().all(|(id, digest)| wanted.get(id) == Some(digest)),
            Err(Silence::NoPod) => true,
            Err(Silence::TimedOut | Silence::Refused | Silence::Unknown) => false,
        }
    }
}

/// The conditions of an outcome. Pure.
#[must_use]
pub(crate) fn findings(tenant: &Tenant, outcome: &Outcome) -> Vec<Finding> {
    let Outcome { found, validated, verdict } = outcome;
    let mut findings =
        vec![storage(found), permits(found, validated), workspace(tenant, found, validated), verdict.finding.clone()];
    let ready = ready(tenant, &findings);
    let stalled = stalled(found);
    // Both are abnormal when true, so that kstatus and `kubectl wait` read them right.
    findings.push(if stalled.is_some() || is_at_rest(tenant, findings.iter().chain([&ready])) {
        Finding::no(RECONCILING, "Done", "Nothing is under way.")
    } else {
        Finding::yes(RECONCILING, ready.reason.clone(), ready.message.clone())
    });
    findings.push(stalled.unwrap_or_else(|| Finding::no(STALLED, "No", "Nothing waits for a person.")));
    findings.push(ready);
    findings.push(keys_fresh(validated.plan.issuers.iter().zip(&found.issuer_keys)));
    findings
}

/// Whether nothing is under way. A suspended tenant does not become ready, however long one waits.
pub(crate) fn is_at_rest<'f>(tenant: &Tenant, mut findings: impl Iterator<Item = &'f Finding>) -> bool {
    let awaited = if tenant.spec.suspend { STORAGE_READY } else { READY };
    findings.any(|finding| finding.kind == awaited && finding.holds == Some(true))
}

fn storage(found: &Found) -> Finding {
    if let Err(error) = &found.keys {
        return Finding::no(STORAGE_READY, error.reason(), error.to_string());
    }
    match &found.storage {
        Ok(ensured) => {
            let guards = &ensured.guarantees;

            let message = format!(
                "Bucket and identities are in order. The journal is kept from being overwritten by {}, the bucket from \
                 becoming public by {}.",
                if guards.create_only { "the store itself" } else { "put-if-absent alone" },
                if guards.public_access_blocked { "the store itself" } else { "the identities' rights alone" },
            );
            Finding::yes(STORAGE_READY, "InOrder", message)
        }
        Err(error) => Finding::no(STORAGE_READY, error.reason(), error.to_string()),
    }
}

fn permits(found: &Found, validated: &Validated) -> Finding {
    let wanted = &validated.permit_digests;
    let count = wanted.len();
    if !validated.faulty_permits.is_empty() {
        let message = format!("Permits that count for nothing: {}", validated.faulty_permits.join("; "));
        return Finding::no(PERMITS_APPLIED, "FaultyPermit", message);
    }
    match &found.lake_api {
        Ok(report) if report.permits == *wanted => {
            Finding::yes(PERMITS_APPLIED, "InForce", format!("The lake-api judges by {count} permit(s)."))
        }
        Ok(_) => Finding::no(PERMITS_APPLIED, "NotTakenUp", "The lake-api has not taken up the newest permits yet."),
        Err(why) => {
            let message = format!("The lake-api does not say what it judges by: {why}.");
            Finding::unknown(PERMITS_APPLIED, "LakeApiSilent", message)
        }
    }
}

fn workspace(tenant: &Tenant, found: &Found, validated: &Validated) -> Finding {
    if tenant.spec.suspend {
        return Finding::no(
            WORKSPACE_READY,
            "Suspended",
            "The tenant is suspended; set spec.suspend to false to serve again.",
        );
    }
    if let Some(error) = &found.certificate_fault {
        return Finding::no(WORKSPACE_READY, error.reason(), error.to_string());
    }
    if let Err(error) = &found.pull_secrets {
        return Finding::no(WORKSPACE_READY, error.reason(), error.to_string());
    }
    let unreachable = tenant.spec.issuers.iter().zip(&found.issuer_keys).find_map(|(issuer, keys)| match keys {
        Keys::Unreachable { why, before: _ } => Some(format!("The keys of {} cannot be fetched: {why}", issuer.issuer)),
        Keys::Known(_) | Keys::NotAsked => None,
    });
    let Some(deployment) = &found.deployment else {
        return Finding::no(WORKSPACE_READY, "Starting", "The lake-api is not deployed yet.");
    };
    if deployment.serves && deployment.wanted > 0 {
        return Finding::yes(WORKSPACE_READY, "Serving", "The lake-api serves.");
    }
    if let Some(fault) = &deployment.fault {
        return Finding::no(WORKSPACE_READY, reason_of(fault), fault.clone());
    }
    let trouble = found.pods.values().find_map(|pod| pod.trouble.as_ref());
    let is_usual = |trouble: &str| trouble.starts_with("ContainerCreating") || trouble == "PodInitializing";
    if let Some(trouble) = trouble
        && !is_usual(trouble)
    {
        let mut said = trouble.clone();
        // The scheduler does not name the class that it misses.
        if let (true, Some(class)) =
            (said.contains("PersistentVolumeClaim"), &validated.plan.installation.scratch.storage_class)
        {
            said =
                format!("{said}; the scratch space wants StorageClass {class} (scratch.storageClass): does it exist?");
        }
        return Finding::no(WORKSPACE_READY, reason_of(trouble), said);
    }
    if let Some(why) = unreachable {
        return Finding::no(WORKSPACE_READY, "IssuerUnreachable", why);
    }
    let missing = found.lake_api.as_ref().map(|report| report.missing.join("; ")).unwrap_or_default();
    if missing.is_empty() {
        let why = trouble.map_or_else(String::new, |trouble| format!(" Its pod waits: {trouble}."));
        Finding::no(WORKSPACE_READY, "Starting", format!("The lake-api is starting.{why}"))
    } else {
        Finding::no(WORKSPACE_READY, "NotReady", format!("The lake-api lacks: {missing}"))
    }
}

/// A word for what keeps pods from running.
fn reason_of(trouble: &str) -> &'static str {
    let known = [
        ("exceeded quota", "QuotaExceeded"),
        ("PersistentVolumeClaim", "VolumeNotBound"),
        ("ImagePull", "ImageNotPullable"),
        ("ErrImage", "ImageNotPullable"),
        ("InvalidImageName", "ImageNotPullable"),
        ("Unschedulable", "Unschedulable"),
        ("CreateContainerConfigError", "ConfigurationMissing"),
        ("CrashLoopBackOff", "Crashing"),
        ("Evicted", "Evicted"),
        ("ValidatingAdmissionPolicy", "ForbiddenByPolicy"),
        ("violates PodSecurity", "ForbiddenByPolicy"),
    ];
    known.into_iter().find(|(words, _)| trouble.contains(words)).map_or("PodsNotRunning", |(_, reason)| reason)
}

fn ready(tenant: &Tenant, findings: &[Finding]) -> Finding {
    if tenant.spec.suspend {
        return Finding::no(READY, "Suspended", "The tenant is suspended.");
    }
    // What only measures comes last: the first thing that is wrong is usually its cause.
    match findings.iter().find(|finding| finding.holds != Some(true)) {
        None => Finding::yes(READY, "Serving", "Storage, permits, workspace and isolation are in order."),
        Some(first) => Finding::no(READY, first.reason.clone(), format!("{}: {}", first.kind, first.message)),
    }
}

/// What waits for a person.
fn stalled(found: &Found) -> Option<Finding> {
    if let Err(error) = &found.keys {
        return (!error.is_transient()).then(|| Finding::yes(STALLED, error.reason(), error.to_string()));
    }
    if let Err(error) = &found.storage
        && !error.is_transient()
    {
        return Some(Finding::yes(STALLED, error.reason(), error.to_string()));
    }
    if let Err(error) = &found.pull_secrets
        && !error.is_transient()
    {
        return Some(Finding::yes(STALLED, error.reason(), error.to_string()));
    }
    found.certificate_fault.as_ref().map(|error| Finding::yes(STALLED, error.reason(), error.to_string()))
}

/// Writes the status when it is not what it was, and tells people of what has turned.
///
/// # Errors
/// When the API server does not take it.
pub(crate) async fn update_status(context: &Context, tenant: &Tenant, outcome: &Outcome) -> Result<(), kube::Error> {
    let before = tenant.status.clone().unwrap_or_default();
    let findings = findings(tenant, outcome);
    let status = status_of(tenant, &before, merged(tenant, &before, &findings), Some(outcome));
    gauge(context, tenant, &status);
    if status != before {
        write(context, tenant, &status).await?;
        announce(context, tenant, &before, &findings).await;
    }
    Ok(())
}

pub(super) fn merged(tenant: &Tenant, before: &TenantStatus, findings: &[Finding]) -> Vec<Condition> {
    merge(&before.conditions, findings, tenant.metadata.generation.unwrap_or(0), Timestamp::now())
}

/// How the tenant stands, for Prometheus.
pub(super) fn gauge(context: &Context, tenant: &Tenant, status: &TenantStatus) {
    let generation = tenant.metadata.generation.unwrap_or(0);
    let holds = |kind: &str| is_true(&status.conditions, kind, generation);
    context.metrics.tenant(&tenant.name_any(), holds(READY), holds(ISOLATED));
}

/// The status with these conditions and, where something was looked at, what was found.
pub(super) fn status_of(
    tenant: &Tenant,
    before: &TenantStatus,
    conditions: Vec<Condition>,
    outcome: Option<&Outcome>,
) -> TenantStatus {
    let observed_generation = Some(tenant.metadata.generation.unwrap_or(0));
    let Some(Outcome { found, validated: _, verdict }) = outcome else {
        return TenantStatus { observed_generation, conditions, ..before.clone() };
    };
    TenantStatus {
        observed_generation,
        conditions,
        workspace_namespace: Some(Zone::Workspace.namespace(&found.name)),
        intake_namespace: Some(Zone::Intake.namespace(&found.name)),
        bucket: found.storage.as_ref().ok().map(|ensured| ensured.bucket.clone()).or(before.bucket.clone()),
        datasets: found.lake_api.as_ref().ok().and_then(|report| report.datasets).or(before.datasets),
        releases: found.lake_api.as_ref().ok().and_then(|report| report.releases).or(before.releases),
        isolation: verdict.summary.clone(),
    }
}

/// Replaces the status.
///
/// # Errors
/// When the API server does not take it.
pub(crate) async fn write(context: &Context, tenant: &Tenant, status: &TenantStatus) -> Result<(), kube::Error> {
    let api: Api<Tenant> = Api::all(context.client.clone());
    let body = json!({
        "apiVersion": Tenant::api_version(&()), "kind": Tenant::kind(&()),
        "metadata": {"name": tenant.name_any(), "uid": tenant.uid()}, "status": status,
    });
    let params = PatchParams::apply(TENANT_MANAGER).force();
    context.metrics.wrote(CONTROLLER, 1);
    api.patch_status(&tenant.name_any(), &params, &Patch::Apply(&body)).await.map(drop)
}

/// An event for each condition that has turned.
pub(super) async fn announce(context: &Context, tenant: &Tenant, before: &TenantStatus, findings: &[Finding]) {
    let about = tenant.object_ref(&());
    for finding in findings {
        let normal = finding.kind != STALLED && finding.kind != RECONCILING;
        let old = before.conditions.iter().find(|condition| condition.type_ == finding.kind);
        let was = old.map(|condition| (condition.status.as_str(), condition.reason.as_str()));
        let status = match finding.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        if was == Some((status, finding.reason.as_str())) || finding.kind == RECONCILING {
            continue;
        }
        let good = finding.holds == Some(normal);
        let is_first_look = was.is_none() && !good;
        if is_first_look || (finding.kind == STALLED && good) {
            continue;
        }
        let kind = if good { EventType::Normal } else { EventType::Warning };
        context.tell(&about, kind, &format!("{}{}", finding.kind, finding.reason), &finding.message).await;
        if finding.kind == ISOLATED && finding.reason == "Breached" {
            context.metrics.quarantined(&tenant.name_any());
        }
    }
}
