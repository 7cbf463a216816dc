//! `oidc-provider` (npm): a certified OpenID Connect provider with control routes for tests.
//!
//! Users need no registration: whoever signs in as `alice` is the subject `alice`.
//! See `oidc-provider.mjs` beside this crate for what each resource indicator yields.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;

use rand::RngExt;

use crate::PeerError;
use crate::cache::{install_npm, installed};
use crate::loopback_http::{query_value, request};
use crate::process::{Peer, new_folder};

const VERSION: &str = "9.13.3";
const SCRIPT: &str = include_str!("../oidc-provider.mjs");

/// The audience of the provider's access tokens unless another resource is asked for.
pub const OIDC_AUDIENCE: &str = "https://lake.oscar.test/api";

/// Where a provider serves over TLS, and with what.
#[derive(Debug, Clone, Copy)]
pub struct OidcTls<'p> {
    /// An address of this machine.
    pub address: IpAddr,
    /// The certificate for it (PEM).
    pub certificate: &'p Path,
    /// Its key (PEM).
    pub key: &'p Path,
    /// Who signed the certificate (PEM).
    pub authority: &'p Path,
}

/// A running provider. It ends when this value is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    peer: Peer,
    port: u16,
    issuer: String,
    service_secret: String,
}

impl OidcProvider {
    /// Fetches the provider where needed, starts it on loopback and waits until it serves.
    ///
    /// # Errors
    /// Absent where Node or the package registry is missing; broken when it does not start.
    pub fn start() -> Result<Self, PeerError> {
        Self::start_with(&[])
    }

    /// The same, but serving over TLS at another address of this machine.
    ///
    /// # Errors
    /// As [`OidcProvider::start`].
    pub fn start_tls(tls: OidcTls<'_>) -> Result<Self, PeerError> {
        let text = |path: &Path| path.display().to_string();
        Self::start_with(&[
            ("OIDC_TLS_ADDRESS", &tls.address.to_string()),
            ("OIDC_TLS_CERT", &text(tls.certificate)),
            ("OIDC_TLS_KEY", &text(tls.key)),
            ("NODE_EXTRA_CA_CERTS", &text(tls.authority)),
        ])
    }

    fn start_with(tls: &[(&str, &str)]) -> Result<Self, PeerError> {
        let installation = installed(&format!("oidc-provider-{VERSION}"), |folder| {
            install_npm(folder, &format!("oidc-provider@{VERSION}"))
        })?;
        let folder = new_folder("oidc-provider")?;
        let script = folder.join("oidc-provider.mjs");
        std::fs::write(&script, SCRIPT).map_err(|error| PeerError::Broken(format!("no script: {error}")))?;
        let module = installation.join("node_modules/oidc-provider/lib/index.js").display().to_string();
        let service_secret = hex::encode(rand::rng().random::<[u8; 20]>());
        let mut peer = Peer::start(
            "oidc-provider",
            folder,
            &[OsStr::new("node"), script.as_os_str()],
            &[
                &[
                    ("OIDC_PROVIDER_MODULE", module.as_str()),
                    ("OIDC_AUDIENCE", OIDC_AUDIENCE),
                    ("OIDC_SERVICE_SECRET", &service_secret),
                ],
                tls,
            ]
            .concat(),
        )?;
        // The line comes when the provider serves; the pipe ends when it dies before.
        let mut line = String::new();
        let read = BufReader::new(peer.stdout()?).read_line(&mut line);
        let said = line.trim().strip_prefix("listening ").and_then(|said| said.split_once(' '));
        let said = said.and_then(|(port, issuer)| Some((port.parse().ok()?, issuer.to_owned())));
        match (read, said) {
            (Ok(_), Some((port, issuer))) => Ok(Self { peer, port, issuer, service_secret }),
            _ => Err(PeerError::Broken(format!("oidc-provider did not start: {}", peer.last_log_line()))),
        }
    }

    /// The issuer's identifier: `http://127.0.0.1:<port>`, or with TLS `https://<address>:<port>`.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.issuer.clone()
    }

    /// A public native client: authorisation code with PKCE (redirect to
    /// `http://127.0.0.1:<any port>/callback`), refresh tokens, device flow.
    #[must_use]
    pub const fn cli_client(&self) -> &'static str {
        "oscar-cli"
    }

    /// A second public client like the first, to be refused by its name.
    #[must_use]
    pub const fn other_client(&self) -> &'static str {
        "another-app"
    }

    /// A confidential client for client credentials (HTTP basic): id and secret.
    #[must_use]
    pub fn service_client(&self) -> (&'static str, &str) {
        ("oscar-service", &self.service_secret)
    }

    /// Plays a user's browser: opens an authorisation address or a device's
    /// `verification_uri_complete`, signs in as `user`, agrees to everything and returns
    /// the last address, for an authorisation the redirect with its `code`.
    ///
    /// # Errors
    /// Broken with the provider's words when it does not come to that.
    pub fn sign_in(&self, url: &str, user: &str) -> Result<String, PeerError> {
        self.control(&format!("/test/login?user={}&url={}", query_value(user), query_value(url)))
    }

    /// Makes new signing keys (RS256 and ES256) while serving. With `keep_published` the
    /// old public keys stay in the key set, as at a planned rotation; without, they are
    /// gone at once, as after a leak.
    ///
    /// # Errors
    /// Broken when the provider does not answer.
    pub fn rotate_keys(&self, keep_published: bool) -> Result<(), PeerError> {
        self.control(&format!("/test/rotate?keep={keep_published}")).map(drop)
    }

    /// The provider's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.peer.folder().join("log")).unwrap_or_default()
    }

    fn control(&self, path: &str) -> Result<String, PeerError> {
        match request("POST", self.port, path) {
            Ok((200, body)) => Ok(body),
            Ok((status, body)) => Err(PeerError::Broken(format!("oidc-provider: status {status}: {body}"))),
            Err(error) => Err(PeerError::Broken(format!("oidc-provider does not answer: {error}"))),
        }
    }
}
