//! The intake run of an `Extract`.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use oscar_crds::Delivery;
use oscar_permit::{DatasetName, EXIT_REFUSED, PermitId};

use crate::compute::Resources;
use crate::config_map::{CONFIG, PERMITS, PROFILES};
use crate::names::{EXTRACT_LABEL, Role, Zone, labels};
use crate::pod::{Mount, Pod};
use crate::secret::KEYS;
use crate::service_config::{CONFIG_DIR, KEYS_DIR, PERMITS_DIR, PROFILES_DIR};
use crate::tenant_plan::TenantPlan;

const ZONE: Zone = Zone::Intake;

/// A run that broke is tried again so often; a package that was refused is not.
const RETRIES: i32 = 3;
/// Longest time of a run: a day.
const DEADLINE_SECONDS: i64 = 86_400;
/// Ended runs stay an hour for whoever looks at their logs.
const KEPT_SECONDS: i32 = 3_600;

/// What a run takes in.
#[derive(Debug, Clone, Copy)]
pub struct Run<'r> {
    /// The name of the `Extract`.
    pub extract: &'r str,
    /// Where the package is.
    pub delivery: &'r Delivery,
    /// The permit's reference number.
    pub permit: &'r PermitId,
    /// The dataset that the package must be of.
    pub dataset: &'r DatasetName,
}

/// The name of an extract's `CronJob`.
#[must_use]
pub fn extract_cron_name(extract: &str) -> String {
    format!("extract-{extract}")
}

/// The name of a run's Job.
#[must_use]
pub fn extract_job_name(extract: &str, attempt: &str) -> String {
    format!("extract-{extract}-{attempt}")
}

/// The Job of a run.
#[must_use]
pub fn extract_job(plan: &TenantPlan, run: Run<'_>, attempt: &str) -> Job {
    Job {
        metadata: metadata(plan, run.extract, extract_job_name(run.extract, attempt)),
        spec: Some(job_spec(plan, run)),
        ..Job::default()
    }
}

/// The runs of a schedule, in UTC; one at a time.
#[must_use]
pub fn extract_cron_job(plan: &TenantPlan, run: Run<'_>, schedule: &str) -> CronJob {
    CronJob {
        metadata: metadata(plan, run.extract, extract_cron_name(run.extract)),
        spec: Some(CronJobSpec {
            schedule: schedule.to_owned(),
            time_zone: Some("Etc/UTC".to_owned()),
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(3_600),
            successful_jobs_history_limit: Some(1),
            failed_jobs_history_limit: Some(1),
            suspend: Some(false),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    name: None,
                    namespace: None,
                    ..metadata(plan, run.extract, String::new())
                }),
                spec: Some(job_spec(plan, run)),
            },
        }),
        ..CronJob::default()
    }
}

fn metadata(plan: &TenantPlan, extract: &str, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(ZONE.namespace(&plan.name)),
        labels: Some(extract_labels(plan, extract)),
        ..ObjectMeta::default()
    }
}

fn extract_labels(plan: &TenantPlan, extract: &str) -> BTreeMap<String, String> {
    let mut labels = labels(&plan.name, ZONE);
    labels.insert(EXTRACT_LABEL.to_owned(), extract.to_owned());
    labels
}

fn job_spec(plan: &TenantPlan, run: Run<'_>) -> JobSpec {
    let Run { extract, delivery, permit, dataset } = run;
    let pod = Pod {
        plan,
        zone: ZONE,
        role: Role::Intake,
        labels: BTreeMap::from([(EXTRACT_LABEL.to_owned(), extract.to_owned())]),
        annotations: BTreeMap::new(),
        container: Container {
            name: "intake".to_owned(),
            args: Some(arguments(delivery, permit, dataset)),
            resources: Some(Resources::of(plan.compute, ZONE, &plan.installation.scratch).requirements()),
            ..Container::default()
        },
        mounts: vec![
            Mount::ConfigMap(CONFIG, CONFIG_DIR),
            Mount::ConfigMap(PERMITS, PERMITS_DIR),
            Mount::ConfigMap(PROFILES, PROFILES_DIR),
            Mount::Secret(KEYS, KEYS_DIR),
        ],
        scratch: true,
        restart: "Never",
        grace_seconds: 30,
    };
    JobSpec {
        backoff_limit: Some(RETRIES),
        pod_failure_policy: Some(refused_is_final()),
        active_deadline_seconds: Some(DEADLINE_SECONDS),
        ttl_seconds_after_finished: Some(KEPT_SECONDS),
        template: pod.template(),
        ..JobSpec::default()
    }
}

fn arguments(delivery: &Delivery, permit: &PermitId, dataset: &DatasetName) -> Vec<String> {
    let Delivery { folder, descriptor, digest } = delivery;
    let mut arguments = vec![
        "intake".to_owned(),
        "--config".to_owned(),
        format!("{CONFIG_DIR}/serve.yaml"),
        "--landing".to_owned(),
        format!("{folder}/{descriptor}"),
        "--permit".to_owned(),
        format!("{PERMITS_DIR}/..data/{permit}.json"),
        "--dataset".to_owned(),
        dataset.to_string(),
        "--report".to_owned(),
        "/dev/termination-log".to_owned(),
    ];
    if let Some(digest) = digest {
        arguments.extend(["--digest".to_owned(), digest.clone()]);
    }
    arguments
}

/// Trying a refused package again would not help.
fn refused_is_final() -> k8s_openapi::api::batch::v1::PodFailurePolicy {
    use k8s_openapi::api::batch::v1::{PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule};
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "FailJob".to_owned(),
            on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                container_name: Some("intake".to_owned()),
                operator: "In".to_owned(),
                values: vec![i32::from(EXIT_REFUSED)],
            }),
            on_pod_conditions: None,
        }],
    }
}
