//! What is the same for every tenant of an installation: images, neighbours of the firewall,
//! the object store, the probes' targets. The operator reads it from the file that the chart
//! writes.
//!
//! Nothing here means "everybody" when it is left out. A peer is either named or nobody, and
//! a list of addresses that is empty opens nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Why an installation's settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallationError {
    /// A peer without labels would be a whole namespace.
    #[error("{0}: name the pods by at least one label; a namespace alone would let in every pod of it")]
    Peer(&'static str),
    /// An image that could change under its name.
    #[error("lakeApi.image must be pinned: repository@sha256:… (64 hexadecimal digits)")]
    Image,
    /// The store could not be reached, or by everybody.
    #[error("objectStore.{0}")]
    ObjectStore(&'static str),
    /// Nothing would be measured.
    #[error("probe.{0} must name at least one target: a firewall that is not measured counts as open")]
    Probe(&'static str),
    /// More than a namespace has room for.
    #[error("lakeApi.pullSecrets must name at most {MOST_PULL_SECRETS} Secrets")]
    PullSecrets,
    /// Certificates that are none.
    #[error("caBundle must hold certificates (PEM): -----BEGIN CERTIFICATE-----")]
    CaBundle,
    /// Times that contradict each other.
    #[error("probe.intervalMinutes must be 1 to 59")]
    Interval,
}

/// Secrets with which images are pulled, at most.
const MOST_PULL_SECRETS: usize = 4;

/// Settings of the whole installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installation {
    /// The lake-api's image.
    pub lake_api: LakeApiImage,
    /// Who may reach a lake-api's port 8443.
    pub gateway: Peer,
    /// Who may read a lake-api's metrics.
    pub monitoring: Peer,
    /// The operator's own pods; they read readiness and metrics.
    pub operator: Peer,
    /// The object store.
    pub object_store: ObjectStore,
    /// Certificates (PEM) of the authorities that tenants' pods trust instead of the image's own:
    /// the object store is all that they reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// What the firewall is measured with.
    pub probe: ProbeTargets,
    /// Space for spilled queries.
    #[serde(default)]
    pub scratch: Scratch,
    /// The version of the Pod Security Standards that namespaces are held to.
    pub pod_security_version: String,
    /// The disclosure profiles, by file name, as YAML.
    #[serde(default)]
    pub profiles: BTreeMap<String, String>,
}

/// An image by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LakeApiImage {
    /// `repository@sha256:…`.
    pub image: String,
    /// Secrets of the operator's namespace with which images are pulled; the operator copies
    /// them into tenants' namespaces, where nobody else may put anything.
    #[serde(default)]
    pub pull_secrets: Vec<String>,
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Peer {
    /// Nobody.
    Nobody,
    /// Certain pods of one namespace.
    Pods {
        /// The namespace.
        namespace: String,
        /// Labels that the pods carry; at least one.
        labels: BTreeMap<String, String>,
    },
}

/// The object store as a tenant's pods see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectStore {
    /// The S3 endpoint.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The addresses behind the endpoint: pods have no DNS. Each is opened for the port alone.
    pub addresses: Vec<IpAddr>,
    /// The port.
    pub port: u16,
    /// The pods behind the endpoint, where the store runs in the cluster itself.
    #[serde(default = "nobody")]
    pub pods: Peer,
    /// The bucket of the spoke-wide person index. Beside it is `<name>-trial`, where the operator
    /// tries what the store promises.
    pub person_index_bucket: String,
}

const fn nobody() -> Peer {
    Peer::Nobody
}

/// What must not be reachable from a tenant's pods, besides what every cluster has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeTargets {
    /// Hosts outside that answer on TCP.
    pub outside_tcp: Vec<SocketAddr>,
    /// Hosts outside that answer DNS over UDP.
    pub outside_udp: Vec<SocketAddr>,
    /// Resolvers; the cluster's own is added by the operator.
    #[serde(default)]
    pub resolvers: Vec<SocketAddr>,
    /// The cloud's metadata service, or what stands for it.
    pub metadata: Vec<SocketAddr>,
    /// The API server's addresses; added by the operator.
    #[serde(default)]
    pub api_server: Vec<SocketAddr>,
    /// The kubelets' addresses; added by the operator.
    #[serde(default)]
    pub kubelets: Vec<SocketAddr>,
    /// How often the firewall is measured anew.
    pub interval_minutes: u32,
}

