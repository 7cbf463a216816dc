//! Objects of the release service: written once, read back and compared.
//!
//! | path | holds | form |
//! |---|---|---|
//! | `ledger/<digest>` | the person sets of one release | sealed; named after the sealed bytes |
//! | `release/<id>/vetting-<digest>` | everything vetting found | sealed; named after the plain bytes |
//! | `release/<id>/<content>/result.<format>` | what was released | plain |
//! | `release/<id>/<content>/receipt-<digest>.json` | a signed receipt; the journal says which one counts | plain |
//!
//! Every write is put-if-absent, so a second run after a crash finds what the first one
//! wrote and goes on from there; it never replaces anything.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use oscar_permit::{ReleaseId, Sha256Digest};
use oscar_vetting::LedgerTable;

use crate::api::release::ContentFormat;
use crate::seal::{SealError, SealKey};

/// Why an object cannot be kept or had. Names paths, never content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The store failed.
    #[error("the store failed at {path}")]
    Store {
        path: Path,
        #[source]
        source: object_store::Error,
    },
    /// Sealing or opening failed.
    #[error("{path}: {source}")]
    Seal {
        path: Path,
        #[source]
        source: SealError,
    },
    /// The bytes are not those that the journal names.
    #[error("{0} does not have the digest that the journal names; restore it from a backup")]
    Digest(Path),
    /// The bytes are not what they should hold.
    #[error("{0} cannot be understood by this version")]
    Form(Path),
}

/// Access to the objects.
#[derive(Debug, Clone)]
pub(crate) struct Vault {
    store: Arc<dyn ObjectStore>,
    key: Arc<SealKey>,
}

const LEDGER_PLACE: &str = "ledger";

impl Vault {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, key: SealKey) -> Self {
        Self { store, key: Arc::new(key) }
    }

    /// Keeps person sets and returns the name under which they are found.
    pub(crate) async fn put_ledger(&self, table: &LedgerTable) -> Result<Sha256Digest, VaultError> {
        let place = Path::from(LEDGER_PLACE);
        let plain = serde_json::to_vec(table).map_err(|_| VaultError::Form(place.clone()))?;
        let sealed = self.key.seal(LEDGER_PLACE, &plain).map_err(|source| VaultError::Seal { path: place, source })?;
        let digest = Sha256Digest::of(&sealed);
        self.create(&ledger_path(&digest), sealed).await?;
        Ok(digest)
    }

    /// The person sets that [`Vault::put_ledger`] named `digest`.
    pub(crate) async fn ledger(&self, digest: &Sha256Digest) -> Result<LedgerTable, VaultError> {
        let path = ledger_path(digest);
        let sealed = self.get(&path).await?;
        if Sha256Digest::of(&sealed) != *digest {
            return Err(VaultError::Digest(path));
        }
        let plain =
            self.key.open(LEDGER_PLACE, &sealed).map_err(|source| VaultError::Seal { path: path.clone(), source })?;
        serde_json::from_slice(&plain).map_err(|_| VaultError::Form(path))
    }

    /// Keeps what vetting found about a release; returns the digest of the plain bytes.
    pub(crate) async fn put_findings(&self, release: &ReleaseId, plain: &[u8]) -> Result<Sha256Digest, VaultError> {
        let digest = Sha256Digest::of(plain);
        let path = findings_path(release, &digest);
        let sealed =
            self.key.seal(path.as_ref(), plain).map_err(|source| VaultError::Seal { path: path.clone(), source })?;
        self.create(&path, sealed).await?;
        Ok(digest)
    }

    /// What vetting found about a release.
    pub(crate) async fn findings(&self, release: &ReleaseId, digest: &Sha256Digest) -> Result<Vec<u8>, VaultError> {
        let path = findings_path(release, digest);
        let sealed = self.get(&path).await?;
        let plain =
            self.key.open(path.as_ref(), &sealed).map_err(|source| VaultError::Seal { path: path.clone(), source })?;
        if Sha256Digest::of(&plain) == *digest { Ok(plain) } else { Err(VaultError::Digest(path)) }
    }

    /// Writes a released file; the same bytes may be there already, others may not.
    pub(crate) async fn put_output(
        &self,
        release: &ReleaseId,
        content: &Sha256Digest,
        format: ContentFormat,
        bytes: Vec<u8>,
    ) -> Result<(), VaultError> {
        let path = output_path(release, content, format);
        let digest = Sha256Digest::of(&bytes);
        if self.create(&path, bytes).await? || Sha256Digest::of(self.get(&path).await?) == digest {
            Ok(())
        } else {
            Err(VaultError::Digest(path))
        }
    }

    /// A released file, checked against the digest that the journal names.
    pub(crate) async fn output(
        &self,
        release: &ReleaseId,
        content: &Sha256Digest,
        format: ContentFormat,
        digest: &Sha256Digest,
    ) -> Result<Vec<u8>, VaultError> {
        self.checked(output_path(release, content, format), digest).await
    }

    /// Writes a receipt and returns the digest that it is found by.
    pub(crate) async fn put_receipt(
        &self,
        release: &ReleaseId,
        content: &Sha256Digest,
        bytes: Vec<u8>,
    ) -> Result<Sha256Digest, VaultError> {
        let digest = Sha256Digest::of(&bytes);
        self.create(&receipt_path(release, content, &digest), bytes).await?;
        Ok(digest)
    }

    /// The receipt that the journal names.
    pub(crate) async fn receipt(
        &self,
        release: &ReleaseId,
        content: &Sha256Digest,
        digest: &Sha256Digest,
    ) -> Result<Vec<u8>, VaultError> {
        match self.checked(receipt_path(release, content, digest), digest).await {
            // Receipts did not always have their digest in the name.
            Err(VaultError::Store { source: object_store::Error::NotFound { .. }, .. }) => {
                self.checked(Path::from(format!("release/{release}/{content}/receipt.json")), digest).await
            }
            found => found,
        }
    }

    async fn checked(&self, path: Path, digest: &Sha256Digest) -> Result<Vec<u8>, VaultError> {
        let bytes = self.get(&path).await?;
        if Sha256Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(VaultError::Digest(path)) }
    }

    /// Creates the object; `false` when there is one already.
    async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<bool, VaultError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(path, PutPayload::from(bytes), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(VaultError::Store { path: path.clone(), source }),
        }
    }

    async fn get(&self, path: &Path) -> Result<Vec<u8>, VaultError> {
        let failed = |source| VaultError::Store { path: path.clone(), source };
        let found = self.store.get(path).await.map_err(failed)?;
        Ok(found.bytes().await.map_err(failed)?.to_vec())
    }
}

