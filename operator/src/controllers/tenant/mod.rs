//! The controller of tenants.

mod apply;
mod break_glass;
mod deletion;
mod dereference;
mod isolation;
mod lake_api;
mod update_status;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use oscar_blueprint::names::Zone;
use oscar_blueprint::{BlueprintError, GatewayAccess, JWKS, Running, jwks_file, probe_plan, tenant_objects};
use oscar_crds::condition::{Finding, ISOLATED, PERMITS_APPLIED, READY, STALLED, merge};
use oscar_crds::{Tenant, TenantStatus};
use oscar_permit::CanonicalError;
use serde_json::json;

use self::dereference::Found;
use self::isolation::{NOT_MEASURED, Situation, Verdict, judge};
use self::update_status::Outcome;
use self::validate::Validated;
use super::context::{Context, tenant_name};
use crate::jwks::Keys;
use crate::objects::{ApplyError, Change};
use crate::storage::StorageError;
use crate::world::TENANT_MANAGER;

pub use self::break_glass::Announced;
pub use self::dereference::DereferenceError;
pub(crate) use self::dereference::belongs;
pub use self::validate::ValidateError;
pub(crate) use self::validate::permit_of;

/// The controller's name in metrics and logs.
pub const CONTROLLER: &str = "tenant";
/// Keeps a Tenant until everything of it is gone.
pub const FINALIZER: &str = "host.oscar-project.com/tenant";
/// When a tenant in order is looked at again without a reason.
const REVISIT: Duration = Duration::from_secs(30);
/// When one that is on its way is looked at again.
const SOON: Duration = Duration::from_secs(2);
/// When one whose firewall was open until a moment ago is looked at again.
const AT_ONCE: Duration = Duration::from_millis(10);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Step one.
    #[error(transparent)]
    Dereference(#[from] DereferenceError),
    /// Step two.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// Step three.
    #[error(transparent)]
    Build(#[from] BlueprintError),
    /// A probe's plan without canonical form.
    #[error("the probes' plan has no canonical form")]
    Plan(#[from] CanonicalError),
    /// Step four.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Step five.
    #[error("the status could not be written: {0}")]
    Status(#[source] Box<kube::Error>),
    /// The tenant's own object could not be changed.
    #[error("the tenant's finalizer could not be changed: {0}")]
    Finalizer(#[source] Box<kube::Error>),
    /// The end of a tenant.
    #[error("the tenant could not be taken down: {0}")]
    Storage(#[from] StorageError),
    /// Its keys.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeysError),
    /// The certificate.
    #[error("the erasure certificate could not be {0}")]
    Certificate(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TenantError {
    /// A `CamelCase` word for conditions, events and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dereference(_) | Self::Validate(_) => "InvalidTenant",
            Self::Build(_) | Self::Plan(_) => "Blueprint",
            Self::Apply(error) => error.reason(),
            Self::Status(_) | Self::Finalizer(_) => "ApiServerUnavailable",
            Self::Storage(error) => error.reason(),
            Self::Keys(error) => error.reason(),
            Self::Certificate(..) => "CertificateNotWritten",
        }
    }

    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Dereference(_) | Self::Validate(_) | Self::Build(_) | Self::Plan(_) => false,
            Self::Apply(error) => error.is_transient(),
            Self::Storage(error) => error.is_transient(),
            Self::Keys(error) => error.is_transient(),
            Self::Status(_) | Self::Finalizer(_) | Self::Certificate(..) => true,
        }
    }
}

/// Makes one tenant what its spec says.
///
/// # Errors
/// See [`TenantError`].
pub async fn reconcile(guard: Arc<DeserializeGuard<Tenant>>, context: Arc<Context>) -> Result<Action, TenantError> {
    context.mirrored().await;
    let _running = context.metrics.reconcile(CONTROLLER);
    let tenant = match &guard.0 {
        Ok(tenant) => tenant,
        Err(invalid) => {
            tracing::error!(name = ?invalid.metadata.name, error = invalid.error, "a tenant cannot be read");
            return Ok(Action::await_change());
        }
    };
    let result = if tenant.metadata.deletion_timestamp.is_some() {
        deletion::take_down(&context, tenant).await
    } else {
        stand_up(&context, tenant).await
    };
    match &result {
        Ok(_) => context.failures.after_success(&tenant.name_any()),
        Err(error) => {
            // What no waiting mends may have ended before the firewall was judged.
            if let (Some(name), false) = (tenant_name(tenant), error.is_transient()) {
                apply::withdraw_gateway(&context, &name).await?;
            }
            say_so(&context, tenant, error).await;
        }
    }
    result
}

/// When to try again after a failure.
pub fn error_policy(guard: &DeserializeGuard<Tenant>, error: &TenantError, context: &Context) -> Action {
    let name = guard.name_any();
    context.metrics.failed(CONTROLLER, error.reason());
    tracing::warn!(tenant = name, reason = error.reason(), %error, "a tenant could not be reconciled");
    context.failures.after_failure(&name, error.is_transient())
}

async fn stand_up(context: &Context, tenant: &Tenant) -> Result<Action, TenantError> {
    // Before anything exists that would have to be taken down.
    if !tenant.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        set_finalizers(context, tenant, tenant.finalizers().iter().map(String::as_str).chain([FINALIZER])).await?;
    }
    // Before everything that could fail: a door does not stay open because of it.
    let door_closes = match tenant_name(tenant) {
        Some(name) => break_glass::watch_doors(context, tenant, &name).await?,
        None => None,
    };
    let found = dereference::dereference(context, tenant).await?;
    let known_keys = known_keys(context, tenant, &found).await;
    let mut validated = validate::validate(tenant, &found, &context.installation, &context.spoke, &known_keys)?;
    let mut verdict = isolation(context, &found, &validated)?;
    if validated.plan.running == Running::Suspended && verdict.finding.reason == NOT_MEASURED {
        let message = "A suspended tenant runs nothing that could be measured.";
        verdict.finding = Finding::unknown(ISOLATED, "Suspended", message);
    }
    validated.plan.gateway = match validated.plan.running {
        Running::Yes => verdict.gateway,
        Running::Suspended => GatewayAccess::Withdrawn,
    };
    let objects = tenant_objects(&validated.plan)?;
    let mut writes = match validated.plan.gateway {
        GatewayAccess::Open => 0,
        // Closing comes before everything that could fail.
        GatewayAccess::Withdrawn => apply::withdraw_gateway(context, &found.name).await?,
    };
    let applied = match apply::apply(context, &validated.plan, &objects).await {
        Ok(applied) => applied,
        Err(error) => {
            if matches!(error, ApplyError::Contested { .. }) {
                disturb(context, Zone::ALL.map(|zone| zone.namespace(&found.name)));
                apply::withdraw_gateway(context, &found.name).await?;
            }
            return Err(error.into());
        }
    };
    writes += applied.state.writes;
    tell_of_repairs(context, tenant, &applied.state.changes).await;
    let held = verdict.finding.holds == Some(true);
    let opened: Vec<String> = applied
        .state
        .changes
        .iter()
        .filter(|change| apply::opened_the_firewall(change, held))
        .filter_map(|change| change.namespace.clone())
        .collect();
    if !opened.is_empty() {
        context.metrics.wrote(CONTROLLER, writes);
        disturb(context, opened);
        return Ok(Action::requeue(AT_ONCE));
    }
    let taken_up = found.lake_api.as_ref().ok().is_none_or(|report| report.permits == validated.permit_digests);
    writes += apply::refresh_volumes(context, &validated.plan, &found.pods, objects.mounted, !taken_up).await?;
    if validated.plan.secrets.is_some() && validated.plan.running == Running::Yes {
        writes += apply::measure(context, &validated.plan, &objects, &verdict.measure).await?;
    }
    context.metrics.wrote(CONTROLLER, writes);
    let outcome = Outcome { found: &found, validated: &validated, verdict: &verdict };
    update_status::update_status(context, tenant, &outcome)
        .await
        .map_err(|error| TenantError::Status(Box::new(error)))?;
    let settled = update_status::is_at_rest(tenant, update_status::findings(tenant, &outcome).iter());
    let wait = if settled { REVISIT } else { SOON };
    Ok(Action::requeue(door_closes.map_or(wait, |closes| wait.min(closes))))
}

/// Notes that the firewalls of these namespaces were open until now.
fn disturb(context: &Context, namespaces: impl IntoIterator<Item = String>) {
    for namespace in namespaces {
        context.disturbances.note(&namespace, Timestamp::now());
    }
}

async fn tell_of_repairs(context: &Context, tenant: &Tenant, changes: &[Change]) {
    for change in changes {
        let Change { kind, namespace, name, hands: Some(hands) } = change else { continue };
        context.metrics.repaired();
        let place = namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
        let note = format!("{} {place}{name} was not as it should be and is mended; changed by: {hands}", kind.kind);
        context.tell(&tenant.object_ref(&()), EventType::Warning, "DriftRepaired", &note).await;
    }
}

/// Judges the firewall by what was measured.
fn isolation(context: &Context, found: &Found, validated: &Validated) -> Result<Verdict, TenantError> {
    let mut wanted = BTreeMap::new();
    for zone in Zone::ALL {
        let plan = probe_plan(&validated.plan, zone)?;
        wanted.insert(zone, (plan.digest()?, plan.firewall));
    }
    let foreign =
        found.foreign_policies.iter().map(|(zone, policy)| format!("{}/{policy}", zone.namespace(&found.name)));
    let minutes = i64::from(context.installation.probe.interval_minutes);
    Ok(judge(&Situation {
        wanted,
        measurements: found.measurements.clone(),
        pending: found.pending_probes.clone(),
        foreign: foreign.collect(),
        disturbed: found.disturbed.clone(),
        interval: SignedDuration::from_mins(minutes),
        now: Timestamp::now(),
    }))
}

/// The issuers' keys that the tenant has, needed only while an issuer does not answer.
async fn known_keys(context: &Context, tenant: &Tenant, found: &Found) -> BTreeMap<String, String> {
    if found.issuer_keys.iter().all(|keys| matches!(keys, Keys::Known(_))) {
        return BTreeMap::new();
    }
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &Zone::Workspace.namespace(&found.name));
    let data = match api.get_opt(JWKS).await {
        Ok(config_map) => config_map.and_then(|config_map| config_map.data).unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "the issuers' keys of before cannot be read");
            BTreeMap::new()
        }
    };
    let issuers = tenant.spec.issuers.iter();
    issuers.filter_map(|issuer| Some((issuer.issuer.clone(), data.get(&jwks_file(&issuer.issuer))?.clone()))).collect()
}

