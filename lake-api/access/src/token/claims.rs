//! What a token says, and whether it says it to us, now.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::config::IssuerConfig;
use super::error::TokenError;

/// OpenID Connect Core 1.0, section 2: a subject is at most 255 ASCII characters.
const MAX_SUBJECT: usize = 255;

/// Only the issuer: it chooses whose keys are tried, before anything is believed.
#[derive(Deserialize)]
pub(super) struct ClaimedIssuer {
    /// `iss`
    pub(super) iss: String,
}

/// The claims that matter here. A claim that appears twice is an error of the parser.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    azp: Option<String>,
    client_id: Option<String>,
    typ: Option<String>,
    nonce: Option<IgnoredAny>,
    at_hash: Option<IgnoredAny>,
    c_hash: Option<IgnoredAny>,
    s_hash: Option<IgnoredAny>,
    events: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What is kept of a token that passed.
pub(super) struct Accepted {
    pub(super) subject: String,
    pub(super) client: Option<String>,
    pub(super) expires: DateTime<Utc>,
}

impl Claims {
    /// Checks every rule but the issuer and the signature, which are checked before.
    pub(super) fn check(self, config: &IssuerConfig, now: DateTime<Utc>) -> Result<Accepted, TokenError> {
        let Self { sub, aud, exp, nbf, iat, azp, client_id, typ, nonce, at_hash, c_hash, s_hash, events } = self;
        let marks =
            [(nonce, "nonce"), (at_hash, "at_hash"), (c_hash, "c_hash"), (s_hash, "s_hash"), (events, "events")];
        if let Some((_, name)) = marks.into_iter().find(|(mark, _)| mark.is_some()) {
            return Err(TokenError::Kind(name));
        }
        if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("bearer")) {
            return Err(TokenError::Kind("typ claim"));
        }
        let several = check_audience(aud, config)?;
        check_party(azp.as_deref(), client_id.as_deref(), several, config)?;
        let expires = check_times(exp, nbf, iat, config.clock_skew_seconds, now)?;
        let subject = sub.filter(|sub| is_subject(sub)).ok_or(TokenError::Claim("sub"))?;
        Ok(Accepted { subject, client: azp.or(client_id), expires })
    }
}

