//! The key that signs a tenant's journal.

use std::fmt;

pub use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding};
use ed25519_dalek::{Signature, Signer, SigningKey};

/// Length of a signature in bytes.
const SIGNATURE: usize = 64;

/// Why a key cannot be used. The message never repeats key material.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a private key in PKCS #8 PEM.
    #[error("the journal key is not an Ed25519 private key in PKCS #8 PEM form")]
    Pem,
    /// Not a public key.
    #[error("the journal's public key is not 64 hexadecimal digits of an Ed25519 key")]
    Public,
}

/// The Ed25519 private key of a journal. Its debug form shows nothing.
pub struct JournalKey(SigningKey);

impl JournalKey {
    /// A new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&rand::random()))
    }

    /// The key that a 32-byte secret stands for (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a PKCS #8 PEM text.
    ///
    /// # Errors
    /// When the text is not such a key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(text).map(Self).map_err(|_| KeyError::Pem)
    }

    /// The PKCS #8 PEM text, to be kept where secrets are kept.
    ///
    /// # Errors
    /// When the key cannot be encoded.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).map_err(|_| KeyError::Pem)
    }

    /// The public half, which auditors need.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.0.verifying_key()
    }

    pub(crate) fn sign(&self, domain: &[u8], bytes: &[u8]) -> String {
        hex::encode(self.0.sign(&[domain, bytes].concat()).to_bytes())
    }
}

impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalKey(..)")
    }
}

/// The public key as 64 hexadecimal digits.
#[must_use]
pub fn verifying_key_to_hex(key: &VerifyingKey) -> String {
    hex::encode(key.as_bytes())
}

/// Reads a public key written by [`verifying_key_to_hex`].
///
/// # Errors
/// When the text is not a public key.
pub fn verifying_key_from_hex(text: &str) -> Result<VerifyingKey, KeyError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| KeyError::Public)?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Public)
}

/// Whether `signature` (hexadecimal) is the key's over `domain` and `bytes`; strict, so that
/// no second signature of the same bytes is accepted.
pub(crate) fn is_signed(key: &VerifyingKey, domain: &[u8], bytes: &[u8], signature: &str) -> bool {
    let mut raw = [0; SIGNATURE];
    hex::decode_to_slice(signature, &mut raw).is_ok()
        && key.verify_strict(&[domain, bytes].concat(), &Signature::from_bytes(&raw)).is_ok()
}