fn ledger_path(digest: &Sha256Digest) -> Path {
    Path::from(format!("ledger/{digest}"))
}

fn findings_path(release: &ReleaseId, digest: &Sha256Digest) -> Path {
    Path::from(format!("release/{release}/vetting-{digest}"))
}

fn output_path(release: &ReleaseId, content: &Sha256Digest, format: ContentFormat) -> Path {
    Path::from(format!("release/{release}/{content}/result.{}", format.extension()))
}

fn receipt_path(release: &ReleaseId, content: &Sha256Digest, digest: &Sha256Digest) -> Path {
    Path::from(format!("release/{release}/{content}/receipt-{digest}.json"))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_receipt_that_nobody_published_stands_in_no_other_receipts_way() {
        let store = Arc::new(InMemory::new());
        let vault = Vault::new(store.clone(), SealKey::new(&[7; 32]).unwrap());
        let (release, content) = (ReleaseId::new("rel-1").unwrap(), Sha256Digest::of("content"));
        let mut names = Vec::new();
        for receipt in ["of one build", "of another build", "of one build"] {
            names.push(vault.put_receipt(&release, &content, receipt.into()).await.unwrap());
        }
        assert!(names[0] == names[2] && names[0] != names[1]);
        assert_eq!(vault.receipt(&release, &content, &names[1]).await.unwrap(), b"of another build");

        // One from before receipts had their digest in the name.
        let path = Path::from(format!("release/{release}/{content}/receipt.json"));
        store.put(&path, "an early one".into()).await.unwrap();
        let digest = Sha256Digest::of("an early one");
        assert_eq!(vault.receipt(&release, &content, &digest).await.unwrap(), b"an early one");
        let other = vault.receipt(&release, &content, &Sha256Digest::of("never written")).await;
        assert!(matches!(other, Err(VaultError::Digest(_))), "{other:?}");
    }
}
