//! The controller of extracts: one delivery each, taken in by a Job in the intake zone.
//!
//! A run starts only in a zone that was measured to be closed, under a permit that counts
//! and names the dataset. What became of it is read from the run's own last words.

mod belonging;
mod prepare;
mod runs;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use oscar_crds::condition::{DELIVERED, Finding, merge};
use oscar_crds::{Extract, ExtractPhase, ExtractRun, ExtractStatus, Tenant};
use serde_json::json;

use self::belonging::{clear, own};
use self::prepare::prepare;
use self::runs::{follow, hold};
use super::claim::first_tenant;
use super::context::Context;
use super::deadline::{LONGEST, Late, within};
use crate::objects::ApplyError;

/// The controller's name in metrics and logs.
pub const CONTROLLER: &str = "extract";
/// The field manager of extracts' statuses.
pub const MANAGER: &str = "oscar-operator/extract";
/// Keeps an Extract until its runs are gone.
pub const FINALIZER: &str = "host.oscar-project.com/extract";
/// When an extract that waits or runs is looked at again.
const SOON: Duration = Duration::from_secs(3);
/// When a run that broke is started again.
const AGAIN: Duration = Duration::from_mins(5);
/// When one in order is looked at again without a reason.
const REVISIT: Duration = Duration::from_mins(10);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The API server.
    #[error("{what} could not be written: {source}")]
    Api {
        /// What.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The scheduled runs.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// An object that is none.
    #[error(transparent)]
    Object(#[from] oscar_blueprint::ObjectError),
    /// It took too long.
    #[error(transparent)]
    Late(#[from] Late),
}

impl ExtractError {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Api { .. } | Self::Apply(_) | Self::Object(_) => "ApiServerUnavailable",
            Self::Late(_) => Late::REASON,
        }
    }
}

/// Where an extract stands.
#[derive(Debug)]
struct Standing {
    phase: ExtractPhase,
    ready: Finding,
    run: Option<ExtractRun>,
    wait: Duration,
}

/// Takes one delivery in.
///
/// # Errors
/// See [`ExtractError`].
pub async fn reconcile(guard: Arc<DeserializeGuard<Extract>>, context: Arc<Context>) -> Result<Action, ExtractError> {
    context.mirrored().await;
    let _running = context.metrics.reconcile(CONTROLLER);
    let extract = match &guard.0 {
        Ok(extract) => extract,
        Err(invalid) => {
            tracing::error!(name = ?invalid.metadata.name, error = invalid.error, "an extract cannot be read");
            return Ok(Action::await_change());
        }
    };
    if extract.metadata.deletion_timestamp.is_some() {
        let gone = within(LONGEST, clear(&context, extract)).await?;
        return Ok(if gone { Action::await_change() } else { Action::requeue(SOON) });
    }
    let wait = within(LONGEST, take_in(&context, extract)).await?;
    context.failures.after_success(&failure_key(extract));
    Ok(Action::requeue(wait))
}

/// Runs what may run, says how it stands, and when to look again.
async fn take_in(context: &Context, extract: &Extract) -> Result<Duration, ExtractError> {
    let tenant = context.tenant(&extract.spec.tenant);
    own(context, extract, tenant.as_ref()).await?;
    let standing = match prepare(context, extract, tenant.as_ref()) {
        Ok(prepared) => follow(context, extract, &prepared).await?,
        Err(lapse) => hold(context, extract, lapse).await?,
    };
    let wait = standing.wait;
    update_status(context, extract, tenant.as_ref(), standing).await?;
    Ok(wait)
}

fn failure_key(extract: &impl ResourceExt) -> String {
    format!("extract/{}", extract.name_any())
}

/// When to try again after a failure.
pub fn error_policy(guard: &DeserializeGuard<Extract>, error: &ExtractError, context: &Context) -> Action {
    context.metrics.failed(CONTROLLER, error.reason());
    tracing::warn!(extract = guard.name_any(), %error, "an extract could not be reconciled");
    context.failures.after_failure(&failure_key(guard), true, None)
}

async fn patch(context: &Context, extract: &Extract, patch: &serde_json::Value) -> Result<(), ExtractError> {
    let api: Api<Extract> = Api::namespaced(context.client.clone(), &context.namespace);
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&extract.name_any(), &params, &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(ExtractError::Api { what: "the extract", source: Box::new(source) }),
    }
}

async fn update_status(
    context: &Context,
    extract: &Extract,
    tenant: Option<&Tenant>,
    standing: Standing,
) -> Result<(), ExtractError> {
    let Standing { phase, ready, run, wait: _ } = standing;
    let before = extract.status.clone().unwrap_or_default();
    let generation = extract.metadata.generation.unwrap_or(0);
    let before_delivered = before.conditions.iter().find(|old| old.type_ == DELIVERED && old.status == "True");
    let delivered = match (phase, before_delivered) {
        (ExtractPhase::Delivered, _) => Finding::yes(DELIVERED, "Delivered", ready.message.clone()),
        // What an earlier run of the schedule has brought is there all the same.
        (_, Some(old)) if extract.spec.schedule.is_some() => {
            Finding::yes(DELIVERED, old.reason.clone(), old.message.clone())
        }
        (_, _) => Finding::no(DELIVERED, ready.reason.clone(), ready.message.clone()),
    };
    let status = ExtractStatus {
        observed_generation: Some(generation),
        conditions: merge(&before.conditions, &[ready.clone(), delivered], generation, Timestamp::now()),
        phase: Some(phase),
        last_run: run.or_else(|| before.last_run.clone()),
        tenant_uid: first_tenant(
            before.tenant_uid.clone(),
            extract.metadata.owner_references.as_deref().unwrap_or_default(),
            tenant,
        ),
    };
    if status == before {
        return Ok(());
    }
    let api: Api<Extract> = Api::namespaced(context.client.clone(), &context.namespace);
    let body = json!({
        "apiVersion": Extract::api_version(&()), "kind": Extract::kind(&()),
        "metadata": {"name": extract.name_any(), "uid": extract.uid()}, "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    let patched = api.patch_status(&extract.name_any(), &params, &Patch::Apply(&body)).await;
    context.metrics.wrote(CONTROLLER, 1);
    patched.map_err(|source| ExtractError::Api { what: "the status", source: Box::new(source) })?;
    if before.phase != Some(phase) {
        context.trigger.tenant(&extract.spec.tenant);
        let kind = match phase {
            ExtractPhase::Refused | ExtractPhase::Failed => EventType::Warning,
            ExtractPhase::Waiting | ExtractPhase::Running | ExtractPhase::Delivered => EventType::Normal,
        };
        context.tell(&extract.object_ref(&()), kind, &ready.reason, &ready.message).await;
    }
    Ok(())
}
