//! What an operator says about an issuer.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::endpoint::{EndpointError, issuer_url};

/// Largest clock skew that may be configured, in seconds.
const MAX_SKEW: u64 = 60;

/// One identity provider whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerConfig {
    /// The issuer identifier, compared byte for byte with `iss` and with the discovery document.
    pub issuer: String,
    /// The audience that tokens for us carry.
    pub audience: String,
    /// The clients whose tokens are accepted. Empty: any client to which the issuer gives
    /// a token for our audience alone.
    #[serde(default)]
    pub authorized_parties: Vec<String>,
    /// The signature algorithms accepted; HMAC and `none` cannot be named.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<SigningAlgorithm>,
    /// How far this machine's clock and the issuer's may differ, in seconds, at most 60.
    #[serde(default = "default_skew")]
    pub clock_skew_seconds: u64,
    /// Reads the issuer's JWKS from this file instead of the network. For places without
    /// a way to the issuer: somebody else fetches the keys and replaces the file.
    ///
    /// The file may say when its keys were fetched, in the member
    /// `host.oscar-project.com/fetched-at` beside `keys` (seconds since 1970; see
    /// [`dated_jwks`](crate::dated_jwks)): every token is refused `maxAgeSeconds` +
    /// `staleSeconds` after that. Without it the keys count as long as the file is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// How keys are kept.
    #[serde(default)]
    pub key_refresh: KeyRefresh,
}

/// How long an issuer's keys are kept. All times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeyRefresh {
    /// Keys older than this are fetched again in the background while they still serve.
    /// The issuer's `Cache-Control: max-age` can shorten it, never lengthen it.
    pub early_seconds: u64,
    /// Keys older than this are fetched again before a token is checked.
    pub max_age_seconds: u64,
    /// When the issuer cannot be reached, keys older than `max_age_seconds` serve this
    /// much longer; then every token is refused.
    pub stale_seconds: u64,
    /// Shortest time between two fetches, whatever asks for them: unknown key ids in
    /// forged tokens cause no more requests than this.
    pub cooldown_seconds: u64,
    /// Longest time for one document.
    pub timeout_seconds: u64,
}

impl Default for KeyRefresh {
    fn default() -> Self {
        Self { early_seconds: 300, max_age_seconds: 900, stale_seconds: 3600, cooldown_seconds: 5, timeout_seconds: 5 }
    }
}

impl KeyRefresh {
    pub(crate) const fn cooldown(&self) -> Duration {
        Duration::from_secs(self.cooldown_seconds)
    }

    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

/// The signature algorithms that exist here. All are asymmetric: whoever can check a
/// token cannot make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl SigningAlgorithm {
    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::RS512 => Algorithm::RS512,
            Self::PS256 => Algorithm::PS256,
            Self::PS384 => Algorithm::PS384,
            Self::PS512 => Algorithm::PS512,
            Self::ES256 => Algorithm::ES256,
            Self::ES384 => Algorithm::ES384,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }
}

fn default_algorithms() -> Vec<SigningAlgorithm> {
    vec![
        SigningAlgorithm::RS256,
        SigningAlgorithm::PS256,
        SigningAlgorithm::ES256,
        SigningAlgorithm::ES384,
        SigningAlgorithm::EdDSA,
    ]
}

const fn default_skew() -> u64 {
    30
}

/// Why an issuer's configuration is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An address that must not be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A field that says nothing.
    #[error("an issuer's {0} must not be empty")]
    Empty(&'static str),
    /// The same issuer twice: which entry holds would be a guess.
    #[error("an issuer is configured twice")]
    Duplicate,
    /// No issuer at all: nobody could ever log in.
    #[error("no issuer is configured")]
    NoIssuer,
    /// One name for the service and for a client.
    #[error("an issuer's audience must not be one of its authorizedParties; give the service an audience of its own")]
    AudienceIsParty,
    /// More tolerance than the rules allow.
    #[error("an issuer's clockSkewSeconds must be at most 60")]
    Skew,
    /// Times that contradict each other.
    #[error(
        "an issuer's keyRefresh needs earlySeconds <= maxAgeSeconds <= 86400, staleSeconds <= 86400, not both 0, and timeoutSeconds from 1 to 60"
    )]
    Refresh,
}

impl IssuerConfig {
    /// An issuer with the defaults.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            authorized_parties: Vec::new(),
            algorithms: default_algorithms(),
            clock_skew_seconds: default_skew(),
            jwks_file: None,
            key_refresh: KeyRefresh::default(),
        }
    }

    /// Checks what types alone cannot say, and returns the issuer as a URL.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn validate(&self) -> Result<Url, ConfigError> {
        if self.audience.is_empty() {
            return Err(ConfigError::Empty("audience"));
        }
        if self.algorithms.is_empty() {
            return Err(ConfigError::Empty("algorithms"));
        }
        // ID tokens carry the client as their audience: with the same name for both they
        // could pass for access tokens.
        if self.authorized_parties.contains(&self.audience) {
            return Err(ConfigError::AudienceIsParty);
        }
        if self.clock_skew_seconds > MAX_SKEW {
            return Err(ConfigError::Skew);
        }
        let KeyRefresh { early_seconds, max_age_seconds, stale_seconds, cooldown_seconds: _, timeout_seconds } =
            self.key_refresh;
        let day = 86_400;
        if early_seconds > max_age_seconds
            || max_age_seconds > day
            || max_age_seconds + stale_seconds == 0
            || stale_seconds > day
            || !(1..=60).contains(&timeout_seconds)
        {
            return Err(ConfigError::Refresh);
        }
        Ok(issuer_url(&self.issuer)?)
    }
}
