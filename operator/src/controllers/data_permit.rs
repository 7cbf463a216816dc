//! The controller of permits: where each stands, said in its status.
//!
//! A permit belongs to the Tenant that had its name when it was first seen: it is owned by
//! that Tenant's UID and goes with it. A later tenant of the same name inherits nothing.
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

use super::context::Context;
use super::tenant::{belongs, permit_of};

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
    let tenant = context.tenant(&permit.spec.tenant);
    if let Some(tenant) = &tenant {
        adopt(&context, permit, tenant).await?;
    }
    let standing = standing(&context, permit, tenant.as_ref());
    let wait = standing.next_change.map_or(REVISIT, |at| until(at).min(REVISIT));
    let wait = if tenant.is_none() { SOON } else { wait };
    update_status(&context, permit, standing).await?;
    context.failures.after_success(&failure_key(permit));
    Ok(Action::requeue(wait))
}

fn failure_key(permit: &impl ResourceExt) -> String {
    format!("permit/{}", permit.name_any())
}

/// When to try again after a failure.
pub fn error_policy(guard: &DeserializeGuard<DataPermit>, error: &PermitError, context: &Context) -> Action {
    context.metrics.failed(CONTROLLER, "ApiServerUnavailable");
    tracing::warn!(permit = guard.name_any(), %error, "a permit could not be reconciled");
    context.failures.after_failure(&failure_key(guard), true)
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

/// Makes a permit that nobody owns yet the tenant's own.
async fn adopt(context: &Context, permit: &DataPermit, tenant: &Tenant) -> Result<(), PermitError> {
    let owners = permit.metadata.owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|owner| owner.kind == "Tenant") {
        return Ok(());
    }
    let api: Api<DataPermit> = Api::namespaced(context.client.clone(), &context.namespace);
    let owner = json!({
        "apiVersion": Tenant::api_version(&()), "kind": Tenant::kind(&()), "name": tenant.name_any(),
        "uid": tenant.uid(),
    });
    let patch = json!({"metadata": {"resourceVersion": permit.resource_version(), "ownerReferences": [owner]}});
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
    let owners = permit.metadata.owner_references.as_deref().unwrap_or_default();
    let foreign =
        owners.iter().any(|owner| owner.kind == "Tenant") && !belongs(owners, &tenant.uid().unwrap_or_default());
    if foreign {
        let message = "The permit belongs to an earlier tenant of this name; give the present one a permit of its own.";
        return no(PermitPhase::Invalid, "TenantReplaced", message.to_owned());
    }
    let counted = match permit_of(permit, &context.installation) {
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

async fn update_status(context: &Context, permit: &DataPermit, standing: Standing) -> Result<(), PermitError> {
    let Standing { phase, ready, delivered, digest, next_change } = standing;
    let before = permit.status.clone().unwrap_or_default();
    let generation = permit.metadata.generation.unwrap_or(0);
    let status = DataPermitStatus {
        observed_generation: Some(generation),
        conditions: merge(&before.conditions, &[ready, delivered], generation, Timestamp::now()),
        phase: Some(phase),
        digest,
        next_change: next_change.map(Time),
    };
    if status == before {
        return Ok(());
    }
    let api: Api<DataPermit> = Api::namespaced(context.client.clone(), &context.namespace);
    let body = json!({
        "apiVersion": DataPermit::api_version(&()), "kind": DataPermit::kind(&()),
        "metadata": {"name": permit.name_any(), "uid": permit.uid()}, "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    let patched = api.patch_status(&permit.name_any(), &params, &Patch::Apply(&body)).await;
    context.metrics.wrote(CONTROLLER, 1);
    patched.map(drop).map_err(|error| PermitError::Status(Box::new(error)))
}

fn until(at: Timestamp) -> Duration {
    let left = at.duration_since(Timestamp::now());
    Duration::try_from(left).unwrap_or_default() + Duration::from_millis(50)
}
