//! The controller of extracts: one delivery each, taken in by a Job in the intake zone.
//!
//! A run starts only in a zone that was measured to be closed, under a permit that counts
//! and names the dataset. What became of it is read from the run's own last words.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use oscar_blueprint::names::Zone;
use oscar_blueprint::{
    Kind, Object, Run, TenantPlan, extract_cron_job, extract_cron_name, extract_job, extract_job_name,
};
use oscar_crds::condition::{DELIVERED, Finding, ISOLATED, READY, STORAGE_READY, merge};
use oscar_crds::{Extract, ExtractPhase, ExtractRun, ExtractStatus, PermitPhase, Tenant};
use oscar_permit::{DatasetName, IntakeRun, PermitId, Sha256Digest, TenantName, canonical_json};
use serde_json::json;

use super::context::{Context, tenant_name};
use super::tenant::belongs;
use crate::objects::ApplyError;
use crate::sight::{JobSight, PodSight};

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
        clear(&context, extract).await?;
        return Ok(Action::await_change());
    }
    let tenant = context.tenant(&extract.spec.tenant);
    own(&context, extract, tenant.as_ref()).await?;
    let standing = match prepare(&context, extract, tenant.as_ref()) {
        Ok(prepared) => follow(&context, extract, &prepared).await?,
        Err(lapse) => hold(&context, extract, lapse).await?,
    };
    let wait = standing.wait;
    update_status(&context, extract, standing).await?;
    context.failures.after_success(&failure_key(extract));
    Ok(Action::requeue(wait))
}

fn failure_key(extract: &impl ResourceExt) -> String {
    format!("extract/{}", extract.name_any())
}

/// When to try again after a failure.
pub fn error_policy(guard: &DeserializeGuard<Extract>, error: &ExtractError, context: &Context) -> Action {
    context.metrics.failed(CONTROLLER, "ApiServerUnavailable");
    tracing::warn!(extract = guard.name_any(), %error, "an extract could not be reconciled");
    context.failures.after_failure(&failure_key(guard), true)
}

/// What a run needs.
#[derive(Debug)]
struct Prepared {
    plan: TenantPlan,
    permit: PermitId,
    dataset: DatasetName,
}

/// Why no run may start.
#[derive(Debug)]
struct Lapse {
    reason: &'static str,
    message: String,
    /// What becomes of a run that has begun.
    under_way: UnderWay,
}

/// A run that has begun when it no longer may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnderWay {
    /// It was started in order, and what is missing now may be there in a moment.
    GoesOn,
    /// Nobody may touch person numbers any more.
    Ends,
}

impl Lapse {
    fn ends(reason: &'static str, message: String) -> Self {
        Self { reason, message, under_way: UnderWay::Ends }
    }
}

/// Everything that must be in order before person numbers are touched, or what is not.
fn prepare(context: &Context, extract: &Extract, tenant: Option<&Tenant>) -> Result<Prepared, Lapse> {
    let spec = &extract.spec;
    let tenant = tenant.ok_or_else(|| Lapse::ends("TenantMissing", format!("There is no tenant {}.", spec.tenant)))?;
    let uid = tenant.uid().unwrap_or_default();
    let owners = extract.metadata.owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|owner| owner.kind == "Tenant") && !belongs(owners, &uid) {
        return Err(Lapse::ends("TenantReplaced", "The extract belongs to an earlier tenant of this name.".to_owned()));
    }
    if tenant.spec.suspend {
        return Err(Lapse::ends("TenantSuspended", format!("Tenant {} is suspended.", spec.tenant)));
    }
    let conditions = tenant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for needed in [STORAGE_READY, ISOLATED] {
        let status = conditions.iter().find(|condition| condition.type_ == needed).map(|found| found.status.as_str());
        if status != Some("True") {
            let breached = needed == ISOLATED && status == Some("False");
            return Err(Lapse {
                reason: "TenantNotReady",
                message: format!("Tenant {} is not {needed}.", spec.tenant),
                under_way: if breached { UnderWay::Ends } else { UnderWay::GoesOn },
            });
        }
    }
    let found = context.permits.find(|guard| guard.name_any() == spec.permit);
    let permit = found.as_ref().and_then(|guard| guard.0.as_ref().ok());
    let permit = permit.filter(|permit| permit.metadata.deletion_timestamp.is_none());
    let permit =
        permit.ok_or_else(|| Lapse::ends("PermitMissing", format!("There is no permit object {}.", spec.permit)))?;
    let in_force = permit.status.as_ref().and_then(|status| status.phase) == Some(PermitPhase::InForce);
    if permit.spec.tenant != spec.tenant || !in_force {
        let message = format!("Permit {} is not in force for tenant {}.", spec.permit, spec.tenant);
        return Err(Lapse::ends("PermitNotInForce", message));
    }
    if !permit.spec.datasets.iter().any(|grant| grant.dataset == spec.dataset) {
        let message = format!("Permit {} does not name dataset {}.", spec.permit, spec.dataset);
        return Err(Lapse::ends("DatasetNotPermitted", message));
    }
    let invalid = |what: &str| Lapse::ends("Invalid", format!("{what} is not a valid name."));
    Ok(Prepared {
        permit: PermitId::new(permit.spec.id.clone()).map_err(|_| invalid("the permit's id"))?,
        dataset: DatasetName::new(spec.dataset.clone()).map_err(|_| invalid("the dataset"))?,
        plan: TenantPlan::bare(
            Arc::clone(&context.installation),
            tenant_name(tenant).ok_or_else(|| invalid("the tenant"))?,
            uid,
            tenant.spec.compute.size,
        ),
    })
}

