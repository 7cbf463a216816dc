//! `Extract`: one delivery of a data holder that is to be taken into a tenant's lake.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A delivery. A run is a Job in the tenant's intake namespace; running the same package
/// again changes nothing.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "host.oscar-project.com",
    version = "v1alpha1",
    kind = "Extract",
    plural = "extracts",
    shortname = "ex",
    category = "oscar",
    namespaced,
    status = "ExtractStatus",
    derive = "PartialEq",
    doc = "One delivery of a data holder that is to be taken into a tenant's lake.",
    selectable = ".spec.tenant",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$')")
        .message("an extract's name has 1 to 40 characters a-z, 0-9 and '-': a Job is named after it"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenant"),
    printcolumn(name = "Dataset", type_ = "string", json_path = ".spec.dataset"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Rows", type_ = "integer", json_path = ".status.lastRun.rows"),
    printcolumn(name = "Finished", type_ = "date", json_path = ".status.lastRun.finishedAt"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1)
)]
#[x_kube(
    validation = Rule::new("has(self.delivery.digest) != has(self.schedule)")
        .message("give delivery.digest for one package, or schedule for whatever lies there at those times"),
    validation = Rule::new("self.tenant == oldSelf.tenant && self.permit == oldSelf.permit && self.dataset == oldSelf.dataset")
        .message("tenant, permit and dataset are fixed: another one is another extract")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtractSpec {
    /// The tenant.
    #[schemars(length(max = 40), regex(pattern = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"))]
    pub tenant: String,
    /// The `DataPermit` object under which the data is delivered.
    #[schemars(length(max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub permit: String,
    /// The dataset; the data package must be of it.
    #[schemars(length(max = 63), regex(pattern = r"^[a-z][a-z0-9_]{0,62}$"))]
    pub dataset: String,
    /// Where the data package lies.
    pub delivery: Delivery,
    /// When to look for a new package: five cron fields, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 100), regex(pattern = r"^(\S+ ){4}\S+$"))]
    pub schedule: Option<String>,
}

/// A data package in the tenant's bucket.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// The folder below `landing/` that holds the package, for example `contacts/2026-11`.
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")
    )]
    pub folder: String,
    /// The descriptor in it.
    #[serde(default = "default_descriptor")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*\.(json|yaml|yml)$"))]
    pub descriptor: String,
    /// SHA-256 of the descriptor's bytes (`sha256:` and 64 hexadecimal digits). It pins every
    /// data file, because the descriptor names their digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
}

fn default_descriptor() -> String {
    "datapackage.json".to_owned()
}

/// Where a delivery stands.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtractPhase {
    /// It waits for its tenant, its permit or its time.
    Waiting,
    /// A Job is at work.
    Running,
    /// The dataset is in the lake as delivered.
    Delivered,
    /// Intake refused the package; the data holder has to mend it.
    Refused,
    /// The run broke; it is tried again.
    Failed,
}

/// What the operator found.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExtractStatus {
    /// The generation that the operator has acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// See the module [`crate::condition`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the delivery stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ExtractPhase>,
    /// The newest run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<ExtractRun>,
    /// The UID of the Tenant that had its name when the extract was first seen. It belongs to
    /// no other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
}

/// One run.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExtractRun {
    /// The Job.
    pub job: String,
    /// When it ended.
    pub finished_at: Time,
    /// Digest of the delivery, as the journal names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// Rows taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// Rows in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<i64>,
    /// The rule that refused the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}
