//! Everything that a tenant's objects follow from, validated.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use oscar_crds::ComputeSize;
use oscar_permit::{DataPermit, TenantName};

use crate::installation::Installation;

/// A validated tenant with all that its objects need. The same plan makes the same objects.
#[derive(Debug, Clone)]
pub struct TenantPlan {
    /// The installation's settings.
    pub installation: Arc<Installation>,
    /// The tenant.
    pub name: TenantName,
    /// The UID of its `Tenant`.
    pub uid: String,
    /// Its size.
    pub compute: ComputeSize,
    /// Whether it is to run.
    pub running: Running,
    /// Whether the gateway may reach it.
    pub gateway: GatewayAccess,
    /// Its bucket.
    pub bucket: String,
    /// How much the bucket may hold, in bytes.
    pub quota_bytes: u64,
    /// Its token issuers.
    pub issuers: Vec<Issuer>,
    /// Its permits, whether or not they are in force now: the lake-api looks at the clock itself.
    pub permits: Vec<DataPermit>,
    /// Its secrets; `None` until the storage is ready: then nothing runs yet.
    pub secrets: Option<Secrets>,
    /// With what its images are pulled, as far as it is known.
    pub pull_secrets: Vec<PullSecret>,
    /// What it has or has not, nobody could say this time.
    pub unknown: Unknown,
    /// Other tenants, whose doors the probes try.
    pub neighbours: Vec<Neighbour>,
    /// Its own intake zone's and workspace's services, as the probes of the other zone try them.
    pub own_lake_api: Option<SocketAddr>,
}

/// Whether a tenant is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// Yes.
    Yes,
    /// Its spec says `suspend`.
    Suspended,
}

/// What could not be looked up. What follows from it is left as it is: not to know is no
/// reason to stop a tenant's programs, nor to take its issuers' keys away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Whether it has secrets.
    pub secrets: bool,
    /// Which keys its issuers had before, where one of them does not answer.
    pub issuer_keys: bool,
}

/// Whether the gateway may reach the lake-api.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayAccess {
    /// The isolation of the present plan was measured and held.
    Open,
    /// It was not measured, did not hold, or the tenant is suspended.
    Withdrawn,
}

/// An identity provider with the keys that the operator has fetched from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The issuer identifier.
    pub issuer: String,
    /// The audience of tokens.
    pub audience: String,
    /// The clients whose tokens count.
    pub authorized_parties: Vec<String>,
    /// Its JWKS, with the time of the fetch; `None` until it was fetched once: then the lake-api is not ready.
    pub jwks: Option<String>,
}

/// What must not be seen. Its debug form shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The workspace's key files (`journal.key`, `ledger.key`, `draw.key`): 64 hexadecimal digits each.
    pub workspace_keys: BTreeMap<String, String>,
    /// The intake's key files (`journal.key`, `pseudonyms.key`, `person-index.key`).
    pub intake_keys: BTreeMap<String, String>,
    /// The workspace's identity at the object store.
    pub workspace_access: AccessKey,
    /// The intake's identity at the object store.
    pub intake_access: AccessKey,
    /// The lake-api's certificate chain (PEM).
    pub certificate: String,
    /// Its private key (PEM).
    pub certificate_key: String,
}

/// Access to a registry of images. Its debug form shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PullSecret {
    /// What the Secret is called in the operator's namespace.
    pub name: String,
    /// What the kubelet reads, `.dockerconfigjson`.
    pub config: String,
}

/// An identity at the object store.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The id.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// The token of a session; `None` for a user's key.
    pub session_token: Option<String>,
}

/// Another tenant as the probes see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Its name.
    pub name: TenantName,
    /// Its lake-api's service address; `None` until it has one.
    pub lake_api: Option<SocketAddr>,
    /// Its bucket; `None` until it has one.
    pub bucket: Option<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

impl fmt::Debug for PullSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PullSecret(hidden)")
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(hidden)")
    }
}

impl TenantPlan {
    /// A plan for what depends on the tenant's name and size alone.
    #[must_use]
    pub const fn bare(installation: Arc<Installation>, name: TenantName, uid: String, compute: ComputeSize) -> Self {
        Self {
            installation,
            name,
            uid,
            compute,
            running: Running::Yes,
            gateway: GatewayAccess::Withdrawn,
            bucket: String::new(),
            quota_bytes: 0,
            issuers: Vec::new(),
            permits: Vec::new(),
            secrets: None,
            pull_secrets: Vec::new(),
            unknown: Unknown { secrets: false, issuer_keys: false },
            neighbours: Vec::new(),
            own_lake_api: None,
        }
    }
}