/// Lets no run start, ends the one under way where it must not go on, and keeps what is
/// known of a delivery that was made.
async fn hold(context: &Context, extract: &Extract, lapse: Lapse) -> Result<Standing, ExtractError> {
    unschedule(context, extract).await?;
    if lapse.under_way == UnderWay::Ends {
        end_runs(context, extract, |sight| sight.active).await?;
    }
    let last = extract.status.as_ref().and_then(|status| status.last_run.clone());
    let is_settled = matches!(phase_of(extract), Some(ExtractPhase::Delivered | ExtractPhase::Refused));
    let job = extract_job_name(&extract.name_any(), &attempt(extract));
    match last {
        // The one delivery that it asks for was made, or refused, before.
        Some(last) if extract.spec.schedule.is_none() && is_settled && last.job == job => Ok(kept(extract, last)),
        Some(_) | None => Ok(Standing {
            phase: ExtractPhase::Waiting,
            ready: Finding::no(READY, lapse.reason, lapse.message),
            run: None,
            wait: SOON,
        }),
    }
}

fn phase_of(extract: &Extract) -> Option<ExtractPhase> {
    extract.status.as_ref().and_then(|status| status.phase)
}

/// The intake namespace of the tenant that an extract names.
fn intake_of(extract: &Extract) -> Option<String> {
    TenantName::new(extract.spec.tenant.clone()).ok().map(|tenant| Zone::Intake.namespace(&tenant))
}

/// Takes the schedule away, if there is one; runs that it has begun go on.
async fn unschedule(context: &Context, extract: &Extract) -> Result<(), ExtractError> {
    let Some(namespace) = intake_of(extract) else { return Ok(()) };
    let (kind, name) = (Kind::of::<CronJob>(), extract_cron_name(&extract.name_any()));
    if context.applier.in_namespace(kind, &namespace).get(&name).is_some_and(|seen| !seen.deleting) {
        context.applier.remove_leaving_dependents(kind, &namespace, &name).await?;
        context.metrics.wrote(CONTROLLER, 1);
    }
    Ok(())
}

/// Ends the runs of an extract that `which` chooses, with their pods.
async fn end_runs(context: &Context, extract: &Extract, which: impl Fn(&JobSight) -> bool) -> Result<(), ExtractError> {
    let (Some(namespace), name) = (intake_of(extract), extract.name_any()) else { return Ok(()) };
    for (job, sight) in context.world.jobs.in_namespace(&namespace) {
        if sight.extract.as_deref() == Some(name.as_str()) && which(&sight) {
            remove_job(context, &namespace, &job).await?;
        }
    }
    Ok(())
}

