//! The public half of the key that signs receipts and the journal (RFC 8037 JWK).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The keys with which receipts and journal records are verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyingKeys {
    /// The keys.
    pub keys: Vec<VerifyingKeyJwk>,
}

/// One Ed25519 public key as a JSON Web Key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyingKeyJwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// SHA-256 of the 32 public bytes, hexadecimal.
    pub kid: String,
    /// The 32 public bytes, base64url without padding.
    pub x: String,
}