/// Space for spilled queries and for intake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scratch {
    /// Gibibytes of a workspace or an intake run.
    pub gibibytes: u32,
    /// A storage class for volumes of their own; left out, the node's disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { gibibytes: 10, storage_class: None }
    }
}

impl Installation {
    /// Checks what types alone cannot say, once the cluster's own addresses are among the
    /// probes' targets.
    ///
    /// # Errors
    /// The first setting that would open or measure something other than it says.
    pub fn validate(&self) -> Result<(), InstallationError> {
        self.validate_given()?;
        self.probe.validate_found()
    }

    /// Checks what people have to give; what the operator finds by itself may be missing.
    ///
    /// # Errors
    /// See [`Self::validate`].
    pub fn validate_given(&self) -> Result<(), InstallationError> {
        let Self {
            lake_api,
            gateway,
            monitoring,
            operator,
            object_store,
            ca_bundle,
            probe,
            scratch: _,
            pod_security_version: _,
            profiles: _,
        } = self;
        if !is_pinned(&lake_api.image) {
            return Err(InstallationError::Image);
        }
        if lake_api.pull_secrets.len() > MOST_PULL_SECRETS {
            return Err(InstallationError::PullSecrets);
        }
        if ca_bundle.as_ref().is_some_and(|bundle| !bundle.contains("-----BEGIN CERTIFICATE-----")) {
            return Err(InstallationError::CaBundle);
        }
        gateway.validate("gateway")?;
        monitoring.validate("monitoring")?;
        operator.validate("operator")?;
        object_store.validate()?;
        probe.validate_given()
    }
}

/// Whether an image is named by its digest.
fn is_pinned(image: &str) -> bool {
    image.split_once("@sha256:").is_some_and(|(repository, digest)| {
        !repository.is_empty() && digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

impl Peer {
    fn validate(&self, name: &'static str) -> Result<(), InstallationError> {
        match self {
            Self::Pods { namespace, labels } if namespace.is_empty() || labels.is_empty() => {
                Err(InstallationError::Peer(name))
            }
            Self::Nobody | Self::Pods { .. } => Ok(()),
        }
    }
}

impl ObjectStore {
    fn validate(&self) -> Result<(), InstallationError> {
        let Self { endpoint, region, addresses, port, pods, person_index_bucket } = self;
        let fault = |what| Err(InstallationError::ObjectStore(what));
        if !(endpoint.starts_with("https://") || endpoint.starts_with("http://")) {
            return fault("endpoint must be an http or https address");
        }
        if region.is_empty() {
            return fault("region must not be empty");
        }
        // A bucket's name has at most 63, and `-trial` is put behind this one.
        if !(3..=57).contains(&person_index_bucket.len()) {
            return fault("personIndexBucket must have 3 to 57 characters");
        }
        if *port == 0 {
            return fault("port must be the endpoint's port");
        }
        pods.validate("objectStore.pods")?;
        if addresses.is_empty() {
            return fault("addresses must name the endpoint's addresses: tenants' pods have no DNS");
        }
        if addresses.iter().any(|address| address.is_unspecified() || address.is_loopback()) {
            return fault("addresses must be reachable from pods");
        }
        Ok(())
    }

    /// The host part of the endpoint; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.endpoint.split_once("://").map_or(self.endpoint.as_str(), |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or(authority);
        if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return address;
        }
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            Some(_) | None => authority,
        }
    }
}

impl ProbeTargets {
    fn validate_given(&self) -> Result<(), InstallationError> {
        let Self { outside_tcp, outside_udp, resolvers: _, metadata, api_server: _, kubelets: _, interval_minutes } =
            self;
        all_named([("outsideTcp", outside_tcp), ("outsideUdp", outside_udp), ("metadata", metadata)])?;
        if (1..60).contains(interval_minutes) { Ok(()) } else { Err(InstallationError::Interval) }
    }

    fn validate_found(&self) -> Result<(), InstallationError> {
        let Self { resolvers, api_server, kubelets, .. } = self;
        all_named([("resolvers", resolvers), ("apiServer", api_server), ("kubelets", kubelets)])
    }
}

fn all_named<const N: usize>(groups: [(&'static str, &Vec<SocketAddr>); N]) -> Result<(), InstallationError> {
    let empty = groups.into_iter().find(|(_, targets)| targets.is_empty());
    empty.map_or(Ok(()), |(name, _)| Err(InstallationError::Probe(name)))
}
