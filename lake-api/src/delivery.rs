//! Intake on one machine: a package into the lake of a data directory.
//!
//! The command line, `lake-api intake` and the demo all come here, so that a delivery is
//! the same whoever starts it. What differs in a cluster (keys from Secrets, a bucket
//! instead of a folder) is decided by the caller of [`oscar_intake::Intake`] there.

use std::path::Path;
use std::sync::Arc;

use oscar_intake::{DeliveryReport, Intake, IntakeError, Progress};
use oscar_journal::{Journal, JournalError, JournalKey, JournalOptions};
use oscar_lake::{KeyError, KeyProvider as _, KeyPurpose, KeysConfig, Lake, Storage, StorageConfig, StorageError};
use oscar_permit::DataPermit;

/// Why a delivery did not come in.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The data directory's folders cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The signing key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Intake refused the delivery or failed.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// Where a delivery goes and which keys it meets on the way.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The tenant's bytes.
    pub tenant: StorageConfig,
    /// The index of persons. It is the spoke's, not the tenant's, so it lies outside the tenant's bucket.
    pub person_index: StorageConfig,
    /// The keys.
    pub keys: KeysConfig,
}

impl Destination {
    /// The data directory of one machine: `tenant/`, `person-index/`, `keys/`.
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            tenant: StorageConfig::Local { root: data_dir.join("tenant") },
            person_index: StorageConfig::Local { root: data_dir.join("person-index") },
            keys: KeysConfig::Directory { path: data_dir.join("keys") },
        }
    }
}

/// Delivers the package at `package` (a descriptor or its folder) to `destination`.
///
/// # Errors
/// See [`DeliveryError`]. Whatever the error, nothing of the delivery is visible.
pub async fn deliver(
    destination: &Destination,
    package: &Path,
    files_dir: Option<&Path>,
    permit: &DataPermit,
    progress: &dyn Progress,
) -> Result<DeliveryReport, DeliveryError> {
    let Destination { tenant, person_index, keys } = destination;
    let local_folder = match tenant {
        StorageConfig::Local { root } => Some(root.clone()),
        StorageConfig::S3 { .. } => None,
    };
    let tenant = Storage::open(tenant)?;
    let person_index = Storage::open(person_index)?;
    let keys = keys.open();
    let seed = *keys.key(KeyPurpose::Journal)?.expose();
    let options = JournalOptions { local_folder, ..JournalOptions::default() };
    let journal = Journal::open_with(tenant.store(), Arc::new(JournalKey::from_seed(&seed)), options).await?;
    let intake = Intake::new(Lake::new(tenant), journal.clone(), Arc::new(keys), person_index.store());
    let report = intake.deliver(package, files_dir, permit, progress).await;
    if let Err(error) = journal.shutdown().await {
        // What happened to the delivery is in the journal; only the next start takes longer.
        tracing::warn!(%error, "no checkpoint written");
    }
    Ok(report?)
}