async fn set_finalizers<'f>(
    context: &Context,
    tenant: &Tenant,
    finalizers: impl Iterator<Item = &'f str>,
) -> Result<(), TenantError> {
    let api: Api<Tenant> = Api::all(context.client.clone());
    let finalizers: Vec<&str> = finalizers.collect();
    // The version of what was read: whoever changed the list meanwhile is not overwritten.
    let patch = json!({"metadata": {"resourceVersion": tenant.resource_version(), "finalizers": finalizers}});
    let params = PatchParams { field_manager: Some(TENANT_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = api.patch(&tenant.name_any(), &params, &Patch::Merge(&patch)).await;
    context.metrics.wrote(CONTROLLER, 1);
    patched.map(drop).map_err(|error| TenantError::Finalizer(Box::new(error)))
}

/// A failure that ended a reconcile is said in the status, too.
async fn say_so(context: &Context, tenant: &Tenant, error: &TenantError) {
    let generation = tenant.metadata.generation.unwrap_or(0);
    let before = tenant.status.clone().unwrap_or_default();
    let reason = error.reason();
    let mut findings: Vec<Finding> = vec![Finding::no(READY, reason, error.to_string())];
    if !error.is_transient() && tenant.metadata.deletion_timestamp.is_none() {
        // Neither was judged, and the gateway is withdrawn.
        let message = "It was not looked at: see Stalled.";
        findings.extend([ISOLATED, PERMITS_APPLIED].map(|kind| Finding::unknown(kind, reason, message)));
    }
    if !error.is_transient() {
        findings.push(Finding::yes(STALLED, reason, error.to_string()));
    }
    let mut conditions = merge(&before.conditions, &findings, generation, Timestamp::now());
    let others = before.conditions.iter().filter(|old| findings.iter().all(|finding| finding.kind != old.type_));
    conditions.extend(others.cloned());
    let status = TenantStatus { observed_generation: Some(generation), conditions, ..before.clone() };
    if status == before {
        return;
    }
    if let Err(error) = update_status::write(context, tenant, &status).await {
        tracing::warn!(%error, "a failure could not be written to the status");
    }
    context.tell(&tenant.object_ref(&()), EventType::Warning, reason, &error.to_string()).await;
}
