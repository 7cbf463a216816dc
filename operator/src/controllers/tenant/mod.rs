//! The controller of tenants.

mod apply;
mod break_glass;
mod deletion;
mod dereference;
mod failure_status;
mod isolation;
mod issuer_keys;
mod lake_api;
mod update_status;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use oscar_blueprint::names::Zone;
use oscar_blueprint::{BlueprintError, GatewayAccess, Running, probe_plan, tenant_objects};
use oscar_crds::Tenant;
use oscar_crds::condition::{Finding, ISOLATED};
use oscar_permit::CanonicalError;
use serde_json::json;

use self::dereference::Found;
use self::isolation::{NOT_MEASURED, Situation, Verdict, judge};
use self::update_status::Outcome;
use self::validate::Validated;
use super::context::{Context, tenant_name};
use super::deadline::{LONGEST, Late, within};
use crate::objects::{ApplyError, Change};
use crate::storage::StorageError;
use crate::world::TENANT_MANAGER;

pub use self::break_glass::Announced;
pub use self::dereference::DereferenceError;
pub(crate) use self::dereference::permits;
pub use self::validate::ValidateError;
pub(crate) use self::validate::counted;

/// The controller's name in metrics and logs.
pub const CONTROLLER: &str = "tenant";
/// Keeps a Tenant until everything of it is gone.
pub const FINALIZER: &str = "host.oscar-project.com/tenant";
/// When a tenant in order is looked at again without a reason.
const REVISIT: Duration = Duration::from_secs(30);
/// When one that is on its way is looked at again.
const SOON: Duration = Duration::from_secs(2);
/// The longest time for what is still to be done after a failure.
const LAST_WORDS: Duration = Duration::from_secs(30);
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
    /// It took too long.
    #[error(transparent)]
    Late(#[from] Late),
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
            Self::Late(_) => Late::REASON,
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
            Self::Status(_) | Self::Finalizer(_) | Self::Late(_) | Self::Certificate(..) => true,
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
            context.metrics.tenant(&guard.name_any(), false, false);
            return Ok(Action::await_change());
        }
    };
    let mut outcome = None;
    // Erasing takes as long as it takes, and is certified as one; each of its requests has a limit of its own.
    let result = if tenant.metadata.deletion_timestamp.is_some() {
        deletion::take_down(&context, tenant).await
    } else {
        within(LONGEST, stand_up(&context, tenant, &mut outcome)).await
    };
    match &result {
        Ok(_) => context.failures.after_success(&tenant.name_any()),
        Err(error) => within(LAST_WORDS, after_failure(&context, tenant, error, outcome)).await?,
    }
    result
}

/// Closes what must not stay open over a failure, and says what is known by then.
async fn after_failure(
    context: &Context,
    tenant: &Tenant,
    error: &TenantError,
    mut outcome: Option<Outcome>,
) -> Result<(), TenantError> {
    // What no waiting mends may have ended before the firewall was judged.
    let mut close = !error.is_transient();
    if let Some(outcome) = &mut outcome {
        if firewall_is_in_doubt(context, outcome, error) {
            for zone in Zone::ALL {
                context.disturbances.note(&zone.namespace(&outcome.found.name), Timestamp::now());
            }
            outcome.verdict.disturb();
        }
        // A revocation that cannot be applied does not reach the lake-api, so nobody else does.
        close |= outcome.verdict.gateway == GatewayAccess::Withdrawn || !outcome.judges_by_wanted_permits();
    }
    let closed = match tenant_name(tenant) {
        Some(name) if close => apply::withdraw_gateway(context, &name).await.map(drop),
        Some(_) | None => Ok(()),
    };
    failure_status::say_failure(context, tenant, error, outcome.as_ref()).await;
    closed.map_err(TenantError::from)
}

/// Whether a failure has left a policy other than it should be where the gateway was open.
fn firewall_is_in_doubt(context: &Context, outcome: &Outcome, error: &TenantError) -> bool {
    if matches!(error, TenantError::Apply(ApplyError::Contested { .. })) {
        return true;
    }
    let objects = tenant_objects(&outcome.validated.plan);
    outcome.verdict.gateway == GatewayAccess::Open
        && !objects.is_ok_and(|objects| apply::firewall_stands(context, &objects))
}

/// When to try again after a failure.
pub fn error_policy(guard: &DeserializeGuard<Tenant>, error: &TenantError, context: &Context) -> Action {
    let name = guard.name_any();
    context.metrics.failed(CONTROLLER, error.reason());
    tracing::warn!(tenant = name, reason = error.reason(), %error, "a tenant could not be reconciled");
    context.failures.after_failure(&name, error.is_transient(), door_closes(&guard.0, context))
}

/// When the first door that is open now ends, whatever else becomes of its tenant.
fn door_closes<E>(tenant: &Result<Tenant, E>, context: &Context) -> Option<Duration> {
    let tenant = tenant.as_ref().ok()?;
    break_glass::next_end(context, tenant, &tenant_name(tenant)?)
}

