//! What a login brings.

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::OAuth2TokenResponse;
use openidconnect::core::CoreTokenResponse;
use serde::{Deserialize, Serialize};

use super::provider::LoginConfig;

/// A token this close to its end is renewed before it is used, in seconds.
const MARGIN: i64 = 30;

/// Tokens of one login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenSet {
    /// The issuer they are from.
    pub issuer: String,
    /// The client they were given to.
    pub client_id: String,
    /// The person, where the issuer gave an ID token.
    pub subject: Option<String>,
    /// The bearer token.
    pub access_token: String,
    /// The means to get another one without the person.
    pub refresh_token: Option<String>,
    /// When the bearer token ends, where the issuer says.
    pub expires: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { issuer, client_id, subject, access_token: _, refresh_token, expires } = self;
        f.debug_struct("TokenSet")
            .field("issuer", issuer)
            .field("client_id", client_id)
            .field("subject", subject)
            .field("access_token", &"…")
            .field("refresh_token", &refresh_token.as_ref().map(|_| "…"))
            .field("expires", expires)
            .finish()
    }
}

impl TokenSet {
    pub(super) fn new(config: &LoginConfig, answer: &CoreTokenResponse, subject: Option<String>) -> Self {
        let lifetime = answer.expires_in().and_then(|lifetime| TimeDelta::from_std(lifetime).ok());
        Self {
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            subject,
            access_token: answer.access_token().secret().clone(),
            refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
            expires: lifetime.and_then(|lifetime| Utc::now().checked_add_signed(lifetime)),
        }
    }

    /// Whether the bearer token may still be used at `now`. Without a stated end it is
    /// tried; the service then says when it is over.
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_none_or(|end| now + TimeDelta::seconds(MARGIN) < end)
    }
}
