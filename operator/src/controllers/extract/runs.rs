//! Runs: started, ended, and how they stand.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams};
use oscar_blueprint::names::Zone;
use oscar_blueprint::{Kind, Object, Run, extract_cron_job, extract_cron_name, extract_job, extract_job_name};
use oscar_crds::condition::{Finding, READY};
use oscar_crds::{Extract, ExtractPhase, ExtractRun};
use oscar_permit::{IntakeRun, Sha256Digest, TenantName, canonical_json};

use super::prepare::{Lapse, Prepared, UnderWay};
use super::{AGAIN, CONTROLLER, ExtractError, MANAGER, REVISIT, SOON, Standing};
use crate::controllers::context::Context;
use crate::sight::{JobSight, PodSight};

/// Lets no run start, ends the one under way where it must not go on, and keeps what is
/// known of a delivery that was made.
pub(super) async fn hold(context: &Context, extract: &Extract, lapse: Lapse) -> Result<Standing, ExtractError> {
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
pub(super) fn intake_of(extract: &Extract) -> Option<String> {
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
pub(super) async fn follow(
    context: &Context,
    extract: &Extract,
    prepared: &Prepared,
) -> Result<Standing, ExtractError> {
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
