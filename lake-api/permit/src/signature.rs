//! Ed25519 signatures over canonical JSON: how every statement of the platform is signed.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::Serialize;

use crate::{CanonicalError, Sha256Digest, canonical_json};

/// Why a signature is not good.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Made with another key.
    #[error("it was signed with another key; ask whoever published it which public key is the right one")]
    OtherKey,
    /// The statement is not the one that was signed.
    #[error("the signature does not fit: it was changed after it was signed")]
    Changed,
    /// No canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// SHA-256 of a public key, to find it; it proves nothing.
#[must_use]
pub fn key_digest(key: &VerifyingKey) -> Sha256Digest {
    Sha256Digest::of(key.as_bytes())
}

/// The signature over the canonical JSON (RFC 8785) of a statement, in hexadecimal digits.
/// The statement must name its own format, so that no other statement has the same bytes.
///
/// # Errors
/// When the statement has no canonical form.
pub fn sign_statement(statement: &impl Serialize, key: &SigningKey) -> Result<String, CanonicalError> {
    Ok(hex::encode(key.sign(&canonical_json(statement)?).to_bytes()))
}

/// Checks a signature of [`sign_statement`]. Strict (no second signature of the same bytes is
/// accepted).
///
/// # Errors
/// See [`SignatureError`].
pub fn verify_statement(
    statement: &impl Serialize,
    key: &VerifyingKey,
    signed_with: &Sha256Digest,
    signature: &str,
) -> Result<(), SignatureError> {
    if *signed_with != key_digest(key) {
        return Err(SignatureError::OtherKey);
    }
    let mut bytes = [0; 64];
    hex::decode_to_slice(signature, &mut bytes).map_err(|_| SignatureError::Changed)?;
    key.verify_strict(&canonical_json(statement)?, &Signature::from_bytes(&bytes)).map_err(|_| SignatureError::Changed)
}
