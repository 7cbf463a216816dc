//! `Tenant`: one company with its workspace, its bucket and its keys.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tenants may not be called so. `oscar-<tenant>` and `oscar-<tenant>-intake` are the names
/// of a tenant's namespaces: `host` would be the operator's own one, and a tenant `a-intake`
/// would own the intake zone of tenant `a`. The others would read like system namespaces.
pub const RESERVED_TENANT_NAMES: &str = "host, system, default, intake, operator, gateway, \
    names that begin with kube-, openshift- or oscar-, and names that end with -intake";

/// One company. Everything else follows from it: two namespaces, a firewall, a bucket, keys.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "host.oscar-project.com",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "ten",
    category = "oscar",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "One company: its workspace, its bucket, its keys, behind a firewall.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$')")
        .message("a tenant's name has 1 to 40 characters a-z, 0-9 and '-', begins with a letter and does not end with '-'"),
    validation = Rule::new("!(self.metadata.name in ['host', 'system', 'default', 'intake', 'operator', 'gateway']) && !self.metadata.name.startsWith('kube-') && !self.metadata.name.startsWith('openshift-') && !self.metadata.name.startsWith('oscar-') && !self.metadata.name.endsWith('-intake')")
        .message("this name is reserved; see the description of kind Tenant"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Isolated", type_ = "string", json_path = ".status.conditions[?(@.type=='Isolated')].status"),
    printcolumn(name = "Datasets", type_ = "integer", json_path = ".status.datasets"),
    printcolumn(name = "Releases", type_ = "integer", json_path = ".status.releases"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSpec {
    /// Whose tenant it is.
    pub organisation: Organisation,

    /// The identity providers whose tokens the tenant's persons carry.
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.issuer == a.issuer))").message("an issuer is listed twice"))]
    pub issuers: Vec<TokenIssuer>,

    /// The bucket.
    #[serde(default)]
    pub storage: Storage,

    /// How much may be computed at a time.
    #[serde(default)]
    pub compute: Compute,

    /// Stops the workspace and takes it off the gateway; data and keys stay.
    #[serde(default)]
    pub suspend: bool,

    /// What becomes of bucket and keys when the tenant is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// A company.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organisation {
    /// The registered name.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// The number in the Danish company register (CVR), eight digits.
    #[schemars(regex(pattern = r"^[0-9]{8}$"))]
    pub cvr: String,
}

/// An identity provider.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenIssuer {
    /// The issuer identifier (`iss`), compared byte for byte. The operator fetches its keys;
    /// nothing of the tenant ever talks to it.
    #[schemars(length(min = 9, max = 500))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getQuery().size() == 0 && !self.contains('#') && !self.contains('@')")
        .message("an issuer is an https URL without user, query and fragment"))]
    pub issuer: String,
    /// The audience (`aud`) that tokens for the lake-api carry.
    #[schemars(length(min = 1, max = 200))]
    pub audience: String,
    /// The clients (`azp`) whose tokens count; empty: every client to which the issuer gives
    /// a token for this audience alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 200)))]
    pub authorized_parties: Vec<String>,
}

/// A tenant's bucket.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// How much the bucket may hold; a delivery that would exceed it is refused.
    #[serde(default = "default_quota")]
    #[schemars(length(min = 2, max = 20), regex(pattern = r"^[1-9][0-9]*(Mi|Gi|Ti)$"))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('64Mi')) >= 0").message("a tenant needs a quota of at least 64Mi"))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('100000Ti')) <= 0").message("a quota is at most 100000Ti"))]
    pub quota: String,
    /// Days after which raw deliveries below `landing/` are deleted.
    #[serde(default = "default_landing_retention")]
    #[schemars(range(min = 1, max = 3650))]
    pub landing_retention_days: u32,
}

fn default_quota() -> String {
    "100Gi".to_owned()
}

const fn default_landing_retention() -> u32 {
    30
}

impl Default for Storage {
    fn default() -> Self {
        Self { quota: default_quota(), landing_retention_days: default_landing_retention() }
    }
}

/// Compute power.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compute {
    /// One of three sizes; there are no free pod settings.
    #[serde(default)]
    pub size: ComputeSize,
}

/// Sizes of a workspace.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ComputeSize {
    /// 1 CPU, 2 GiB.
    #[default]
    Small,
    /// 4 CPU, 16 GiB.
    Medium,
    /// 16 CPU, 64 GiB.
    Large,
}

/// What becomes of bucket and keys when a tenant is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Bucket and keys stay in the platform's hands; namespaces and identities go.
    #[default]
    Retain,
    /// Everything goes, and a signed certificate says so.
    Erase,
}

/// What the operator found.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation that the operator has acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// See the module [`crate::condition`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The workspace's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_namespace: Option<String>,
    /// The intake zone's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intake_namespace: Option<String>,
    /// The bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Datasets that were delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datasets: Option<i64>,
    /// Releases that were published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<i64>,
    /// The newest measurement of the firewall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
}

/// A measurement of the firewall.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// When the newest probe ended.
    pub measured_at: Time,
    /// The digest of what was probed: targets and policies.
    pub plan: String,
    /// Whether everything that must fail failed, and what must work worked.
    pub held: bool,
    /// Paths that were found open although they must not be, and the reverse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaches: Vec<String>,
}
