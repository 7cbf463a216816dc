//! What one version of a table consists of.
//!
//! Only the simplest Delta tables are ours: no partitions, no deletion vectors, no column
//! mapping, files beside the log. Anything else was not written by this crate and is refused
//! instead of being read in part.

use arrow::datatypes::SchemaRef;
use deltalake::DeltaTableError;
use deltalake::kernel::Add;
use deltalake::table::state::DeltaTableState;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use oscar_permit::TableRef;

use crate::table_location::TableLocation;

/// Why a table cannot be read or written. Never holds a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The version is not there.
    #[error("table {table} has no version {version}; deliver the dataset again")]
    NoVersion {
        /// The table.
        table: TableRef,
        /// The version that was asked for.
        version: u64,
    },
    /// The table uses something that this crate never writes.
    #[error("table {table} was changed by another program: {what}; restore it or deliver the dataset again")]
    Foreign {
        /// The table.
        table: TableRef,
        /// What is unexpected.
        what: &'static str,
    },
    /// A batch, or the version to append to, has other columns than the table.
    #[error("table {table}: the columns differ from those of {of}; deliver the dataset in full")]
    Columns {
        /// The table.
        table: TableRef,
        /// What they were compared with.
        of: &'static str,
    },
    /// A column has a type that Delta cannot hold.
    #[error("table {0}: a column has a type that the lake cannot hold")]
    Type(TableRef),
    /// Other writers won every race for the next version.
    #[error("table {0}: other deliveries commit all the time; run the delivery again")]
    Busy(TableRef),
    /// The object store does not answer or is full.
    #[error("the object store failed: {0}; nothing has become visible, run the delivery again when the store is back")]
    Store(#[from] object_store::Error),
    /// The Delta log cannot be read or written.
    #[error("the log of a table failed: {0}; nothing has become visible")]
    Log(#[from] DeltaTableError),
    /// A data file cannot be written.
    #[error(
        "a data file could not be written: {0}; nothing has become visible, run the delivery again when the store is back"
    )]
    File(#[from] parquet::errors::ParquetError),
    /// An action of the log has no JSON form.
    #[error("an entry of a table's log has no JSON form")]
    Entry(#[from] serde_json::Error),
    /// A table's address is not an address.
    #[error("a table's address is not an address")]
    Address(#[from] url::ParseError),
    /// The writing task was stopped from outside.
    #[error("writing was interrupted; nothing has become visible, run the delivery again")]
    Interrupted,
}

/// One data file of a table's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Where it is, below the tenant's prefix.
    pub path: Path,
    /// Its bytes.
    pub size: u64,
    /// Its rows, as its writer counted them.
    pub rows: u64,
}

/// One version of a table.
#[derive(Debug)]
pub(crate) struct TableSnapshot {
    /// The number of the version.
    pub(crate) version: u64,
    /// The Delta library's view of it.
    pub(crate) state: DeltaTableState,
    /// Its files as they stand in the log.
    pub(crate) adds: Vec<Add>,
}

impl TableSnapshot {
    /// The newest version, when the table has any.
    pub(crate) async fn latest(location: &TableLocation) -> Result<Option<Self>, TableError> {
        match DeltaTableState::try_new(&location.log_store()?, None).await {
            Ok(state) => Ok(Some(Self::checked(location, state)?)),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// One version.
    pub(crate) async fn at(location: &TableLocation, version: u64) -> Result<Self, TableError> {
        let log_store = location.log_store()?;
        let entry = deltalake::logstore::commit_uri_from_version(Some(version));
        match log_store.object_store(None).head(&entry).await {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(TableError::NoVersion { table: location.table().clone(), version });
            }
            answer => answer?,
        };
        Self::checked(location, DeltaTableState::try_new(&log_store, Some(version)).await?)
    }

    fn checked(location: &TableLocation, state: DeltaTableState) -> Result<Self, TableError> {
        let foreign = |what| Err(TableError::Foreign { table: location.table().clone(), what });
        if state.protocol().min_reader_version() != 1 {
            return foreign("it needs a newer Delta reader");
        }
        if !state.metadata().partition_columns().is_empty() {
            return foreign("it is partitioned");
        }
        #[expect(deprecated, reason = "the log's own form of a file is what a commit must repeat")]
        let adds: Vec<Add> = state.log_data().iter().map(|file| file.add_action()).collect();
        if adds.iter().any(|add| add.deletion_vector.is_some()) {
            return foreign("it has deletion vectors");
        }
        if adds.iter().any(|add| !is_file_name(&add.path)) {
            return foreign("it names a file outside its folder");
        }
        Ok(Self { version: state.version(), state, adds })
    }

    /// The columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.state.snapshot().arrow_schema()
    }

    /// The files, in the order of their names.
    pub(crate) fn files(&self, location: &TableLocation) -> Result<Vec<DataFile>, TableError> {
        let foreign = || TableError::Foreign { table: location.table().clone(), what: "a file has no row count" };
        let mut files = Vec::with_capacity(self.adds.len());
        for add in &self.adds {
            files.push(DataFile {
                path: location.folder().join(add.path.as_str()),
                size: u64::try_from(add.size).map_err(|_| foreign())?,
                rows: row_count(add).ok_or_else(foreign)?,
            });
        }
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

/// A plain name: no folder, no address, nothing that would have to be decoded.
fn is_file_name(path: &str) -> bool {
    !path.is_empty()
        && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        && !path.starts_with('.')
}

fn row_count(add: &Add) -> Option<u64> {
    let stats: serde_json::Value = serde_json::from_str(add.stats.as_deref()?).ok()?;
    stats.get("numRecords")?.as_u64()
}
