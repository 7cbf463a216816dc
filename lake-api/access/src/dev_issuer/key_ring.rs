//! The development issuer's signing keys: Ed25519, in memory only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::DevIssuerError;

/// The key that signs, and the public keys that are published.
pub(super) struct KeyRing {
    key_id: String,
    signing: EncodingKey,
    published: Vec<Value>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl KeyRing {
    pub(super) fn new() -> Result<Self, DevIssuerError> {
        let secret: [u8; 32] = rand::random();
        let key = SigningKey::from_bytes(&secret);
        let document = key.to_pkcs8_der().map_err(|_| DevIssuerError::Key)?;
        let key_id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>());
        let public = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": key_id,
            "x": URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
        });
        Ok(Self { key_id, signing: EncodingKey::from_ed_der(document.as_bytes()), published: vec![public] })
    }

    /// Replaces the signing key.
    pub(super) fn rotate(&mut self, keep_published: bool) -> Result<(), DevIssuerError> {
        let mut next = Self::new()?;
        if keep_published {
            next.published.append(&mut self.published);
        }
        *self = next;
        Ok(())
    }

    /// The JWK set.
    pub(super) fn published(&self) -> Value {
        json!({ "keys": self.published })
    }

    /// Signs claims as a token of the given type.
    pub(super) fn sign(&self, kind: &str, claims: &Value) -> Result<String, DevIssuerError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(kind.to_owned());
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.signing).map_err(|_| DevIssuerError::Key)
    }
}