/// `outcome` is what was judged, once it was, however this ends.
async fn stand_up(context: &Context, tenant: &Tenant, outcome: &mut Option<Outcome>) -> Result<Action, TenantError> {
    // Before anything exists that would have to be taken down.
    if !tenant.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        set_finalizers(context, tenant, tenant.finalizers().iter().map(String::as_str).chain([FINALIZER])).await?;
    }
    // Before everything that could fail: a door does not stay open because of it. One that could
    // not be closed is told of in the end: the firewall is judged and mended all the same.
    let doors = match tenant_name(tenant) {
        Some(name) => break_glass::watch_doors(context, tenant, &name).await,
        None => Ok(()),
    };
    let outcome = outcome.insert(look(context, tenant).await?);
    let objects = tenant_objects(&outcome.validated.plan)?;
    close(context, tenant, outcome).await?;
    let (applied, end) = apply::apply(context, &outcome.validated.plan, &objects, outcome.verdict.gateway).await;
    context.metrics.wrote(CONTROLLER, applied.writes);
    tell_of_repairs(context, tenant, &applied.changes).await;
    let opened = applied.changes.iter().any(|change| apply::opened(change, outcome.verdict.gateway));
    if opened {
        outcome.verdict.disturb();
    }
    end?;
    if opened {
        context.metrics.wrote(CONTROLLER, apply::withdraw_gateway(context, &outcome.found.name).await?);
        say(context, tenant, outcome).await?;
        return Ok(Action::requeue(AT_ONCE));
    }
    let Outcome { found, validated, verdict } = &*outcome;
    let taken_up = found.lake_api.as_ref().ok().is_none_or(|report| report.permits == validated.permit_digests);
    let mut writes = apply::refresh_volumes(context, &validated.plan, &found.pods, objects.mounted, !taken_up).await?;
    if validated.plan.secrets.is_some() && validated.plan.running == Running::Yes {
        writes += apply::measure(context, &validated.plan, &objects, &verdict.measure).await?;
    }
    context.metrics.wrote(CONTROLLER, writes);
    doors?;
    say(context, tenant, outcome).await?;
    let settled = update_status::is_at_rest(tenant, update_status::findings(tenant, outcome).iter());
    // The gateway may have been held back for a failure that is over.
    let held_back = validated.plan.running == Running::Yes && validated.plan.gateway != verdict.gateway;
    let wait = if settled && !held_back { REVISIT } else { SOON };
    Ok(Action::requeue(break_glass::next_end(context, tenant, &found.name).map_or(wait, |closes| wait.min(closes))))
}

/// Steps one to three: what was found, what is wanted and how the firewall stands.
async fn look(context: &Context, tenant: &Tenant) -> Result<Outcome, TenantError> {
    let found = dereference::dereference(context, tenant).await?;
    let known_keys = issuer_keys::known_keys(context, tenant, &found).await;
    let validated = validate::validate(
        tenant,
        &found,
        &context.installation(),
        &context.spoke,
        known_keys.as_ref(),
        chrono::Utc::now(),
    )?;
    let mut verdict = isolation(&found, &validated)?;
    if validated.plan.running == Running::Suspended && verdict.finding.reason == NOT_MEASURED {
        let message = "A suspended tenant runs nothing that could be measured.";
        verdict.finding = Finding::unknown(ISOLATED, "Suspended", message);
    }
    let running = validated.plan.running;
    let mut outcome = Outcome { found, validated, verdict };
    // What the last failure closed stays closed until a whole look has succeeded: opened anew at the start of each, it
    // would be open while the next failure is waited for.
    let held_back = context.failures.is_failing(&tenant.name_any()) && !outcome.judges_by_wanted_permits();
    outcome.validated.plan.gateway = match running {
        Running::Yes if !held_back => outcome.verdict.gateway,
        Running::Yes | Running::Suspended => GatewayAccess::Withdrawn,
    };
    Ok(outcome)
}

/// Closes what must not be open, before everything that could fail or hang, and says so: whoever
/// starts a run in a zone reads there whether it is closed.
async fn close(context: &Context, tenant: &Tenant, outcome: &Outcome) -> Result<(), TenantError> {
    let Outcome { found, validated, verdict } = outcome;
    if validated.plan.gateway == GatewayAccess::Open {
        return Ok(());
    }
    context.metrics.wrote(CONTROLLER, apply::withdraw_gateway(context, &found.name).await?);
    let said = tenant.status.iter().flat_map(|status| &status.conditions);
    let said = said.filter(|condition| condition.type_ == ISOLATED).any(|condition| condition.status == "True");
    if said && verdict.finding.holds != Some(true) {
        // It is said once more in the end; until then nothing depends on it that must be mended.
        if let Err(error) = say(context, tenant, outcome).await {
            tracing::warn!(%error, "that a tenant is not isolated could not be said yet");
        }
    }
    Ok(())
}

async fn say(context: &Context, tenant: &Tenant, outcome: &Outcome) -> Result<(), TenantError> {
    let said = update_status::update_status(context, tenant, outcome).await;
    said.map_err(|error| TenantError::Status(Box::new(error)))
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
fn isolation(found: &Found, validated: &Validated) -> Result<Verdict, TenantError> {
    let mut wanted = BTreeMap::new();
    for zone in Zone::ALL {
        let plan = probe_plan(&validated.plan, zone)?;
        wanted.insert(zone, (plan.digest()?, plan.firewall));
    }
    let foreign =
        found.foreign_policies.iter().map(|(zone, policy)| format!("{}/{policy}", zone.namespace(&found.name)));
    let minutes = i64::from(validated.plan.installation.probe.interval_minutes);
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
