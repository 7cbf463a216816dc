//! Canonical JSON (RFC 8785), the one form in which things are hashed and signed.

use serde::Serialize;

/// A value that has no canonical JSON form.
#[derive(Debug, thiserror::Error)]
#[error("this value has no canonical JSON form")]
pub struct CanonicalError(#[source] serde_json::Error);

/// The RFC 8785 bytes of `value`: sorted keys, shortest numbers, no white space.
///
/// # Errors
/// When the value cannot be JSON (a map with keys that are not text, a number that is not finite).
pub fn canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    serde_jcs::to_vec(value).map_err(CanonicalError)
}
