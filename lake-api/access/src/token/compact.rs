//! The outer form of a token: RFC 7515, compact serialisation.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::TokenError;

/// Longest token that is looked at.
const MAX_LENGTH: usize = 16 * 1024;

/// Longest key id; longer ones are not in any key set.
const MAX_KEY_ID: usize = 512;

/// A token taken apart; nothing is verified yet.
pub(super) struct Compact<'t> {
    /// What the signature covers: header, dot, payload.
    pub(super) signed: &'t str,
    /// The signature as base64url.
    pub(super) signature: &'t str,
    /// The payload's JSON.
    pub(super) payload: Vec<u8>,
    /// The algorithm that the header claims.
    pub(super) algorithm: Algorithm,
    /// The key id that the header claims.
    pub(super) key_id: Option<String>,
}

/// The header fields that matter. Others are ignored, keys and key addresses above all.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<IgnoredAny>,
    crit: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
}

impl<'t> Compact<'t> {
    /// Takes a token apart and checks its header.
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > MAX_LENGTH {
            return Err(TokenError::TooLong);
        }
        let three = || TokenError::Malformed("not three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(three)?;
        let (header, payload) = signed.split_once('.').ok_or_else(three)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(three());
        }
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|_| TokenError::Malformed("the header is not the JSON of a signed token"))?;
        let (algorithm, key_id) = header.check()?;
        Ok(Self { signed, signature, payload: decode(payload)?, algorithm, key_id })
    }
}

impl Header {
    fn check(self) -> Result<(Algorithm, Option<String>), TokenError> {
        let Self { alg, kid, typ, cty, crit, enc, zip } = self;
        let unsupported = [(cty, "cty"), (crit, "crit"), (enc, "enc"), (zip, "zip")];
        if let Some((_, name)) = unsupported.into_iter().find(|(value, _)| value.is_some()) {
            return Err(TokenError::Header(name));
        }
        // RFC 7515, section 4.1.9: the type is compared without case, and `application/` may be left out.
        match typ.map(|typ| typ.to_ascii_lowercase()).as_deref() {
            None | Some("jwt" | "at+jwt" | "application/jwt" | "application/at+jwt") => {}
            Some(_) => return Err(TokenError::Kind("typ header")),
        }
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KEY_ID) {
            return Err(TokenError::UnknownKey);
        }
        Ok((alg.parse().map_err(|_| TokenError::Algorithm)?, kid))
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed("a part is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header))
    }

    fn refused(header: &str) -> &'static str {
        Compact::parse(&token(header)).err().map_or("accepted", |error| error.reason())
    }

    #[test]
    fn the_header_of_an_access_token_is_read() {
        let text = token(r#"{"alg":"ES256","kid":"k","typ":"at+JWT","jwk":{"kty":"oct"},"jku":"https://evil"}"#);
        let compact = Compact::parse(&text).unwrap();
        assert_eq!((compact.algorithm, compact.key_id.as_deref()), (Algorithm::ES256, Some("k")));
        assert_eq!((compact.payload.as_slice(), compact.signature), (b"{}".as_slice(), "c2ln"));
    }

    #[test]
    fn headers_that_ask_for_more_are_refused() {
        for name in ["crit", "zip", "enc", "cty"] {
            assert_eq!(refused(&format!(r#"{{"alg":"ES256","{name}":["exp"]}}"#)), "header");
        }
        assert_eq!(refused(r#"{"alg":"none"}"#), "algorithm");
        assert_eq!(refused(r#"{"alg":"ES256K"}"#), "algorithm");
        assert_eq!(refused(r#"{"alg":"ES256","typ":"dpop+jwt"}"#), "kind");
        assert_eq!(refused(r#"{"alg":"ES256","alg":"RS256"}"#), "malformed");
        assert_eq!(refused(r#"{"kid":"k"}"#), "malformed");
    }

    #[test]
    fn anything_but_three_parts_is_refused() {
        let long = "a".repeat(MAX_LENGTH + 1);
        for (text, reason) in [
            ("", "malformed"),
            ("..", "malformed"),
            ("e30.e30", "malformed"),
            ("e30.e30.", "malformed"),
            ("e30.e30.x.y", "malformed"),
            ("e30.e30.x.y.z", "malformed"),
            ("e3=.e30.x", "malformed"),
            ("æ.ø.å", "malformed"),
            (long.as_str(), "too-long"),
        ] {
            assert_eq!(Compact::parse(text).err().map(|error| error.reason()), Some(reason));
        }
    }
}
