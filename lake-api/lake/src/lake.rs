//! The lake of one tenant.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use oscar_permit::{DatasetContract, DatasetName, Sha256Digest, TableRef};

use crate::commit::{base_files, delivered_version};
use crate::scan::PinnedTable;
use crate::snapshot::TableSnapshot;
use crate::table_location::TableLocation;
use crate::{ContractStoreError, DataFile, Storage, TableError, TableWriter, WriteMode, contracts};

/// The lake of one tenant. Cheap to clone; holds no state beside its storage.
#[derive(Debug, Clone)]
pub struct Lake {
    storage: Storage,
}

impl Lake {
    /// The lake in `storage`.
    #[must_use]
    pub const fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Where the lake is.
    #[must_use]
    pub const fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Stores a contract under the digest of its canonical JSON; storing it again changes nothing.
    ///
    /// # Errors
    /// When the contract is not valid or the store fails.
    pub async fn put_contract(&self, contract: &DatasetContract) -> Result<Sha256Digest, ContractStoreError> {
        contracts::put(&self.storage.store(), contract).await
    }

    /// The contract of that digest, proven to be the one that was stored.
    ///
    /// # Errors
    /// When it is missing or changed, or the store fails.
    pub async fn contract(
        &self,
        dataset: &DatasetName,
        digest: &Sha256Digest,
    ) -> Result<DatasetContract, ContractStoreError> {
        contracts::get(&self.storage.store(), dataset, digest).await
    }

    /// One version of a table for DataFusion, with every physical column: also the hidden
    /// person index, so a door must put its own column list in front. The types are those of
    /// [`crate::scan_type`].
    ///
    /// # Errors
    /// When the version is not there, was not written by us, or the store fails.
    pub async fn provider(&self, table: &TableRef, version: u64) -> Result<Arc<dyn TableProvider>, TableError> {
        let location = TableLocation::new(&self.storage, table);
        let snapshot = TableSnapshot::at(&location, version).await?;
        Ok(Arc::new(PinnedTable::new(&location, &snapshot)?))
    }

    /// The files of one version of a table, in the order of their names.
    ///
    /// # Errors
    /// As [`Lake::provider`].
    pub async fn data_files(&self, table: &TableRef, version: u64) -> Result<Vec<DataFile>, TableError> {
        let location = TableLocation::new(&self.storage, table);
        TableSnapshot::at(&location, version).await?.files(&location)
    }

    /// The newest version in a table's log, accepted or not; `None` when the table has none.
    /// What users may see is pinned by the journal, never this.
    ///
    /// # Errors
    /// When the log was not written by us or the store fails.
    pub async fn latest_version(&self, table: &TableRef) -> Result<Option<u64>, TableError> {
        let location = TableLocation::new(&self.storage, table);
        Ok(TableSnapshot::latest(&location).await?.map(|snapshot| snapshot.version))
    }

    /// Starts to write a table. `schema` is [`crate::arrow_schema`] of the contract (or any flat
    /// schema for a table of the platform's own); `base_version` is the version that the
    /// journal's last accepted delivery pins, `None` before the first.
    ///
    /// Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When the base version is not there or, for [`WriteMode::Append`], has other columns:
    /// better now than after hours of writing.
    pub async fn table_writer(
        &self,
        table: &TableRef,
        schema: SchemaRef,
        mode: WriteMode,
        base_version: Option<u64>,
    ) -> Result<TableWriter, TableError> {
        let location = TableLocation::new(&self.storage, table);
        base_files(&location, &schema, mode, base_version).await?;
        TableWriter::start(location, schema, mode, base_version)
    }

    /// The version that this delivery committed earlier with the same mode and, when appending,
    /// on the same base: a delivery that was killed between commit and acceptance continues there.
    ///
    /// # Errors
    /// When the log was not written by us or the store fails.
    pub async fn version_of_delivery(
        &self,
        table: &TableRef,
        delivery: &Sha256Digest,
        mode: WriteMode,
        base_version: Option<u64>,
    ) -> Result<Option<u64>, TableError> {
        delivered_version(&TableLocation::new(&self.storage, table), delivery, mode, base_version).await
    }
}
