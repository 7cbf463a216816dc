//! Tokens that a test signs itself, honest or forged.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// An Ed25519 key with its key id.
pub(crate) struct TestKey {
    pub(crate) key_id: String,
    encoding: EncodingKey,
    public: [u8; 32],
}

impl TestKey {
    pub(crate) fn new(key_id: &str) -> Self {
        let key = SigningKey::from_bytes(&rand::random());
        let document = key.to_pkcs8_der().unwrap();
        Self {
            key_id: key_id.to_owned(),
            encoding: EncodingKey::from_ed_der(document.as_bytes()),
            public: key.verifying_key().to_bytes(),
        }
    }

    pub(crate) fn public_bytes(&self) -> &[u8] {
        &self.public
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.key_id, "x": URL_SAFE_NO_PAD.encode(self.public)})
    }

    /// Signs claims under this key.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key_id}), claims)
    }

    /// Signs claims under this key with any header.
    pub(crate) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }
}

/// A part of a token.
pub(crate) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The claims of a token, unverified.
pub(crate) fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Claims that are all right for `issuer` and the audience `oscar-host`.
pub(crate) fn claims(issuer: &str) -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({"iss": issuer, "sub": "alice", "aud": "oscar-host", "iat": now, "exp": now + 300})
}

/// HMAC under anything that an attacker can know of a public key.
pub(crate) fn hmac_forgery(secret: &[u8], key_id: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key_id.to_owned());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}
