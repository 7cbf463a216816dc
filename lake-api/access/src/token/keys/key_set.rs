//! A set of public keys, each with the algorithms it may be used for.
//!
//! A key that cannot be used safely is left out of the set, not repaired: symmetric and
//! private keys, keys for encryption, RSA below 2048 bits, curves we do not check, and
//! keys that share a key id with another of the same family (which one signed would be a
//! guess).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::KeyError;

/// Most keys in a set.
const MAX_KEYS: usize = 100;

/// Sizes of an RSA modulus, in bytes (2048 to 8192 bits).
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key that is ready to verify.
#[derive(Debug)]
pub(in crate::token) struct VerificationKey {
    key_id: Option<String>,
    algorithms: Vec<Algorithm>,
    /// The parsed key.
    pub(in crate::token) key: DecodingKey,
}

/// The usable keys of an issuer.
#[derive(Debug, Default)]
pub(in crate::token) struct KeySet(Vec<VerificationKey>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Map<String, Value>>,
}

impl KeySet {
    /// Reads a JWK set and keeps the usable keys.
    pub(super) fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let document: Document = serde_json::from_slice(text).map_err(KeyError::Form)?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeyError::TooMany(MAX_KEYS));
        }
        let total = document.keys.len();
        let mut keys: Vec<_> = document.keys.into_iter().filter_map(VerificationKey::parse).collect();
        let twins: Vec<bool> =
            keys.iter().map(|key| keys.iter().filter(|other| key.is_twin(other)).count() > 1).collect();
        let mut twin = twins.into_iter();
        keys.retain(|_| twin.next() == Some(false));
        if keys.len() < total {
            tracing::info!(total, usable = keys.len(), "some keys of the issuer are not used");
        }
        Ok(Self(keys))
    }

    /// The key for a token: the one with its key id, or, for a token without one, the
    /// only key that fits the algorithm.
    pub(super) fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<&VerificationKey> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm))
            .filter(|key| key_id.is_none() || key.key_id.as_deref() == key_id);
        let found = fitting.next();
        if fitting.next().is_some() { None } else { found }
    }

    /// Whether there is no usable key.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl VerificationKey {
    fn parse(fields: Map<String, Value>) -> Option<Self> {
        // Private parts of RSA, EC and OKP keys, and symmetric keys: whoever reads the set can sign with them.
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|part| fields.contains_key(*part)) {
            return None;
        }
        // Read apart from the typed key, which maps every unknown algorithm to one value.
        let stated = match fields.get("alg") {
            None => None,
            Some(name) => Some(name.as_str()?.parse::<Algorithm>().ok()?),
        };
        let jwk: Jwk = serde_json::from_value(Value::Object(fields)).ok()?;
        let mut algorithms = algorithms_of(&jwk)?;
        if let Some(stated) = stated {
            algorithms.retain(|algorithm| *algorithm == stated);
        }
        let verifies = match (&jwk.common.public_key_use, &jwk.common.key_operations) {
            (Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)), _) => false,
            (None | Some(PublicKeyUse::Signature), Some(operations)) => operations.contains(&KeyOperations::Verify),
            (None | Some(PublicKeyUse::Signature), None) => true,
        };
        if algorithms.is_empty() || !verifies {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { key_id: jwk.common.key_id, algorithms, key })
    }

    fn is_twin(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.key.family() == other.key.family()
    }
}

/// The algorithms that a key's type, curve and size allow; `None` when there are none.
fn algorithms_of(jwk: &Jwk) -> Option<Vec<Algorithm>> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).ok()?;
            RSA_BYTES.contains(&modulus.len()).then(|| {
                use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
                vec![RS256, RS384, RS512, PS256, PS384, PS512]
            })
        }
        AlgorithmParameters::EllipticCurve(point) => match point.curve {
            EllipticCurve::P256 => Some(vec![Algorithm::ES256]),
            EllipticCurve::P384 => Some(vec![Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(pair) => match pair.curve {
            EllipticCurve::Ed25519 => Some(vec![Algorithm::EdDSA]),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(keys: &Value) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn ed(changes: &Value) -> Value {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": X});
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    #[test]
    fn a_public_signature_key_is_kept() {
        for changes in [json!({}), json!({"use": "sig"}), json!({"alg": "EdDSA"}), json!({"key_ops": ["verify"]})] {
            assert!(set(&json!([ed(&changes)])).find(Some("a"), Algorithm::EdDSA).is_some(), "{changes}");
        }
    }

    #[test]
    fn keys_that_cannot_be_used_safely_are_left_out() {
        for changes in [
            json!({"use": "enc"}),
            json!({"key_ops": ["sign"]}),
            json!({"alg": "ES256"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"alg": 7}),
            json!({"d": "c2VjcmV0"}),
            json!({"crv": "X25519"}),
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            json!({"kty": "RSA", "n": X, "e": "AQAB"}),
        ] {
            assert!(set(&json!([ed(&changes)])).is_empty(), "{changes}");
        }
    }

    #[test]
    fn a_key_serves_its_own_algorithm_only() {
        let keys = set(&json!([ed(&json!({}))]));
        for other in [Algorithm::ES256, Algorithm::RS256, Algorithm::HS256] {
            assert!(keys.find(Some("a"), other).is_none());
        }
        assert!(keys.find(Some("b"), Algorithm::EdDSA).is_none());
    }

    #[test]
    fn a_token_without_key_id_needs_an_only_key() {
        let one = set(&json!([ed(&json!({}))]));
        assert!(one.find(None, Algorithm::EdDSA).is_some());
        let two = set(&json!([ed(&json!({})), ed(&json!({"kid": "b"}))]));
        assert!(two.find(None, Algorithm::EdDSA).is_none());
    }

    #[test]
    fn two_keys_with_one_id_are_both_left_out() {
        assert!(set(&json!([ed(&json!({})), ed(&json!({}))])).is_empty());
    }

    #[test]
    fn what_is_not_a_key_set_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, "<html>"] {
            assert!(matches!(KeySet::parse(text.as_bytes()), Err(KeyError::Form(_))), "{text}");
        }
        let many = json!({ "keys": vec![ed(&json!({})); 101] }).to_string();
        assert!(matches!(KeySet::parse(many.as_bytes()), Err(KeyError::TooMany(100))));
    }
}
