//! What is kept of Deployments, Pods and Jobs.

use std::net::IpAddr;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use oscar_blueprint::names::{EXTRACT_LABEL, MOUNTED_ANNOTATION, ROLE_LABEL};

/// What keeps a pod whose containers cannot be made.
const NO_NETWORK: &str = "its node has not given it a network and volumes; does the network plugin run there? \
                          `kubectl describe pod` has the node's words";

/// How a Deployment stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentSight {
    /// Whether its controller has acted on the newest spec and every wanted pod is ready.
    pub serves: bool,
    /// Pods it wants.
    pub wanted: i32,
    /// Why pods cannot be made: a quota, an admission policy.
    pub fault: Option<String>,
}

impl DeploymentSight {
    /// What a Deployment says of itself.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let Some(status) = &deployment.status else { return Self { serves: false, wanted, fault: None } };
        let acted = status.observed_generation >= deployment.metadata.generation;
        let available = status.available_replicas.unwrap_or(0) >= wanted;
        let updated = status.updated_replicas.unwrap_or(0) >= wanted;
        let fault = status
            .conditions
            .iter()
            .flatten()
            .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True");
        let fault = fault.and_then(|condition| condition.message.clone());
        Self { serves: acted && available && updated, wanted, fault }
    }
}

/// How a pod ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// The exit code of its container.
    pub code: i32,
    /// What it wrote to its termination message.
    pub words: String,
}

/// How a pod stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSight {
    /// Its role to the firewall.
    pub role: String,
    /// The Job that made it.
    pub job: Option<String>,
    /// The extract that it takes in.
    pub extract: Option<String>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Whether it is ready.
    pub ready: bool,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// The digest of the permits and keys that it was told of.
    pub mounted: Option<String>,
    /// What keeps it from starting.
    pub trouble: Option<String>,
    /// How it ended, when it has.
    pub ended: Option<Ended>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl PodSight {
    /// What a pod says of itself.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let metadata = &pod.metadata;
        let label = |name: &str| metadata.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
        let status = pod.status.as_ref();
        let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        Self {
            role: label(ROLE_LABEL).unwrap_or_default(),
            job: label("batch.kubernetes.io/job-name"),
            extract: label(EXTRACT_LABEL),
            address: status.and_then(|status| status.pod_ip.as_ref()?.parse().ok()),
            ready,
            made: metadata.creation_timestamp.as_ref().map(|time| time.0),
            mounted: metadata.annotations.as_ref().and_then(|all| all.get(MOUNTED_ANNOTATION)).cloned(),
            trouble: trouble(pod, containers),
            ended: containers.iter().find_map(ended),
            deleting: metadata.deletion_timestamp.is_some(),
        }
    }
}

fn ended(container: &ContainerStatus) -> Option<Ended> {
    let state = container.state.as_ref()?.terminated.as_ref()?;
    Some(Ended {
        at: state.finished_at.as_ref()?.0,
        code: state.exit_code,
        words: state.message.clone().unwrap_or_default(),
    })
}

/// The first thing that keeps a pod from starting, in the cluster's own words.
fn trouble(pod: &Pod, containers: &[ContainerStatus]) -> Option<String> {
    let status = pod.status.as_ref()?;
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        let reason = condition.reason.clone().unwrap_or_default();
        return Some(format!("{reason}: {}", condition.message.clone().unwrap_or_default()));
    }
    if status.phase.as_deref() == Some("Failed")
        && let Some(reason) = &status.reason
    {
        return Some(format!("{reason}: {}", status.message.clone().unwrap_or_default()));
    }
    // The node says in events only why a pod has no network or no volume.
    let has_no_network = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "PodReadyToStartContainers" && condition.status == "False");
    containers.iter().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone().unwrap_or_default();
        Some(match &waiting.message {
            Some(message) => format!("{reason}: {message}"),
            None if has_no_network => format!("{reason}: {NO_NETWORK}"),
            None => reason,
        })
    })
}

/// How a Job stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobSight {
    /// The extract that it takes in.
    pub extract: Option<String>,
    /// Whether it still runs.
    pub active: bool,
    /// Whether it ended well.
    pub succeeded: bool,
    /// Why it failed, when it did.
    pub failed: Option<String>,
    /// When it was made.
    pub made: Option<Timestamp>,
}

impl JobSight {
    /// What a Job says of itself.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let labels = job.metadata.labels.as_ref();
        let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let is = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True");
        let failed = is("Failed").map(|condition| {
            let reason = condition.reason.clone().unwrap_or_default();
            format!("{reason}: {}", condition.message.clone().unwrap_or_default())
        });
        let succeeded = is("Complete").is_some();
        Self {
            extract: labels.and_then(|labels| labels.get(EXTRACT_LABEL)).cloned(),
            active: !succeeded && failed.is_none(),
            succeeded,
            failed,
            made: job.metadata.creation_timestamp.as_ref().map(|time| time.0),
        }
    }
}
