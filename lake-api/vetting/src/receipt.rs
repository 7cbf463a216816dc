//! Receipts: the signed statement of what was released, from what, under which rules.
//!
//! The signature is Ed25519 over the canonical JSON (RFC 8785) of the receipt. Anyone with
//! the tenant's public key verifies receipt and content offline. A receipt names versions
//! and digests; it holds no count of persons at all.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use oscar_permit::{CanonicalError, Identity, PermitId, ReleaseId, Sha256Digest, TableRef, TenantName, canonical_json};
use serde::{Deserialize, Serialize};

/// The receipt's format, which it states itself: bytes signed for another purpose with
/// the same key are no receipt.
const FORMAT: &str = "oscar-receipt/1";

/// What was released, from what, under which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// Always `oscar-receipt/1`.
    pub format: String,
    /// The tenant.
    pub tenant: TenantName,
    /// The release.
    pub release: ReleaseId,
    /// Sequence number of the newest record in the tenant's journal when the receipt was signed. The record that
    /// publishes the release comes after it and names the receipt's digest.
    pub sequence: u64,
    /// Digest of that record.
    pub previous: Sha256Digest,
    /// What was computed and from what.
    pub basis: ReleaseBasis,
    /// Digest of every file of the release, by file name.
    pub outputs: BTreeMap<String, Sha256Digest>,
    /// Digest of the rule verdicts ([`crate::Judgement::findings_digest`]).
    pub findings: Sha256Digest,
    /// Digest of the differencing proof under the platform's secret, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Sha256Digest>,
    /// Number of released tables in the ledger that the release was compared with.
    pub ledger_epoch: u64,
    /// The stewards who approved; empty for an automatic release.
    #[serde(default)]
    pub reviewers: Vec<Identity>,
    /// When it was released.
    pub released_at: DateTime<Utc>,
}

/// What a release was computed from and under which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseBasis {
    /// The permit.
    pub permit: PermitId,
    /// Digest of the permit in force.
    pub permit_digest: Sha256Digest,
    /// The disclosure profile's name.
    pub profile: String,
    /// Digest of the disclosure profile.
    pub policy: Sha256Digest,
    /// Name and version of the engine.
    pub engine: String,
    /// Digest of the analysed plan.
    pub plan: Sha256Digest,
    /// The tables, pinned.
    pub tables: BTreeMap<TableRef, PinnedTable>,
}

/// One table at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PinnedTable {
    /// The Delta version.
    pub version: u64,
    /// Digest of the contract in force.
    pub contract: Sha256Digest,
}

/// A receipt with its signature, as it is stored beside the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// SHA-256 of the public key, to find it; it proves nothing.
    pub key: Sha256Digest,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

/// Why a receipt is not good.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The bytes are not a receipt.
    #[error("this is not a receipt of the format oscar-receipt/1")]
    Format(#[source] Option<serde_json::Error>),
    /// Signed by another key.
    #[error("the receipt was signed with another key; ask the tenant's operator which public key is the right one")]
    OtherKey,
    /// The signature does not fit: the receipt was changed.
    #[error("the signature does not fit: the receipt was changed after it was signed")]
    Signature,
    /// A file is not what was released.
    #[error("{0} is not the file that was released: its digest differs from the receipt's")]
    Content(String),
    /// A file that the receipt names was not given.
    #[error("{0} is named in the receipt and missing")]
    Missing(String),
    /// A file that the receipt does not name.
    #[error("{0} is not named in the receipt")]
    Unknown(String),
    /// No canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl Receipt {
    /// The format every receipt states.
    #[must_use]
    pub fn format() -> String {
        FORMAT.to_owned()
    }

    /// Signs the receipt.
    ///
    /// # Errors
    /// When it does not state its format or has no canonical form.
    pub fn sign(self, key: &SigningKey) -> Result<SignedReceipt, ReceiptError> {
        if self.format != FORMAT {
            return Err(ReceiptError::Format(None));
        }
        let signature = key.sign(&canonical_json(&self)?);
        Ok(SignedReceipt {
            receipt: self,
            key: key_digest(&key.verifying_key()),
            signature: hex::encode(signature.to_bytes()),
        })
    }
}

impl SignedReceipt {
    /// Reads a signed receipt from JSON. Unknown and repeated fields are errors: what the
    /// signature does not cover must not stand in a receipt.
    ///
    /// # Errors
    /// [`ReceiptError::Format`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReceiptError> {
        serde_json::from_slice(bytes).map_err(|error| ReceiptError::Format(Some(error)))
    }

    /// The canonical JSON of receipt and signature.
    ///
    /// # Errors
    /// When there is none.
    pub fn to_json(&self) -> Result<Vec<u8>, ReceiptError> {
        Ok(canonical_json(self)?)
    }

    /// Checks the signature alone.
    ///
    /// # Errors
    /// See [`ReceiptError`].
    pub fn verify_signature(&self, key: &VerifyingKey) -> Result<&Receipt, ReceiptError> {
        if self.receipt.format != FORMAT {
            return Err(ReceiptError::Format(None));
        }
        if self.key != key_digest(key) {
            return Err(ReceiptError::OtherKey);
        }
        let mut bytes = [0u8; 64];
        hex::decode_to_slice(&self.signature, &mut bytes).map_err(|_| ReceiptError::Signature)?;
        key.verify_strict(&canonical_json(&self.receipt)?, &Signature::from_bytes(&bytes))
            .map_err(|_| ReceiptError::Signature)?;
        Ok(&self.receipt)
    }

    /// Checks the signature and every file of the release: all that the receipt names, and
    /// none besides.
    ///
    /// # Errors
    /// See [`ReceiptError`].
    pub fn verify_offline(
        &self,
        key: &VerifyingKey,
        contents: &BTreeMap<String, Vec<u8>>,
    ) -> Result<&Receipt, ReceiptError> {
        let receipt = self.verify_signature(key)?;
        if let Some(name) = receipt.outputs.keys().find(|name| !contents.contains_key(*name)) {
            return Err(ReceiptError::Missing(name.clone()));
        }
        for (name, bytes) in contents {
            match receipt.outputs.get(name) {
                None => return Err(ReceiptError::Unknown(name.clone())),
                Some(digest) if *digest != Sha256Digest::of(bytes) => return Err(ReceiptError::Content(name.clone())),
                Some(_) => {}
            }
        }
        Ok(receipt)
    }
}

fn key_digest(key: &VerifyingKey) -> Sha256Digest {
    Sha256Digest::of(key.as_bytes())
}
