//! Who may ask the development issuer: two clients and the named users.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use url::Url;

use super::oauth_error::OauthError;
use super::parameters::Parameters;
use super::{CLI_CLIENT, SERVICE_CLIENT};
use crate::endpoint::is_loopback;

/// The client that sent a request to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// The public client of people.
    Cli,
    /// The confidential client of programs; its secret was right.
    Service,
}

impl Client {
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Cli => CLI_CLIENT,
            Self::Service => SERVICE_CLIENT,
        }
    }

    /// Authenticates a request: `client_secret_basic` or `client_secret_post` for the
    /// confidential client, the bare id for the public one (RFC 6749, section 2.3).
    pub(super) fn authenticate(
        headers: &HeaderMap,
        parameters: &Parameters,
        service_secret: &str,
    ) -> Result<Self, OauthError> {
        let (id, secret) = if let Some(value) = headers.get(http::header::AUTHORIZATION) {
            let (id, secret) = value.to_str().ok().and_then(basic).ok_or(OauthError::InvalidClient)?;
            (id, Some(secret))
        } else {
            let id = parameters.get("client_id").ok_or(OauthError::InvalidClient)?;
            (id.to_owned(), parameters.get("client_secret").map(str::to_owned))
        };
        match (id.as_str(), secret) {
            (CLI_CLIENT, None) => Ok(Self::Cli),
            (SERVICE_CLIENT, Some(secret)) if is_same(&secret, service_secret) => Ok(Self::Service),
            _ => Err(OauthError::InvalidClient),
        }
    }
}

/// RFC 6749, section 2.3.1: id and secret are form-encoded inside the header.
fn basic(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ").or_else(|| header.strip_prefix("basic "))?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let pair = format!("v={part}");
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

/// Compares digests, so that the time taken says nothing about the secret.
fn is_same(given: &str, secret: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(secret)
}

/// Whether the public client may be sent back there: its own callback on loopback, on any
/// port (RFC 8252, section 7.3). Anything else would make an open redirector of us.
pub(super) fn is_redirect(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| {
        url.scheme() == "http"
            && is_loopback(&url)
            && url.path() == "/callback"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// Whether these can be users.
pub(super) fn are_users(names: &[String]) -> bool {
    let mut seen = BTreeSet::from([CLI_CLIENT, SERVICE_CLIENT]);
    let form = |name: &str| {
        (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
    };
    !names.is_empty() && names.iter().all(|name| form(name) && seen.insert(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_callback_is_a_redirect() {
        for good in ["http://127.0.0.1:5/callback", "http://[::1]:5/callback", "http://localhost:5/callback"] {
            assert!(is_redirect(good), "{good}");
        }
        for bad in [
            "https://127.0.0.1:5/callback",
            "http://127.0.0.1.example.dk/callback",
            "http://example.dk/callback",
            "http://127.0.0.1:5/other",
            "http://127.0.0.1:5/callback?x",
            "http://127.0.0.1:5/callback#x",
            "http://127.0.0.1@example.dk/callback",
            "/callback",
        ] {
            assert!(!is_redirect(bad), "{bad}");
        }
    }

    #[test]
    fn a_user_is_not_named_after_a_client_or_twice() {
        let names = |names: &[&str]| are_users(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(names(&["alice", "bo@region.dk"]));
        assert!(!names(&[]));
        assert!(!names(&["alice", "alice"]));
        assert!(!names(&["oscar-service"]));
        assert!(!names(&["<script>"]));
        assert!(!names(&[""]));
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = format!("Basic {}", STANDARD.encode("a%3Ab:c+d%25"));
        assert_eq!(basic(&header), Some(("a:b".to_owned(), "c d%".to_owned())));
        assert_eq!(basic("Bearer x"), None);
    }
}
