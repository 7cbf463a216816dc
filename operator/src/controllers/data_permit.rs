//! The controller of permits: where each stands, said in its status.
//!
//! A permit belongs to the Tenant that had its name when it was first seen, and goes with it;
//! see the module `claim`.
//! What a permit gives is decided by the lake-api at every request; this controller only
//! says what that comes to, and wakes the tenant's own controller.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use oscar_crds::condition::{DELIVERED, Finding, READY, merge};
use oscar_crds::{DataPermit, DataPermitStatus, PermitPhase, Tenant};
use oscar_permit::Denial;
use serde_json::json;

use super::claim::{Claim, claim, first_tenant, owners_with};
use super::context::Context;
use super::deadline::{LONGEST, Late, within};
use super::tenant::{counted, permits};

/// The controller's name in metrics and logs.
pub const CONTROLLER: &str = "permit";
/// The field manager of permits' statuses and owners.
pub const MANAGER: &str = "oscar-operator/permit";
/// When a permit is looked at again without a reason.
const REVISIT: Duration = Duration::from_mins(10);
/// When one that waits for its tenant is looked at again.
const SOON: Duration = Duration::from_secs(5);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum PermitError {
    /// The permit could not be given its owner.
    #[error("the permit could not be given to its tenant: {0}")]
    Adopt(#[source] Box<kube::Error>),
    /// The status could not be written.
    #[error("the status could not be written: {0}")]
    Status(#[source] Box<kube::Error>),
    /// It took too long.
    #[error(transparent)]
    Late(#[from] Late),
}

impl PermitError {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Adopt(_) | Self::Status(_) => "ApiServerUnavailable",
            Self::Late(_) => Late::REASON,
        }
    }
}

/// Says where one permit stands.
///
/// # Errors
/// See [`PermitError`].
pub async fn reconcile(guard: Arc<DeserializeGuard<DataPermit>>, context: Arc<Context>) -> Result<Action, PermitError> {
    context.mirrored().await;
    let _running = context.metrics.reconcile(CONTROLLER);
    let permit = match &guard.0 {
        Ok(permit) => permit,
        Err(invalid) => {
            tracing::error!(name = ?invalid.metadata.name, error = invalid.error, "a permit cannot be read and counts for nothing");
            return Ok(Action::await_change());
        }
    };
    context.trigger.tenant(&permit.spec.tenant);
    if permit.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let wait = within(LONGEST, follow(&context, permit)).await?;
    context.failures.after_success(&failure_key(permit));
    Ok(Action::requeue(wait))
}

/// Gives a permit its owner, says where it stands, and when to look again.
async fn follow(context: &Context, permit: &DataPermit) -> Result<Duration, PermitError> {
    let tenant = context.tenant(&permit.spec.tenant);
    let standing = standing(context, permit, tenant.as_ref());
    let wait = standing.next_change.map_or(REVISIT, |at| until(at).min(REVISIT));
    // Whose it is is noted before it is anybody's.
    let version = update_status(context, permit, tenant.as_ref(), standing).await?;
    let Some(tenant) = tenant else { return Ok(SOON) };
    if claim_of(permit, &tenant.uid().unwrap_or_default()) == Claim::Free {
        adopt(context, permit, version, &tenant).await?;
    }
    Ok(wait)
}

/// Whose a permit is, from the point of view of the tenant with this UID that it names.
pub(crate) fn claim_of(permit: &DataPermit, uid: &str) -> Claim {
    let owners = permit.metadata.owner_references.as_deref().unwrap_or_default();
    let noted = permit.status.as_ref().and_then(|status| status.tenant_uid.as_deref());
    claim(owners, noted, uid)
}

fn failure_key(permit: &impl ResourceExt) -> String {
    format!("permit/{}", permit.name_any())
}

/// When to try again after a failure.
pub fn error_policy(guard: &DeserializeGuard<DataPermit>, error: &PermitError, context: &Context) -> Action {
    context.metrics.failed(CONTROLLER, error.reason());
    tracing::warn!(permit = guard.name_any(), %error, "a permit could not be reconciled");
    context.failures.after_failure(&failure_key(guard), true, None)
}

/// Where a permit stands.
#[derive(Debug)]
struct Standing {
    phase: PermitPhase,
    ready: Finding,
    delivered: Finding,
    digest: Option<String>,
    next_change: Option<Timestamp>,
}

/// The permit of an object, when it counts for its tenant: by the rule by which the tenant's
/// own controller gives it to the lake-api, or would as soon as it is the tenant's.
///
/// # Errors
/// Why it counts for nothing.
pub(crate) fn counted_for(
    context: &Context,
    permit: &DataPermit,
    tenant: &Tenant,
) -> Result<oscar_permit::DataPermit, String> {
    let mut all = permits(context, &permit.spec.tenant, &tenant.uid().unwrap_or_default());
    all.retain(|other| other.name_any() != permit.name_any());
    all.push(permit.clone());
    counted(permit, &all, &context.installation(), chrono::Utc::now())
}

/// Makes a permit that nobody owns yet the tenant's own, if it still has this version.
async fn adopt(
    context: &Context,
    permit: &DataPermit,
    version: Option<String>,
    tenant: &Tenant,
) -> Result<(), PermitError> {
    let api: Api<DataPermit> = Api::namespaced(context.client.clone(), &context.namespace);
    let owners = owners_with(permit.metadata.owner_references.as_deref().unwrap_or_default(), tenant);
    let patch = json!({"metadata": {"resourceVersion": version, "ownerReferences": owners}});
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patched = api.patch(&permit.name_any(), &params, &Patch::Merge(&patch)).await;
    patched.map(drop).map_err(|error| PermitError::Adopt(Box::new(error)))
}

fn standing(context: &Context, permit: &DataPermit, tenant: Option<&Tenant>) -> Standing {
    let delivered = delivered(context, permit);
    let no = |phase, reason: &str, message: String| Standing {
        phase,
        ready: Finding::no(READY, reason, message),
        delivered: delivered.clone(),
        digest: None,
        next_change: None,
    };
    let Some(tenant) = tenant else {
        let message = format!("There is no tenant {}; the permit waits for it.", permit.spec.tenant);
        return no(PermitPhase::Pending, "TenantMissing", message);
    };
    if claim_of(permit, &tenant.uid().unwrap_or_default()) == Claim::Foreign {
        let message = "The permit belongs to an earlier tenant of this name; give the present one a permit of its own.";
        return no(PermitPhase::Invalid, "TenantReplaced", message.to_owned());
    }
    let counted = match counted_for(context, permit, tenant) {
        Ok(counted) => counted,
        Err(why) => return no(PermitPhase::Invalid, "Invalid", why),
    };
    let (phase, ready) = match counted.in_force(chrono::Utc::now()) {
        Ok(()) => (PermitPhase::InForce, Finding::yes(READY, "InForce", "The permit counts now.")),
        Err(denial) => {
            let (phase, reason) = match denial {
                Denial::NotYetValid(_) => (PermitPhase::Pending, "NotYetValid"),
                Denial::Expired(_) => (PermitPhase::Expired, "Expired"),
                Denial::Revoked(_) => (PermitPhase::Revoked, "Revoked"),
                Denial::UnknownPerson(_) => (PermitPhase::Invalid, "Invalid"),
            };
            (phase, Finding::no(READY, reason, denial.to_string()))
        }
    };
    let now = Timestamp::now();
    let moments = [Some(counted.valid_from), Some(counted.valid_until), counted.revoked_at];
    let moments = moments.into_iter().flatten().filter_map(|at| Timestamp::from_second(at.timestamp()).ok());
    Standing {
        phase,
        ready,
        delivered,
        digest: counted.digest().ok().map(|digest| digest.to_string()),
        next_change: moments.filter(|at| *at > now).min(),
    }
}

/// Whether every dataset that the permit names was delivered to its tenant.
fn delivered(context: &Context, permit: &DataPermit) -> Finding {
    let extracts = context.extracts.state();
    let is_there = |dataset: &str| {
        extracts.iter().filter_map(|guard| guard.0.as_ref().ok()).any(|extract| {
            extract.spec.tenant == permit.spec.tenant
                && extract.spec.dataset == dataset
                && extract.status.as_ref().is_some_and(|status| {
                    status.conditions.iter().any(|found| found.type_ == DELIVERED && found.status == "True")
                })
        })
    };
    let missing: Vec<&str> =
        permit.spec.datasets.iter().map(|grant| grant.dataset.as_str()).filter(|dataset| !is_there(dataset)).collect();
    if missing.is_empty() {
        Finding::yes(DELIVERED, "Delivered", "Every dataset of the permit was delivered.")
    } else {
        let message = format!("Nothing was delivered yet of {}; an Extract brings it.", missing.join(", "));
        Finding::no(DELIVERED, "NotDelivered", message)
    }
}

/// Writes the status when it is not what it was; returns the object's version after that.
async fn update_status(
    context: &Context,
    permit: &DataPermit,
    tenant: Option<&Tenant>,
    standing: Standing,
) -> Result<Option<String>, PermitError> {
    let Standing { phase, ready, delivered, digest, next_change } = standing;
    let before = permit.status.clone().unwrap_or_default();
    let generation = permit.metadata.generation.unwrap_or(0);
    let status = DataPermitStatus {
        observed_generation: Some(generation),
        conditions: merge(&before.conditions, &[ready, delivered], generation, Timestamp::now()),
        phase: Some(phase),
        digest,
        next_change: next_change.map(Time),
        tenant_uid: first_tenant(
            before.tenant_uid.clone(),
            permit.metadata.owner_references.as_deref().unwrap_or_default(),
            tenant,
        ),
    };
    if status == before {
        return Ok(permit.resource_version());
    }
    let api: Api<DataPermit> = Api::namespaced(context.client.clone(), &context.namespace);
    let body = json!({
        "apiVersion": DataPermit::api_version(&()), "kind": DataPermit::kind(&()),
        "metadata": {"name": permit.name_any(), "uid": permit.uid()}, "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    let patched = api.patch_status(&permit.name_any(), &params, &Patch::Apply(&body)).await;
    context.metrics.wrote(CONTROLLER, 1);
    patched.map(|written| written.resource_version()).map_err(|error| PermitError::Status(Box::new(error)))
}

fn until(at: Timestamp) -> Duration {
    let left = at.duration_since(Timestamp::now());
    Duration::try_from(left).unwrap_or_default() + Duration::from_millis(50)
}