fn is_subject(text: &str) -> bool {
    (1..=MAX_SUBJECT).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether we are named; the answer says whether others are too.
fn check_audience(audience: Option<Audience>, config: &IssuerConfig) -> Result<bool, TokenError> {
    let named = match audience {
        None => return Err(TokenError::Claim("aud")),
        Some(Audience::One(name)) => vec![name],
        Some(Audience::Many(names)) => names,
    };
    if !named.contains(&config.audience) {
        return Err(TokenError::Audience);
    }
    Ok(named.iter().any(|name| *name != config.audience))
}

/// `azp` is `OpenID` Connect's name for the client, `client_id` that of RFC 9068. Each one
/// present must be on the list, when there is one.
fn check_party(
    azp: Option<&str>,
    client_id: Option<&str>,
    several: bool,
    config: &IssuerConfig,
) -> Result<(), TokenError> {
    let parties = &config.authorized_parties;
    let unlisted = |party: &str| !parties.iter().any(|listed| listed == party);
    let nameless = azp.is_none() && client_id.is_none();
    if parties.is_empty() {
        // A token that also opens other doors was made for somebody we cannot judge.
        return if several { Err(TokenError::AuthorizedParty) } else { Ok(()) };
    }
    if nameless || azp.is_some_and(unlisted) || client_id.is_some_and(unlisted) {
        return Err(TokenError::AuthorizedParty);
    }
    Ok(())
}

fn check_times(
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    skew: u64,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, TokenError> {
    let expires = moment(exp, "exp")?.ok_or(TokenError::Claim("exp"))?;
    let begins = moment(nbf, "nbf")?;
    let issued = moment(iat, "iat")?;
    let skew = chrono::TimeDelta::try_seconds(i64::try_from(skew).unwrap_or(0)).unwrap_or_default();
    if issued.is_some_and(|issued| issued > expires) {
        return Err(TokenError::Claim("iat"));
    }
    if now >= expires + skew {
        return Err(TokenError::Expired);
    }
    if begins.into_iter().chain(issued).any(|moment| moment > now + skew) {
        return Err(TokenError::NotYetValid);
    }
    Ok(expires)
}

/// Latest second a token may name: the end of the year 9999. Later ones are nonsense.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// A `NumericDate` (RFC 7519, section 2), fractions of a second cut off.
fn moment(seconds: Option<f64>, claim: &'static str) -> Result<Option<DateTime<Utc>>, TokenError> {
    let Some(seconds) = seconds else { return Ok(None) };
    if !(0.0..=LAST_SECOND).contains(&seconds) {
        return Err(TokenError::Claim(claim));
    }
    // In range, so the cast is exact up to the fraction.
    #[allow(clippy::cast_possible_truncation)]
    DateTime::from_timestamp(seconds as i64, 0).map(Some).ok_or(TokenError::Claim(claim))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn check_with(config: &IssuerConfig, changes: &Value) -> &'static str {
        let mut claims = json!({ "sub": "alice", "aud": "oscar-host", "iat": NOW - 10, "exp": NOW + 300 });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let Ok(claims) = serde_json::from_value::<Claims>(claims) else { return "malformed" };
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        claims.check(config, now).map_or_else(|error| error.reason(), |_| "accepted")
    }

    fn check(changes: &Value) -> &'static str {
        check_with(&IssuerConfig::new("https://login.example.dk", "oscar-host"), changes)
    }

    #[rstest]
    #[case::plain(json!({}), "accepted")]
    #[case::client(json!({"client_id": "cli", "azp": "cli"}), "accepted")]
    #[case::keycloak_access(json!({"typ": "Bearer"}), "accepted")]
    #[case::keycloak_id(json!({"typ": "ID"}), "kind")]
    #[case::keycloak_refresh(json!({"typ": "Refresh"}), "kind")]
    #[case::id_token_nonce(json!({"nonce": "n"}), "kind")]
    #[case::id_token_hash(json!({"at_hash": "h"}), "kind")]
    #[case::logout_token(json!({"events": {}}), "kind")]
    #[case::no_audience(json!({"aud": null}), "claim")]
    #[case::foreign_audience(json!({"aud": "other"}), "audience")]
    #[case::longer_audience(json!({"aud": "oscar-host2"}), "audience")]
    #[case::other_case(json!({"aud": "Oscar-Host"}), "audience")]
    #[case::empty_list(json!({"aud": []}), "audience")]
    #[case::listed_alone(json!({"aud": ["oscar-host"]}), "accepted")]
    #[case::listed_with_others(json!({"aud": ["oscar-host", "account"], "azp": "cli"}), "authorized-party")]
    #[case::numbers(json!({"aud": [1]}), "malformed")]
    #[case::no_end(json!({"exp": null}), "claim")]
    #[case::text_end(json!({"exp": "2099"}), "malformed")]
    #[case::huge_end(json!({"exp": 1e300}), "claim")]
    #[case::negative_end(json!({"exp": -1}), "claim")]
    #[case::fraction(json!({"exp": 1_800_000_000.5 + 60.0}), "accepted")]
    #[case::within_skew(json!({"exp": NOW - 29, "iat": NOW - 90}), "accepted")]
    #[case::at_skew(json!({"exp": NOW - 30, "iat": NOW - 90}), "expired")]
    #[case::over(json!({"exp": NOW - 3600, "iat": NOW - 7200}), "expired")]
    #[case::begins_soon(json!({"nbf": NOW + 30}), "accepted")]
    #[case::begins_later(json!({"nbf": NOW + 31}), "not-yet-valid")]
    #[case::issued_later(json!({"iat": NOW + 31}), "not-yet-valid")]
    #[case::issued_after_end(json!({"iat": NOW + 400}), "claim")]
    #[case::nobody(json!({"sub": null}), "claim")]
    #[case::empty_subject(json!({"sub": ""}), "claim")]
    #[case::control_subject(json!({"sub": "a\nb"}), "claim")]
    #[case::long_subject(json!({"sub": "a".repeat(256)}), "claim")]
    #[case::number_subject(json!({"sub": 7}), "malformed")]
    fn claims_are_judged(#[case] changes: Value, #[case] expected: &str) {
        assert_eq!(check(&changes), expected);
    }

    #[rstest]
    #[case::listed(json!({"azp": "cli"}), "accepted")]
    #[case::listed_client_id(json!({"client_id": "cli"}), "accepted")]
    #[case::several_audiences(json!({"aud": ["oscar-host", "account"], "azp": "cli"}), "accepted")]
    #[case::nameless(json!({}), "authorized-party")]
    #[case::unlisted(json!({"azp": "other"}), "authorized-party")]
    #[case::contradiction(json!({"azp": "cli", "client_id": "other"}), "authorized-party")]
    fn parties_are_judged_when_they_are_configured(#[case] changes: Value, #[case] expected: &str) {
        let mut config = IssuerConfig::new("https://login.example.dk", "oscar-host");
        config.authorized_parties = vec!["cli".to_owned()];
        assert_eq!(check_with(&config, &changes), expected);
    }

    #[test]
    fn a_claim_that_appears_twice_is_refused() {
        let twice = r#"{"sub":"alice","sub":"bob","aud":"oscar-host","exp":1800000300}"#;
        assert!(serde_json::from_str::<Claims>(twice).is_err());
        assert!(serde_json::from_str::<ClaimedIssuer>(r#"{"iss":"https://a","iss":"https://b"}"#).is_err());
        assert!(serde_json::from_str::<ClaimedIssuer>(r#"{"iss":["https://a"]}"#).is_err());
    }
}
