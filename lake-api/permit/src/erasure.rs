//! The certificate that a tenant's data was erased: a signed statement, verifiable offline.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::signature::{SignatureError, key_digest, sign_statement, verify_statement};
use crate::{CanonicalError, Sha256Digest, TenantName};

/// The format, which the certificate states itself.
const FORMAT: &str = "oscar-erasure/1";

/// What was erased, and how it was made sure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Erasure {
    /// Always `oscar-erasure/1`.
    pub format: String,
    /// The tenant.
    pub tenant: TenantName,
    /// The unique id of its object: another tenant of the same name has another.
    pub uid: String,
    /// The company's registered number.
    pub cvr: String,
    /// The bucket that was emptied and removed.
    pub bucket: String,
    /// Versions of objects that the last run removed; runs before it may have removed more.
    pub objects_removed: u64,
    /// The namespaces that are gone.
    pub namespaces: BTreeSet<String>,
    /// Whether the tenant's keys were destroyed: what they sealed is unreadable wherever copies are.
    pub keys_destroyed: bool,
    /// When everything was looked for and nothing was found.
    pub erased_at: DateTime<Utc>,
}

/// An erasure with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasureCertificate {
    /// What was erased.
    pub erasure: Erasure,
    /// SHA-256 of the public key, to find it; it proves nothing.
    pub key: Sha256Digest,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

/// Why a certificate is not good.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The bytes are no certificate.
    #[error("this is not a certificate of the format oscar-erasure/1")]
    Format(#[source] Option<serde_json::Error>),
    /// The signature is not good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Erasure {
    /// The format every certificate states.
    #[must_use]
    pub fn format() -> String {
        FORMAT.to_owned()
    }

    /// Signs the statement.
    ///
    /// # Errors
    /// When it has no canonical form.
    pub fn certify(self, key: &SigningKey) -> Result<ErasureCertificate, CanonicalError> {
        let signature = sign_statement(&self, key)?;
        Ok(ErasureCertificate { erasure: self, key: key_digest(&key.verifying_key()), signature })
    }
}

impl ErasureCertificate {
    /// Reads a certificate from JSON. Unknown fields are errors: what the signature does not
    /// cover must not stand in it.
    ///
    /// # Errors
    /// [`ErasureError::Format`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ErasureError> {
        serde_json::from_slice(bytes).map_err(|error| ErasureError::Format(Some(error)))
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// See [`ErasureError`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<&Erasure, ErasureError> {
        if self.erasure.format != FORMAT {
            return Err(ErasureError::Format(None));
        }
        verify_statement(&self.erasure, key, &self.key, &self.signature)?;
        Ok(&self.erasure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> (ErasureCertificate, VerifyingKey) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let erasure = Erasure {
            format: Erasure::format(),
            tenant: TenantName::new("acme").unwrap(),
            uid: "5b1f0c2e".to_owned(),
            cvr: "12345678".to_owned(),
            bucket: "oscar-acme-5b1f0c2e".to_owned(),
            objects_removed: 7,
            namespaces: BTreeSet::from(["oscar-acme".to_owned()]),
            keys_destroyed: true,
            erased_at: DateTime::UNIX_EPOCH,
        };
        (erasure.certify(&key).unwrap(), key.verifying_key())
    }

    #[test]
    fn a_certificate_verifies_until_something_in_it_is_changed() {
        let (certificate, key) = certificate();
        let read = ErasureCertificate::from_json(&serde_json::to_vec(&certificate).unwrap()).unwrap();
        assert_eq!(read.verify(&key).unwrap().tenant.as_str(), "acme");
        let mut changed = read.clone();
        changed.erasure.objects_removed += 1;
        assert!(matches!(changed.verify(&key), Err(ErasureError::Signature(SignatureError::Changed))));
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert!(matches!(read.verify(&other), Err(ErasureError::Signature(SignatureError::OtherKey))));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(matches!(ErasureCertificate::from_json(b"{}"), Err(ErasureError::Format(_))));
        let (mut certificate, key) = certificate();
        certificate.erasure.format = "oscar-receipt/1".to_owned();
        assert!(matches!(certificate.verify(&key), Err(ErasureError::Format(None))));
    }
}
