//! What `lake-api serve` is told: from one YAML file, or from a data directory and flags.
//!
//! ```yaml
//! tenant: acme
//! storage: {kind: local, root: /var/lib/oscar/tenant}
//! keys: {kind: directory, path: /var/lib/oscar/keys}
//! permits: /var/lib/oscar/permits
//! issuers:
//!   - {issuer: "https://login.example.dk", audience: oscar-host}
//! ```
//!
//! Unknown fields are errors: a misspelt limit must not silently be the default.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use oscar_access::IssuerConfig;
use oscar_lake::{KeysConfig, StorageConfig};
use oscar_permit::TenantName;
use serde::{Deserialize, Serialize};

/// Why a configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a configuration.
    #[error("the configuration file {path} is not usable: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// Nobody could log in.
    #[error("no token issuer: give --issuer URL, or --dev-issuer on a laptop")]
    NoIssuer,
    /// Somebody could log in as anybody.
    #[error("--dev-issuer cannot be used beside a configured issuer: anybody could be anyone")]
    DevIssuerBesideIssuer,
    /// A service that others can reach, and an issuer that believes everybody.
    #[error("--dev-issuer is for this machine alone: let the API listen at a loopback address, 127.0.0.1 or [::1]")]
    DevIssuerBehindOpenDoor,
    /// Tokens and results would cross a network as they are.
    #[error(
        "without tls the API listens at a loopback address only, 127.0.0.1 or [::1]: give tls a certificate and its key"
    )]
    OpenDoor,
    /// A process that could not even start its work.
    #[error("limits.queryMemoryBytes must be at least 1073741824 (1 GiB)")]
    QueryMemory,
    /// A limit of zero.
    #[error("limits.{0} must be at least 1")]
    Limit(&'static str),
}

/// Least memory of a process that computes a release.
const LEAST_QUERY_MEMORY: usize = 1 << 30;

/// Everything the service is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServeConfig {
    /// The tenant served. Permits of other tenants give nothing here.
    pub tenant: TenantName,
    /// Where the tenant's bytes are.
    pub storage: StorageConfig,
    /// This service's keys.
    pub keys: KeysConfig,
    /// Where the spoke's person index is; `intake` needs it, `serve` never looks at it.
    #[serde(default)]
    pub person_index: Option<StorageConfig>,
    /// How much the tenant's storage may hold, in bytes; `intake` refuses a delivery above it.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
    /// The directory of permits.
    pub permits: PathBuf,
    /// A directory of disclosure profiles beside the built-in ones.
    #[serde(default)]
    pub profiles: Option<PathBuf>,
    /// Where the API listens.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The certificate that the API shows; without one it speaks plain HTTP, which is for
    /// loopback and for a gateway on the same machine.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
    /// Where health, readiness and metrics are; loopback unless said otherwise.
    #[serde(default = "default_admin_listen")]
    pub admin_listen: SocketAddr,
    /// The token issuers that are trusted.
    #[serde(default)]
    pub issuers: Vec<IssuerConfig>,
    /// The embedded development issuer; only without `issuers`, and only while issuer and API are on loopback.
    #[serde(default)]
    pub dev_issuer: Option<DevIssuerSettings>,
    /// How much is served at a time.
    #[serde(default)]
    pub limits: Limits,
    /// Where statements are computed.
    #[serde(default)]
    pub worker: WorkerSettings,
}

/// A certificate and its key, in PEM files that may be replaced while the service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsSettings {
    /// The chain, the service's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The embedded development issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DevIssuerSettings {
    /// Where it listens; must be loopback.
    #[serde(default = "any_loopback_port")]
    pub listen: SocketAddr,
    /// The audience of its tokens.
    #[serde(default = "default_audience")]
    pub audience: String,
    /// The names of its users.
    pub users: Vec<String>,
}

impl DevIssuerSettings {
    /// A development issuer on a free loopback port.
    #[must_use]
    pub fn of_users(users: Vec<String>) -> Self {
        Self { listen: any_loopback_port(), audience: default_audience(), users }
    }
}

/// How much is served at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Largest request body.
    pub body_bytes: usize,
    /// Connections at a time; above it new ones wait.
    pub connections: usize,
    /// How long a connection may owe the head of a request or the taking of an answer, in
    /// seconds; then it is closed.
    pub idle_seconds: u64,
    /// Requests being answered; above it the answer is 503.
    pub requests_in_flight: usize,
    /// Longest time for the body of a request to arrive, and then for its answer, in
    /// seconds; above it the answer is 408 or 504.
    pub request_seconds: u64,
    /// Requests of one identity per second; above it the answer is 429.
    pub requests_per_second: u32,
    /// Requests of one identity at once on top of the rate.
    pub burst: u32,
    /// Releases vetted at the same time.
    pub vetting_tasks: usize,
    /// Longest time for computing one release, in seconds.
    pub query_seconds: u64,
    /// Memory of the process that computes one release, in bytes; 1 GiB at least. The service itself needs three
    /// eighths of it beside, to read the answer.
    pub query_memory_bytes: usize,
    /// How long running requests may take when the service stops, in seconds.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1024,
            connections: 1024,
            idle_seconds: 30,
            requests_in_flight: 512,
            request_seconds: 30,
            requests_per_second: 50,
            burst: 200,
            vetting_tasks: 2,
            query_seconds: 600,
            query_memory_bytes: 6 << 30,
            drain_seconds: 25,
        }
    }
}

