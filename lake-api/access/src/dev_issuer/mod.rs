//! An identity provider for development: real flows, no passwords.
//!
//! The demo and the tests must go the same way as production: discovery, JWKS, signed
//! tokens, authorisation code with PKCE, device flow, client credentials. This provider
//! speaks all of them and believes whoever says "I am alice". So that this can never be
//! met outside a developer's machine:
//!
//! * it binds to a loopback address and to nothing else;
//! * it does not start when any other issuer is configured ([`DevIssuer::start`] asks for
//!   the configured ones, so the question cannot be forgotten);
//! * it answers only requests whose `Host` is its own loopback address, so a web page
//!   cannot reach it under a name of its own (DNS rebinding);
//! * its keys are made at start, live in memory only, and end with the process: its
//!   tokens are worth nothing to another process.
//!
//! Two clients exist: [`CLI_CLIENT`], public, for people (authorisation code, refresh,
//! device), and [`SERVICE_CLIENT`], with a secret made at start, for programs. A
//! subject is the user's name as given at start.

mod authorize;
mod clients;
mod device;
mod grants;
mod issuer;
mod key_ring;
mod oauth_error;
mod page;
mod parameters;
mod routes;
mod token_endpoint;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::token::IssuerConfig;
use issuer::Issuer;

/// The public client for people.
pub const CLI_CLIENT: &str = "oscar-cli";

/// The confidential client for programs.
pub const SERVICE_CLIENT: &str = "oscar-service";

/// What the development issuer is to be.
#[derive(Debug, Clone)]
pub struct DevIssuerOptions {
    /// The loopback address to listen at; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The users, by name.
    pub users: Vec<String>,
    /// The audience of access tokens.
    pub audience: String,
    /// How long access tokens are valid.
    pub token_lifetime: Duration,
}

impl Default for DevIssuerOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            users: Vec::new(),
            audience: "oscar-host".to_owned(),
            token_lifetime: Duration::from_hours(1),
        }
    }
}

/// Why the development issuer does not start.
#[derive(Debug, thiserror::Error)]
pub enum DevIssuerError {
    /// An address that others can reach.
    #[error("the development issuer binds to loopback addresses only (127.0.0.1 or [::1])")]
    NotLoopback,
    /// Another issuer is configured.
    #[error("the development issuer does not run beside a configured issuer; remove one of the two")]
    BesideConfiguredIssuer,
    /// No user, or a name that is none.
    #[error(
        "the development issuer needs users: 1 to 64 letters, digits, '-', '_', '.' or '@', none of them twice or named after a client"
    )]
    Users,
    /// No audience.
    #[error("the development issuer needs an audience")]
    Audience,
    /// The address is taken, for example.
    #[error("the development issuer cannot listen at its address; choose another port")]
    Listen(#[source] std::io::Error),
    /// No key could be made.
    #[error("the development issuer cannot make its signing key")]
    Key,
}

/// A running development issuer. It ends when this value is dropped.
#[derive(Debug)]
pub struct DevIssuer {
    issuer: Arc<Issuer>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl DevIssuer {
    /// Starts the issuer, if no other one is configured.
    ///
    /// # Errors
    /// See [`DevIssuerError`].
    pub async fn start(options: DevIssuerOptions, configured: &[IssuerConfig]) -> Result<Self, DevIssuerError> {
        let DevIssuerOptions { bind, users, audience, token_lifetime } = options;
        if !configured.is_empty() {
            return Err(DevIssuerError::BesideConfiguredIssuer);
        }
        if !bind.ip().is_loopback() {
            return Err(DevIssuerError::NotLoopback);
        }
        if !clients::are_users(&users) {
            return Err(DevIssuerError::Users);
        }
        if audience.is_empty() {
            return Err(DevIssuerError::Audience);
        }
        let listener = TcpListener::bind(bind).await.map_err(DevIssuerError::Listen)?;
        let address = listener.local_addr().map_err(DevIssuerError::Listen)?;
        let issuer = Arc::new(Issuer::new(format!("http://{address}"), audience, users, token_lifetime)?);
        let (stop, stopped) = oneshot::channel();
        let serve = axum::serve(listener, routes::router(Arc::clone(&issuer), address)).with_graceful_shutdown(async {
            // An error means that the sender is gone, which is the end too.
            let _ = stopped.await;
        });
        let server = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the development issuer stopped");
            }
        });
        tracing::warn!(issuer = issuer.url(), "development issuer: anyone on this machine can be any user");
        Ok(Self { issuer, address, stop: Some(stop), server })
    }

    /// The issuer identifier, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.url()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The configuration with which a [`TokenVerifier`](crate::TokenVerifier) accepts its tokens.
    #[must_use]
    pub fn config(&self) -> IssuerConfig {
        IssuerConfig {
            authorized_parties: vec![CLI_CLIENT.to_owned(), SERVICE_CLIENT.to_owned()],
            ..IssuerConfig::new(self.issuer.url(), self.issuer.audience())
        }
    }

    /// The secret of [`SERVICE_CLIENT`], made at start.
    #[must_use]
    pub fn service_secret(&self) -> &str {
        self.issuer.service_secret()
    }

    /// Makes a new signing key. With `keep_published` the old public key stays in the key
    /// set, as at a planned rotation; without, it is gone at once, as after a leak.
    ///
    /// # Errors
    /// When no key could be made.
    pub fn rotate_keys(&self, keep_published: bool) -> Result<(), DevIssuerError> {
        self.issuer.rotate_keys(keep_published)
    }

    /// An access token without a flow, for tests that need a strange one: any subject,
    /// any audience, and a lifetime that may be negative (it is then over already).
    ///
    /// # Errors
    /// When the token cannot be signed.
    pub fn mint(&self, subject: &str, audience: &str, lifetime: TimeDelta) -> Result<String, DevIssuerError> {
        self.issuer.access_token(subject, audience, CLI_CLIENT, "openid", lifetime)
    }

    /// Stops listening, lets running answers end, and returns when all is over.
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        if (&mut self.server).await.is_err() {
            tracing::debug!("the development issuer was stopped before its end");
        }
    }
}

impl Drop for DevIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}
