//! The verifier of all configured issuers.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::crypto;
use oscar_permit::Identity;

use super::claims::{ClaimedIssuer, Claims};
use super::compact::Compact;
use super::config::{ConfigError, IssuerConfig};
use super::error::TokenError;
use super::keys::{KeyCache, KeyError, KeySource};

/// Checks bearer tokens. Cheap to clone; clones share the keys.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    issuers: Arc<BTreeMap<String, Issuer>>,
}

#[derive(Debug)]
struct Issuer {
    config: IssuerConfig,
    keys: Arc<KeyCache>,
}

/// What is believed of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Who holds it.
    pub identity: Identity,
    /// The client it was given to (`azp`, else `client_id`), where the issuer says.
    pub client: Option<String>,
    /// The first moment after its validity, without the clock skew.
    pub expires: DateTime<Utc>,
}

impl TokenVerifier {
    /// A verifier for these issuers. Nothing is fetched yet; see [`TokenVerifier::warm_up`].
    ///
    /// # Errors
    /// No issuer, the same one twice, or a configuration that is not usable.
    pub fn new(configs: Vec<IssuerConfig>) -> Result<Self, ConfigError> {
        let mut issuers = BTreeMap::new();
        for config in configs {
            let keys = Arc::new(KeyCache::new(KeySource::new(&config)?, config.key_refresh.clone()));
            if issuers.insert(config.issuer.clone(), Issuer { config, keys }).is_some() {
                return Err(ConfigError::Duplicate);
            }
        }
        if issuers.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        Ok(Self { issuers: Arc::new(issuers) })
    }

    /// Checks a bearer token (the text after `Bearer `).
    ///
    /// # Errors
    /// The first rule of the module's list that does not hold. Errors carry nothing of
    /// the token.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        let compact = Compact::parse(token)?;
        let claimed: ClaimedIssuer = serde_json::from_slice(&compact.payload).map_err(|_| TokenError::Claim("iss"))?;
        let issuer = self.issuers.get(&claimed.iss).ok_or(TokenError::UnknownIssuer)?;
        // Before a key is looked for: an algorithm that is not allowed must cause no fetch.
        if !issuer.config.algorithms.iter().any(|allowed| allowed.algorithm() == compact.algorithm) {
            return Err(TokenError::Algorithm);
        }
        issuer
            .keys
            .with_key(compact.key_id.as_deref(), compact.algorithm, |key| {
                match crypto::verify(compact.signature, compact.signed.as_bytes(), key, compact.algorithm) {
                    Ok(true) => Ok(()),
                    Ok(false) | Err(_) => Err(TokenError::Signature),
                }
            })
            .await?;
        let claims: Claims = serde_json::from_slice(&compact.payload)
            .map_err(|_| TokenError::Malformed("the claims are not the JSON of a token"))?;
        let accepted = claims.check(&issuer.config, Utc::now())?;
        Ok(VerifiedToken {
            identity: Identity { issuer: claimed.iss, subject: accepted.subject },
            client: accepted.client,
            expires: accepted.expires,
        })
    }

    /// Fetches the keys of every issuer that has none, so that the first request need not wait.
    /// Asking often costs nothing: fetches keep their distance.
    ///
    /// Returns the issuers whose keys are missing, with the reason; empty means ready.
    pub async fn warm_up(&self) -> Vec<(String, Arc<KeyError>)> {
        let mut missing = Vec::new();
        for (name, issuer) in self.issuers.iter() {
            if let Err(error) = issuer.keys.warm_up().await {
                missing.push((name.clone(), error));
            }
        }
        missing
    }

    /// The issuers of which no usable key is at hand, without waiting for them. Empty means ready.
    #[must_use]
    pub fn issuers_without_keys(&self) -> Vec<String> {
        self.issuers.iter().filter(|(_, issuer)| !issuer.keys.is_ready()).map(|(name, _)| name.clone()).collect()
    }

    /// Those of them whose keys have grown too old, while another issuer's keys are usable: its persons are served.
    #[must_use]
    pub fn issuers_with_outdated_keys(&self) -> Vec<String> {
        if self.issuers.values().all(|issuer| !issuer.keys.is_ready()) {
            return Vec::new();
        }
        self.issuers.iter().filter(|(_, issuer)| issuer.keys.is_outdated()).map(|(name, _)| name.clone()).collect()
    }
}