impl Limits {
    /// The longest time for one request.
    #[must_use]
    pub const fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }

    /// How long a connection may owe bytes.
    #[must_use]
    pub const fn idle_time(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let Self {
            body_bytes,
            connections,
            idle_seconds,
            requests_in_flight,
            request_seconds,
            requests_per_second,
            burst,
            vetting_tasks,
            query_seconds,
            query_memory_bytes,
            drain_seconds: _,
        } = *self;
        let fields = [
            ("bodyBytes", body_bytes == 0),
            ("connections", connections == 0),
            ("idleSeconds", idle_seconds == 0),
            ("requestsInFlight", requests_in_flight == 0),
            ("requestSeconds", request_seconds == 0),
            ("requestsPerSecond", requests_per_second == 0),
            ("burst", burst == 0),
            ("vettingTasks", vetting_tasks == 0),
            ("querySeconds", query_seconds == 0),
            ("queryMemoryBytes", query_memory_bytes == 0),
        ];
        match fields.into_iter().find(|(_, zero)| *zero) {
            Some((field, _)) => Err(ConfigError::Limit(field)),
            None if query_memory_bytes < LEAST_QUERY_MEMORY => Err(ConfigError::QueryMemory),
            None => Ok(()),
        }
    }
}

/// Where statements are computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "run", deny_unknown_fields)]
pub enum WorkerSettings {
    /// In a process of their own, started as `<program> worker`; the default program is the running one.
    #[default]
    Process,
    /// In a process of this program.
    Program {
        /// The program; it must know the command `worker`.
        program: PathBuf,
    },
    /// In the service's own process: for a debugger.
    InProcess,
}

impl ServeConfig {
    /// The configuration of one machine's data directory: `tenant/`, `keys/`, `permits/`, `profiles/`.
    #[must_use]
    pub fn for_data_dir(directory: &Path, tenant: TenantName) -> Self {
        Self {
            tenant,
            storage: StorageConfig::Local { root: directory.join("tenant") },
            keys: KeysConfig::Directory { path: directory.join("keys") },
            person_index: Some(StorageConfig::Local { root: directory.join("person-index") }),
            quota_bytes: None,
            permits: directory.join("permits"),
            profiles: Some(directory.join("profiles")),
            listen: default_listen(),
            tls: None,
            admin_listen: default_admin_listen(),
            issuers: Vec::new(),
            dev_issuer: None,
            limits: Limits::default(),
            worker: WorkerSettings::default(),
        }
    }

    /// Reads the configuration file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        serde_saphyr::from_str(&text)
            .map_err(|error| ConfigError::Syntax { path: path.to_owned(), reason: error.to_string() })
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        match (&self.dev_issuer, self.issuers.is_empty()) {
            (None, true) => return Err(ConfigError::NoIssuer),
            (Some(_), false) => return Err(ConfigError::DevIssuerBesideIssuer),
            (Some(_), true) if !self.listen.ip().is_loopback() => return Err(ConfigError::DevIssuerBehindOpenDoor),
            (None, false) | (Some(_), true) => {}
        }
        if self.tls.is_none() && !self.listen.ip().is_loopback() {
            return Err(ConfigError::OpenDoor);
        }
        self.limits.validate()
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

const fn default_listen() -> SocketAddr {
    loopback(8080)
}

const fn default_admin_listen() -> SocketAddr {
    loopback(9090)
}

const fn any_loopback_port() -> SocketAddr {
    loopback(0)
}

fn default_audience() -> String {
    "oscar-host".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ServeConfig {
        ServeConfig::for_data_dir(Path::new("/data"), TenantName::new("acme").unwrap())
    }

    #[test]
    fn without_an_issuer_nothing_starts() {
        assert!(matches!(config().validate(), Err(ConfigError::NoIssuer)));
    }

    #[test]
    fn the_development_issuer_does_not_stand_beside_a_real_one() {
        let mut config = config();
        config.issuers.push(IssuerConfig::new("https://login.example", "oscar-host"));
        assert!(config.validate().is_ok());
        config.dev_issuer = Some(DevIssuerSettings::of_users(vec!["alice".to_owned()]));
        assert!(matches!(config.validate(), Err(ConfigError::DevIssuerBesideIssuer)));
    }

    #[test]
    fn the_development_issuer_does_not_stand_behind_a_door_to_the_network() {
        let mut config = config();
        config.dev_issuer = Some(DevIssuerSettings::of_users(vec!["alice".to_owned()]));
        assert!(config.validate().is_ok());
        for open in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
            config.listen = open.parse().unwrap();
            assert!(matches!(config.validate(), Err(ConfigError::DevIssuerBehindOpenDoor)), "{open}");
        }
    }

    #[test]
    fn a_misspelt_field_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.yaml");
        std::fs::write(
            &path,
            "tenant: acme\nstorage: {kind: local, root: /d}\nkeys: {kind: directory, path: /k}\npermitz: /p\n",
        )
        .unwrap();
        assert!(matches!(ServeConfig::from_file(&path), Err(ConfigError::Syntax { .. })));
    }

    #[test]
    fn a_limit_of_zero_is_an_error() {
        let mut config = config();
        config.issuers.push(IssuerConfig::new("https://login.example", "oscar-host"));
        config.limits.vetting_tasks = 0;
        assert!(matches!(config.validate(), Err(ConfigError::Limit("vettingTasks"))));
        config.limits = Limits { query_memory_bytes: LEAST_QUERY_MEMORY - 1, ..Limits::default() };
        assert!(matches!(config.validate(), Err(ConfigError::QueryMemory)));
    }

    #[test]
    fn a_door_to_the_network_has_a_certificate() {
        let mut config = config();
        config.issuers.push(IssuerConfig::new("https://login.example", "oscar-host"));
        for open in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
            config.listen = open.parse().unwrap();
            config.tls = None;
            assert!(matches!(config.validate(), Err(ConfigError::OpenDoor)), "{open}");
            config.tls = Some(TlsSettings { certificate: "/tls.crt".into(), key: "/tls.key".into() });
            assert!(config.validate().is_ok(), "{open}");
        }
    }
}