/// Starts the run where there is none, and says how the newest one stands.
async fn follow(context: &Context, extract: &Extract, prepared: &Prepared) -> Result<Standing, ExtractError> {
    let Prepared { plan, permit, dataset } = prepared;
    let name = extract.name_any();
    let run = Run { extract: &name, delivery: &extract.spec.delivery, permit, dataset };
    let namespace = Zone::Intake.namespace(&plan.name);
    if let Some(schedule) = &extract.spec.schedule {
        let object = Object::new(&extract_cron_job(plan, run, schedule))?;
        context.applier.apply(&object).await?;
        return Ok(newest_run(context, extract, &namespace));
    }
    unschedule(context, extract).await?;
    let job = extract_job_name(&name, &attempt(extract));
    let last = extract.status.as_ref().and_then(|status| status.last_run.clone()).filter(|last| last.job == job);
    match (context.world.jobs.get(&namespace, &job), last) {
        // The Job is gone after its time; what became of it is known.
        (None, Some(last)) if matches!(phase_of(extract), Some(ExtractPhase::Delivered | ExtractPhase::Refused)) => {
            Ok(kept(extract, last))
        }
        (None, last) => {
            let rested = last.as_ref().is_none_or(|last| {
                let since = Timestamp::now().duration_since(last.finished_at.0);
                Duration::try_from(since).unwrap_or_default() >= AGAIN
            });
            if !rested {
                return Ok(last.map_or_else(running, |last| kept(extract, last)));
            }
            start(context, &namespace, &extract_job(plan, run, &attempt(extract))).await?;
            Ok(running())
        }
        (Some(sight), _) if sight.active => Ok(running()),
        (Some(sight), last) => {
            let standing = ended(context, &namespace, &job, sight.failed.as_deref(), last);
            if standing.phase == ExtractPhase::Failed {
                let rested = sight.made.is_none_or(|made| {
                    Duration::try_from(Timestamp::now().duration_since(made)).unwrap_or_default() >= AGAIN
                });
                if rested {
                    remove_job(context, &namespace, &job).await?;
                }
            }
            Ok(standing)
        }
    }
}

/// Tells the runs of different packages of one extract apart.
fn attempt(extract: &Extract) -> String {
    let what = canonical_json(&(&extract.spec.delivery, &extract.spec.permit, extract.uid())).unwrap_or_default();
    Sha256Digest::of(what).to_string().chars().take(8).collect()
}

fn running() -> Standing {
    Standing {
        phase: ExtractPhase::Running,
        ready: Finding::no(READY, "Running", "The delivery is being taken in."),
        run: None,
        wait: SOON,
    }
}

/// The standing of before, for a run whose Job is gone.
fn kept(extract: &Extract, run: ExtractRun) -> Standing {
    let phase = phase_of(extract).unwrap_or(ExtractPhase::Failed);
    let old = extract.status.iter().flat_map(|status| &status.conditions).find(|condition| condition.type_ == READY);
    let (reason, message) = old.map_or_else(
        || ("Failed".to_owned(), "The run broke.".to_owned()),
        |old| (old.reason.clone(), old.message.clone()),
    );
    let holds = phase == ExtractPhase::Delivered;
    let ready = if holds { Finding::yes(READY, reason, message) } else { Finding::no(READY, reason, message) };
    Standing { phase, ready, run: Some(run), wait: if phase == ExtractPhase::Failed { SOON } else { REVISIT } }
}

/// The newest run of a schedule.
fn newest_run(context: &Context, extract: &Extract, namespace: &str) -> Standing {
    let name = extract.name_any();
    let jobs = context.world.jobs.in_namespace(namespace);
    let newest = jobs
        .into_iter()
        .filter(|(_, job)| job.extract.as_deref() == Some(name.as_str()))
        .max_by_key(|(_, job)| job.made);
    match newest {
        Some((_, sight)) if sight.active => running(),
        Some((job, sight)) => ended(context, namespace, &job, sight.failed.as_deref(), None),
        None => match extract.status.as_ref().and_then(|status| status.last_run.clone()) {
            Some(last) => kept(extract, last),
            None => Standing {
                phase: ExtractPhase::Waiting,
                ready: Finding::no(READY, "Scheduled", "The first run has not begun yet."),
                run: None,
                wait: REVISIT,
            },
        },
    }
}

