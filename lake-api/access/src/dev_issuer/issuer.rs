//! The development issuer itself: its users, keys and pending grants, and its tokens.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use parking_lot::{Mutex, MutexGuard, RwLock};
use serde_json::{Value, json};

use super::grants::{Consent, Grants};
use super::key_ring::KeyRing;
use super::{CLI_CLIENT, DevIssuerError};

/// The state behind all routes.
#[derive(Debug)]
pub(super) struct Issuer {
    url: String,
    audience: String,
    users: Vec<String>,
    lifetime: TimeDelta,
    service_secret: String,
    keys: RwLock<KeyRing>,
    grants: Mutex<Grants>,
}

impl Issuer {
    pub(super) fn new(
        url: String,
        audience: String,
        users: Vec<String>,
        lifetime: Duration,
    ) -> Result<Self, DevIssuerError> {
        Ok(Self {
            url,
            audience,
            users,
            lifetime: TimeDelta::from_std(lifetime).unwrap_or(TimeDelta::MAX),
            service_secret: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>()),
            keys: RwLock::new(KeyRing::new()?),
            grants: Mutex::default(),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    pub(super) fn users(&self) -> &[String] {
        &self.users
    }

    /// The user of this name, if there is one.
    pub(super) fn user(&self, name: &str) -> Option<&str> {
        self.users.iter().find(|user| *user == name).map(String::as_str)
    }

    pub(super) fn service_secret(&self) -> &str {
        &self.service_secret
    }

    pub(super) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock()
    }

    pub(super) fn key_set(&self) -> Value {
        self.keys.read().published()
    }

    pub(super) fn rotate_keys(&self, keep_published: bool) -> Result<(), DevIssuerError> {
        self.keys.write().rotate(keep_published)
    }

    pub(super) const fn lifetime(&self) -> TimeDelta {
        self.lifetime
    }

    /// An access token (RFC 9068).
    pub(super) fn access_token(
        &self,
        subject: &str,
        audience: &str,
        client: &str,
        scope: &str,
        lifetime: TimeDelta,
    ) -> Result<String, DevIssuerError> {
        // A token that is over already was issued before its end.
        let now = Utc::now().timestamp();
        let expires = now.saturating_add(lifetime.num_seconds());
        let claims = json!({
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "client_id": client,
            "scope": scope,
            "iat": now.min(expires),
            "exp": expires,
            "jti": URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        });
        self.keys.read().sign("at+jwt", &claims)
    }

    /// An ID token for the public client (OpenID Connect Core 1.0, section 2).
    pub(super) fn id_token(&self, consent: &Consent) -> Result<String, DevIssuerError> {
        let now = Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.url,
            "sub": consent.subject,
            "aud": CLI_CLIENT,
            "iat": now,
            "exp": now.saturating_add(self.lifetime.num_seconds()),
        });
        if let (Some(nonce), Some(fields)) = (&consent.nonce, claims.as_object_mut()) {
            fields.insert("nonce".to_owned(), json!(nonce));
        }
        self.keys.read().sign("JWT", &claims)
    }
}
