//! Opening and closing the service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use oscar_access::{DevIssuer, DevIssuerError, DevIssuerOptions, PermitBook, PermitBookError, TokenVerifier};
use oscar_journal::{Actor, Event, Journal, JournalError, JournalKey, JournalOptions};
use oscar_lake::{
    KeyError, KeyProvider as _, KeyPurpose, Lake, PutIfAbsentError, Storage, StorageConfig, StorageError,
};
use oscar_query::{InProcess, QueryBackend, WorkerProcess};
use oscar_vetting::DrawSecret;
use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;
use tokio_util::task::AbortOnDropHandle;

use super::admin::{self, Admin};
use super::app::App;
use super::connections::Connections;
use super::layers::Admission;
use super::rate::RateLimit;
use super::readiness::Readiness;
use super::router;
use super::tls::{self, TlsError};
use crate::config::{ConfigError, ServeConfig, WorkerSettings};
use crate::contracts::Contracts;
use crate::metrics::Metrics;
use crate::platform::{BUILD, Platform, SERVICE};
use crate::profiles::{Profiles, ProfilesError};
use crate::release::ReleaseService;
use crate::seal::{SealError, SealKey};
use crate::vault::Vault;

/// Denials of one identity, and looks of one steward, that are journalled at once; then one a minute is.
const JOURNALLED_AT_ONCE: u32 = 20;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The disclosure profiles.
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The sealing key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The journal.
    #[error("the journal cannot be opened")]
    Journal(#[source] JournalError),
    /// The permits directory.
    #[error("the permits directory {path} cannot be used")]
    Permits {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: PermitBookError,
    },
    /// The token issuers.
    #[error("the token issuers cannot be used")]
    Issuers(#[source] oscar_access::ConfigError),
    /// The development issuer.
    #[error(transparent)]
    DevIssuer(#[from] DevIssuerError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}; choose another port or end the program that has it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The running program cannot be found, so it cannot start workers.
    #[error("the running program's own file cannot be found; name the worker program in the configuration")]
    Program(#[source] std::io::Error),
    /// The API's description cannot be written.
    #[error("the API's description cannot be written")]
    Description(#[source] serde_json::Error),
}

/// The service.
#[derive(Debug)]
pub struct Server;

/// A running service. Call [`Running::shutdown`]; a dropped one stops without draining.
pub struct Running {
    address: SocketAddr,
    admin_address: SocketAddr,
    dev_issuer: Option<DevIssuer>,
    releases: Arc<ReleaseService>,
    journal: Journal,
    connections: Connections,
    _cut: DropGuard,
    _surroundings: AbortOnDropHandle<()>,
    drain: Duration,
}

/// Connections to the admin listener at a time: probes and a scraper.
const ADMIN_CONNECTIONS: usize = 64;

/// How long to wait before the surroundings that failed a check are checked again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How often what was there at the start is looked at while the service runs.
const WATCH: Duration = Duration::from_secs(5);

impl Server {
    /// Starts the service and returns once it listens.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub async fn start(config: ServeConfig) -> Result<Running, StartError> {
        config.validate()?;
        let metrics = Metrics::new();
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let storage = Storage::open(&config.storage)?;
        let (dev_issuer, verifier) = open_issuers(&config).await?;
        let permits = PermitBook::open(&config.permits)
            .map_err(|source| StartError::Permits { path: config.permits.clone(), source })?;
        let permits = Arc::new(permits.for_tenant(config.tenant.clone()));
        let platform = open_platform(&config, &storage, Arc::clone(&permits), Arc::clone(&metrics)).await?;
        let releases = ReleaseService::new(Arc::clone(&platform));
        let readiness = Arc::new(Readiness::new(Arc::clone(&permits), verifier.clone(), platform.journal.clone()));
        let app = Arc::new(App {
            platform: Arc::clone(&platform),
            releases: Arc::clone(&releases),
            verifier: verifier.clone(),
            permits,
            rate: RateLimit::new(config.limits.requests_per_second, config.limits.burst),
            reviews: RateLimit::per_minute(JOURNALLED_AT_ONCE),
            denials: RateLimit::per_minute(JOURNALLED_AT_ONCE),
            metrics: Arc::clone(&metrics),
        });
        let admission = Admission::new(config.limits.requests_in_flight, config.limits.request_time());
        let api = router::api(app, config.limits.body_bytes, admission, Arc::clone(&metrics))
            .map_err(StartError::Description)?;
        let (listener, address) = listen(config.listen).await?;
        let (admin_listener, admin_address) = listen(config.admin_listen).await?;
        let connections = Connections::new(config.limits.idle_time());
        connections.serve(listener, api, config.limits.connections, tls);
        let admin = admin::routes(Admin { readiness: Arc::clone(&readiness), metrics });
        connections.serve(admin_listener, admin, ADMIN_CONNECTIONS, None);
        let surroundings = tokio::spawn(check_surroundings(readiness, verifier, storage));
        note(&platform.journal, Event::ServiceStarted { build: BUILD.to_owned() }).await;
        releases.start();
        tracing::info!(%address, %admin_address, "listening");
        Ok(Running {
            address,
            admin_address,
            dev_issuer,
            releases,
            journal: platform.journal.clone(),
            _cut: connections.guard(),
            connections,
            _surroundings: AbortOnDropHandle::new(surroundings),
            drain: Duration::from_secs(config.limits.drain_seconds),
        })
    }
}

impl Running {
    /// Where the API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health, readiness and metrics are.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The embedded development issuer, when there is one.
    #[must_use]
    pub const fn dev_issuer(&self) -> Option<&DevIssuer> {
        self.dev_issuer.as_ref()
    }

    /// Stops in good order.
    pub async fn shutdown(self) {
        self.connections.shutdown(self.drain).await;
        self.releases.shutdown().await;
        note(&self.journal, Event::ServiceStopped { build: BUILD.to_owned() }).await;
        if let Err(error) = self.journal.shutdown().await {
            tracing::error!(%error, "the journal's last checkpoint could not be written; the next start reads more");
        }
        if let Some(issuer) = self.dev_issuer {
            issuer.shutdown().await;
        }
    }
}

async fn open_issuers(config: &ServeConfig) -> Result<(Option<DevIssuer>, TokenVerifier), StartError> {
    let mut issuers = config.issuers.clone();
    let dev_issuer = match &config.dev_issuer {
        None => None,
        Some(settings) => {
            let options = DevIssuerOptions {
                bind: settings.listen,
                users: settings.users.clone(),
                audience: settings.audience.clone(),
                ..DevIssuerOptions::default()
            };
            let issuer = DevIssuer::start(options, &config.issuers).await?;
            issuers.push(issuer.config());
            Some(issuer)
        }
    };
    let verifier = TokenVerifier::new(issuers).map_err(StartError::Issuers)?;
    Ok((dev_issuer, verifier))
}

async fn open_platform(
    config: &ServeConfig,
    storage: &Storage,
    permits: Arc<PermitBook>,
    metrics: Arc<Metrics>,
) -> Result<Arc<Platform>, StartError> {
    let keys = config.keys.open();
    let seed = *keys.key(KeyPurpose::Journal)?.expose();
    let local_folder = match &config.storage {
        StorageConfig::Local { root } => Some(root.clone()),
        StorageConfig::S3 { .. } => None,
    };
    let options = JournalOptions { local_folder, ..JournalOptions::default() };
    let journal = Journal::open_with(storage.store(), Arc::new(JournalKey::from_seed(&seed)), options)
        .await
        .map_err(StartError::Journal)?;
    Ok(Arc::new(Platform {
        storage: config.storage.clone(),
        journal,
        permits,
        profiles: Profiles::load(config.profiles.as_deref())?,
        contracts: Contracts::new(Lake::new(storage.clone())),
        vault: Vault::new(storage.store(), SealKey::new(keys.key(KeyPurpose::Ledger)?.expose())?),
        backend: backend(&config.worker)?,
        signer: SigningKey::from_bytes(&seed),
        draw: DrawSecret::new(*keys.key(KeyPurpose::Draw)?.expose()),
        limits: config.limits,
        metrics,
    }))
}

fn backend(worker: &WorkerSettings) -> Result<Arc<dyn QueryBackend>, StartError> {
    Ok(match worker {
        WorkerSettings::InProcess => Arc::new(InProcess),
        WorkerSettings::Program { program } => Arc::new(WorkerProcess::new(program.clone())),
        WorkerSettings::Process => Arc::new(WorkerProcess::new(std::env::current_exe().map_err(StartError::Program)?)),
    })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Checks what `/ready` reports, beside the start and as long as the service runs.
async fn check_surroundings(readiness: Arc<Readiness>, verifier: TokenVerifier, storage: Storage) {
    loop {
        let answer = storage.check_put_if_absent().await;
        let unanswered = matches!(answer, Err(PutIfAbsentError::Store(_)));
        readiness.store_checked(answer.map_err(|error| error.to_string()));
        if !unanswered {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    while !verifier.warm_up().await.is_empty() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    loop {
        tokio::time::sleep(WATCH).await;
        readiness.look_again().await;
    }
}

/// Notes a start or stop; the service runs without the note.
async fn note(journal: &Journal, event: Event) {
    if let Err(error) = journal.record(Actor::service(SERVICE), event).await {
        tracing::error!(%error, "start or stop could not be recorded");
    }
}
