//! Where an issuer's keys come from: discovery over the network, or a file.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::io::AsyncReadExt;
use url::Url;

use super::KeyError;
use super::fetch_time::age_of;
use super::key_set::KeySet;
use crate::bounded_http::BoundedHttp;
use crate::endpoint::{announced_url, issuer_url};
use crate::token::config::{ConfigError, IssuerConfig};

/// Largest discovery document or key set, in bytes.
pub(super) const DOCUMENT_LIMIT: usize = 256 * 1024;

/// Where the keys come from.
#[derive(Debug)]
pub(in crate::token) enum KeySource {
    /// `OpenID` Connect Discovery 1.0.
    Discovery {
        /// The identifier as configured, for the comparison byte for byte.
        issuer: String,
        /// The same as an address.
        url: Url,
        /// Limit of each request.
        timeout: Duration,
    },
    /// A JWKS file.
    File(PathBuf),
}

/// Keys as a source gave them.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) keys: KeySet,
    /// How long they may be kept, where the source says.
    pub(super) max_age: Option<Duration>,
    /// How old they were when they came.
    pub(super) age: Duration,
}

/// The fields of a discovery document that are used.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// The source that a configuration names.
    pub(in crate::token) fn new(config: &IssuerConfig) -> Result<Self, ConfigError> {
        let url = config.validate()?;
        Ok(match &config.jwks_file {
            Some(path) => Self::File(path.clone()),
            None => Self::Discovery { issuer: config.issuer.clone(), url, timeout: config.key_refresh.timeout() },
        })
    }

    /// Loads the keys.
    pub(super) async fn load(&self) -> Result<Loaded, KeyError> {
        match self {
            Self::File(path) => {
                let text = read_file(path).await?;
                Ok(Loaded { keys: KeySet::parse(&text)?, max_age: None, age: age_of(&text, SystemTime::now())? })
            }
            Self::Discovery { issuer, url, timeout } => {
                let (body, max_age) = discover(issuer, url, *timeout).await?;
                Ok(Loaded { keys: KeySet::parse(&body)?, max_age, age: Duration::ZERO })
            }
        }
    }
}

/// Follows discovery to the key set's bytes.
async fn discover(issuer: &str, url: &Url, timeout: Duration) -> Result<(Vec<u8>, Option<Duration>), KeyError> {
    // Built per load: loads are minutes apart, and an idle pool would only hold memory.
    let http = BoundedHttp::new(url, timeout, DOCUMENT_LIMIT).map_err(KeyError::Discovery)?;
    let (body, _) = http.document(&discovery_url(url)).await.map_err(KeyError::Discovery)?;
    let discovery: Discovery = serde_json::from_slice(&body).map_err(KeyError::DiscoveryForm)?;
    if discovery.issuer != issuer {
        return Err(KeyError::IssuerMismatch);
    }
    let keys_url = announced_url(&discovery.jwks_uri, url, "jwks_uri")?;
    http.document(&keys_url).await.map_err(KeyError::Fetch)
}

/// Fetches an issuer's JWKS for somebody who cannot reach the issuer and reads it as
/// [`IssuerConfig::jwks_file`], best with the time in it ([`dated_jwks`](super::dated_jwks)). The text is a key set with at least one usable key.
///
/// # Errors
/// See [`KeyError`].
pub async fn fetch_jwks(issuer: &str, timeout: Duration) -> Result<String, KeyError> {
    let url = issuer_url(issuer)?;
    let (body, _) = discover(issuer, &url, timeout).await?;
    KeySet::parse(&body)?;
    String::from_utf8(body).map_err(|_| KeyError::Encoding)
}

/// The issuer's path without a trailing slash, then the well-known suffix (section 4).
fn discovery_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/')));
    url
}

async fn read_file(path: &Path) -> Result<Vec<u8>, KeyError> {
    let file = tokio::fs::File::open(path).await.map_err(KeyError::File)?;
    let mut text = Vec::new();
    let limit = DOCUMENT_LIMIT as u64 + 1;
    file.take(limit).read_to_end(&mut text).await.map_err(KeyError::File)?;
    if text.len() > DOCUMENT_LIMIT {
        return Err(KeyError::FileTooLong(DOCUMENT_LIMIT));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_address_follows_the_issuers_path() {
        for (issuer, expected) in [
            ("https://a.dk", "https://a.dk/.well-known/openid-configuration"),
            ("https://a.dk/", "https://a.dk/.well-known/openid-configuration"),
            ("https://a.dk/realms/x", "https://a.dk/realms/x/.well-known/openid-configuration"),
            ("https://a.dk/realms/x/", "https://a.dk/realms/x/.well-known/openid-configuration"),
        ] {
            assert_eq!(discovery_url(&Url::parse(issuer).unwrap()).as_str(), expected);
        }
    }
}
