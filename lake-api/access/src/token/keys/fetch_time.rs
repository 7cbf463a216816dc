//! When the keys in a file were fetched, said in the file itself.
//!
//! Whoever fetches keys for somebody else notes the time beside them, because the file's
//! reader cannot tell an issuer that changes nothing from one that nobody reaches any more.
//! RFC 7517 (section 5) lets a key set have further members; this one is named after our
//! domain, so that no issuer uses it for something else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::KeyError;
use super::source::DOCUMENT_LIMIT;

/// The member of a key set: seconds since 1970 (`NumericDate`, RFC 7519, section 2).
const FETCHED_AT: &str = "host.oscar-project.com/fetched-at";

/// A key set for [`IssuerConfig::jwks_file`](crate::IssuerConfig::jwks_file) that says when,
/// in seconds since 1970, it was fetched.
///
/// # Errors
/// When the text is no key set, or too long with the time in it.
pub fn dated_jwks(jwks: &str, fetched: u64) -> Result<String, KeyError> {
    let mut document: Map<String, Value> = serde_json::from_str(jwks).map_err(KeyError::Form)?;
    let keys = document.remove("keys").unwrap_or_else(|| json!([]));
    let text = json!({"keys": keys, FETCHED_AT: fetched}).to_string();
    if text.len() > DOCUMENT_LIMIT { Err(KeyError::FileTooLong(DOCUMENT_LIMIT)) } else { Ok(text) }
}

/// When a key set says that it was fetched, in seconds since 1970; `None` when it does not say.
///
/// # Errors
/// When the text is no JSON object, or the time is none.
pub fn jwks_fetched_at(jwks: &[u8]) -> Result<Option<u64>, KeyError> {
    let document: Map<String, Value> = serde_json::from_slice(jwks).map_err(KeyError::Form)?;
    document.get(FETCHED_AT).map(|time| time.as_u64().ok_or(KeyError::FetchTime)).transpose()
}

/// How old a key set is by its own words; one that says nothing is as old as its reading.
///
/// Clocks differ: a time that is still to come counts as now, so nobody's keys live longer.
pub(super) fn age_of(jwks: &[u8], now: SystemTime) -> Result<Duration, KeyError> {
    let Some(fetched) = jwks_fetched_at(jwks)? else { return Ok(Duration::ZERO) };
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| KeyError::FetchTime)?;
    Ok(now.saturating_sub(Duration::from_secs(fetched)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = r#"{"keys":[{"kty":"OKP"}],"by":"the issuer"}"#;

    #[test]
    fn a_set_says_when_it_was_fetched_and_says_it_anew() {
        let dated = dated_jwks(SET, 1_764_352_000).unwrap();
        assert_eq!(dated, r#"{"host.oscar-project.com/fetched-at":1764352000,"keys":[{"kty":"OKP"}]}"#);
        assert_eq!(jwks_fetched_at(dated.as_bytes()).unwrap(), Some(1_764_352_000));
        let later = dated_jwks(&dated, 1_764_353_000).unwrap();
        assert_eq!(jwks_fetched_at(later.as_bytes()).unwrap(), Some(1_764_353_000));
        assert_eq!(jwks_fetched_at(SET.as_bytes()).unwrap(), None);
    }

    #[test]
    fn a_set_that_is_too_long_with_its_time_is_refused() {
        let long = json!({"keys": ["x".repeat(DOCUMENT_LIMIT - 20)]}).to_string();
        assert!(matches!(dated_jwks(&long, 0), Err(KeyError::FileTooLong(_))));
    }

    #[test]
    fn the_age_is_counted_by_the_wall_clock() {
        let now = UNIX_EPOCH + Duration::from_secs(10_000);
        let age = |fetched: Value| age_of(json!({"keys": [], FETCHED_AT: fetched}).to_string().as_bytes(), now);
        assert_eq!(age(json!(9_000)).unwrap(), Duration::from_secs(1000));
        assert_eq!(age(json!(10_001)).unwrap(), Duration::ZERO, "a time to come is now");
        assert_eq!(age_of(SET.as_bytes(), now).unwrap(), Duration::ZERO);
        for garbage in [json!("yesterday"), json!(-1), json!(9000.5), json!(null), json!([9000])] {
            assert!(matches!(age(garbage.clone()), Err(KeyError::FetchTime)), "{garbage}");
        }
    }
}
