//! Intake on one machine: a package into the lake of a data directory.
//!
//! The command line, `lake-api intake` and the demo all come here, so that a delivery is
//! the same whoever starts it. What differs in a cluster (keys from Secrets, a bucket
//! instead of a folder) is decided by the caller of [`oscar_intake::Intake`] there.

use std::path::Path;
use std::sync::Arc;

use oscar_intake::{DeliveryReport, FileKeys, Intake, IntakeError, Progress};
use oscar_journal::{Journal, JournalError, JournalKey, JournalOptions};
use oscar_lake::{Lake, Storage, StorageConfig, StorageError};
use oscar_permit::DataPermit;

use crate::keys::{KeyDirectory, KeyError};

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

/// Delivers the package at `package` (a descriptor or its folder) into `data_dir`.
///
/// # Errors
/// See [`DeliveryError`]. Whatever the error, nothing of the delivery is visible.
pub async fn deliver(
    data_dir: &Path,
    package: &Path,
    files_dir: Option<&Path>,
    permit: &DataPermit,
    progress: &dyn Progress,
) -> Result<DeliveryReport, DeliveryError> {
    let root = data_dir.join("tenant");
    let tenant = Storage::open(&StorageConfig::Local { root: root.clone() })?;
    // The index is the spoke's, not the tenant's: it lies outside the tenant's bucket.
    let person_index = Storage::open(&StorageConfig::Local { root: data_dir.join("person-index") })?;
    let keys = data_dir.join("keys");
    let seed = KeyDirectory::new(&keys).journal_seed()?;
    let options = JournalOptions { local_folder: Some(root), ..JournalOptions::default() };
    let journal = Journal::open_with(tenant.store(), Arc::new(JournalKey::from_seed(&seed)), options).await?;
    let intake = Intake::new(Lake::new(tenant), journal.clone(), Arc::new(FileKeys::open(&keys)), person_index.store());
    let report = intake.deliver(package, files_dir, permit, progress).await;
    journal.shutdown().await?;
    Ok(report?)
}
