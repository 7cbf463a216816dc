//! The probes: a `CronJob` in each zone, and the Job that measures at once after a change.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use oscar_permit::Sha256Digest;

use crate::compute::Resources;
use crate::names::{PROBE, PROBE_PLAN_ANNOTATION, Role, Zone, labels};
use crate::pod::{Mount, Pod};
use crate::service_config::PROBE_DIR;
use crate::tenant_plan::{Running, TenantPlan};

/// A measurement takes seconds; what has not ended by then cannot end.
const DEADLINE_SECONDS: i64 = 60;
/// How much longer than the interval an ended Job stays: the next measurement takes its place.
const KEPT_LONGER_SECONDS: u32 = 120;

/// Seconds that an ended measurement stays to be read, by an operator that was away, too.
pub(crate) fn kept_seconds(plan: &TenantPlan) -> u32 {
    plan.installation.probe.interval_minutes.saturating_mul(60).saturating_add(KEPT_LONGER_SECONDS)
}

const fn role(zone: Zone) -> Role {
    match zone {
        Zone::Workspace => Role::WorkspaceProbe,
        Zone::Intake => Role::Intake,
    }
}

fn metadata(plan: &TenantPlan, zone: Zone, name: String, digest: Sha256Digest) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(zone.namespace(&plan.name)),
        labels: Some(labels(&plan.name, zone)),
        annotations: Some(BTreeMap::from([(PROBE_PLAN_ANNOTATION.to_owned(), digest.to_string())])),
        ..ObjectMeta::default()
    }
}

fn job_spec(plan: &TenantPlan, zone: Zone, digest: Sha256Digest) -> JobSpec {
    let pod = Pod {
        plan,
        zone,
        role: role(zone),
        labels: BTreeMap::new(),
        annotations: BTreeMap::from([(PROBE_PLAN_ANNOTATION.to_owned(), digest.to_string())]),
        container: Container {
            name: "probe".to_owned(),
            args: Some(vec![
                "probe".to_owned(),
                "--plan".to_owned(),
                format!("{PROBE_DIR}/plan.json"),
                "--report".to_owned(),
                "/dev/termination-log".to_owned(),
            ]),
            resources: Some(Resources::of_probe()),
            ..Container::default()
        },
        mounts: vec![Mount::ConfigMap(PROBE, PROBE_DIR)],
        scratch: false,
        restart: "Never",
        grace_seconds: 1,
    };
    JobSpec {
        // A measurement that broke is an answer too; the next one comes by itself.
        backoff_limit: Some(0),
        active_deadline_seconds: Some(DEADLINE_SECONDS),
        ttl_seconds_after_finished: i32::try_from(kept_seconds(plan)).ok(),
        template: pod.template(),
        ..JobSpec::default()
    }
}

/// The continuous measurement. `digest` is that of the firewall and its targets.
pub(crate) fn cron_job(plan: &TenantPlan, zone: Zone, digest: Sha256Digest) -> CronJob {
    let interval = plan.installation.probe.interval_minutes;
    let suspended = matches!(plan.running, Running::Suspended) || plan.secrets.is_none();
    CronJob {
        metadata: metadata(plan, zone, PROBE.to_owned(), digest),
        spec: Some(CronJobSpec {
            schedule: format!("*/{interval} * * * *"),
            time_zone: Some("Etc/UTC".to_owned()),
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(30),
            suspend: Some(suspended),
            successful_jobs_history_limit: Some(1),
            failed_jobs_history_limit: Some(1),
            job_template: JobTemplateSpec {
                metadata: Some(metadata_of_template(plan, zone, digest)),
                spec: Some(job_spec(plan, zone, digest)),
            },
        }),
        ..CronJob::default()
    }
}

fn metadata_of_template(plan: &TenantPlan, zone: Zone, digest: Sha256Digest) -> ObjectMeta {
    ObjectMeta { name: None, namespace: None, ..metadata(plan, zone, String::new(), digest) }
}

/// The measurement that a change asks for. `attempt` tells measurements of one firewall apart.
#[must_use]
pub fn probe_job(plan: &TenantPlan, zone: Zone, digest: Sha256Digest, attempt: &str) -> Job {
    Job {
        metadata: metadata(plan, zone, format!("{PROBE}-{attempt}"), digest),
        spec: Some(job_spec(plan, zone, digest)),
        ..Job::default()
    }
}