/// How a run that has ended stands, from its pods' last words.
fn ended(context: &Context, namespace: &str, job: &str, failed: Option<&str>, last: Option<ExtractRun>) -> Standing {
    let pods = context.world.pods.in_namespace(namespace);
    let newest = pods
        .values()
        .filter(|pod| pod.job.as_deref() == Some(job))
        .filter_map(|pod| pod.ended.as_ref().map(|end| (end, pod)))
        .max_by_key(|(end, _)| end.at);
    let Some((end, pod)) = newest else {
        let why = failed.unwrap_or("its pod is gone");
        return Standing {
            phase: ExtractPhase::Failed,
            ready: Finding::no(READY, "Failed", format!("The run broke ({why}) and is tried again.")),
            run: last,
            wait: SOON,
        };
    };
    let report: IntakeRun = serde_json::from_str(&end.words).unwrap_or_default();
    let run = ExtractRun {
        job: job.to_owned(),
        finished_at: Time(end.at),
        delivery: report.delivery.map(|digest| digest.to_string()),
        rows: report.rows.and_then(|rows| i64::try_from(rows).ok()),
        quarantined: report.quarantined.and_then(|rows| i64::try_from(rows).ok()),
        rule: report.rule.clone(),
    };
    let (phase, ready) = verdict(&report, pod, failed);
    let wait = if phase == ExtractPhase::Failed { SOON } else { REVISIT };
    Standing { phase, ready, run: Some(run), wait }
}

fn verdict(report: &IntakeRun, pod: &PodSight, failed: Option<&str>) -> (ExtractPhase, Finding) {
    let message = report.message.clone();
    if report.delivered && failed.is_none() {
        let message = message.unwrap_or_else(|| "The dataset is in the lake as delivered.".to_owned());
        return (ExtractPhase::Delivered, Finding::yes(READY, "Delivered", message));
    }
    if let Some(rule) = &report.rule {
        let message = message.unwrap_or_else(|| format!("The package was refused: {rule}."));
        return (ExtractPhase::Refused, Finding::no(READY, "Refused", format!("{message} (rule {rule})")));
    }
    let why = message.or_else(|| pod.trouble.clone()).or_else(|| failed.map(str::to_owned));
    let why = why.unwrap_or_else(|| "it ended without a word".to_owned());
    (ExtractPhase::Failed, Finding::no(READY, "Failed", format!("The run broke ({why}) and is tried again.")))
}

async fn start(context: &Context, namespace: &str, job: &Job) -> Result<(), ExtractError> {
    let api: Api<Job> = Api::namespaced(context.client.clone(), namespace);
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&params, job).await {
        Ok(_) => {
            context.metrics.wrote(CONTROLLER, 1);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(source) => Err(ExtractError::Api { what: "the run", source: Box::new(source) }),
    }
}

async fn remove_job(context: &Context, namespace: &str, job: &str) -> Result<(), ExtractError> {
    let api: Api<Job> = Api::namespaced(context.client.clone(), namespace);
    match api.delete(job, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(ExtractError::Api { what: "the end of a run", source: Box::new(source) }),
    }
}

/// Gives the extract its tenant as owner and the finalizer, where they are missing.
async fn own(context: &Context, extract: &Extract, tenant: Option<&Tenant>) -> Result<(), ExtractError> {
    let owners = extract.metadata.owner_references.as_deref().unwrap_or_default();
    let owner = tenant.filter(|_| !owners.iter().any(|owner| owner.kind == "Tenant"));
    let has_finalizer = extract.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    if owner.is_none() && has_finalizer {
        return Ok(());
    }
    let mut metadata = json!({"resourceVersion": extract.resource_version(), "finalizers": [FINALIZER]});
    if let (Some(tenant), serde_json::Value::Object(fields)) = (owner, &mut metadata) {
        let reference = json!([{
            "apiVersion": Tenant::api_version(&()), "kind": Tenant::kind(&()), "name": tenant.name_any(),
            "uid": tenant.uid(),
        }]);
        fields.insert("ownerReferences".to_owned(), reference);
    }
    patch(context, extract, &json!({"metadata": metadata})).await
}

/// Removes an extract's runs, then lets it go.
async fn clear(context: &Context, extract: &Extract) -> Result<(), ExtractError> {
    unschedule(context, extract).await?;
    end_runs(context, extract, |_| true).await?;
    let finalizers: Vec<&String> = extract.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    patch(
        context,
        extract,
        &json!({"metadata": {"resourceVersion": extract.resource_version(), "finalizers": finalizers}}),
    )
    .await
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

async fn update_status(context: &Context, extract: &Extract, standing: Standing) -> Result<(), ExtractError> {
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
