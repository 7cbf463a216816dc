//! From staged files to a Delta version.
//!
//! A commit is one JSON object, created with put-if-absent, so it exists as a whole or not at
//! all. What it must say depends on the newest version (which may hold leftovers of deliveries
//! that were killed before they were accepted) and on the base (the last accepted version):
//!
//! ```text
//!   wanted  = staged files            (+ the base's files, when appending)
//!   remove  = active in the newest version − wanted
//!   add     = wanted − active in the newest version
//! ```
//!
//! When another writer takes the number first, everything is decided again on its version.
//! A `txn` entry names the delivery, so that a delivery that was killed after its commit finds
//! it again ([`delivered_version`]) instead of committing twice.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::Utc;
use deltalake::DeltaTableError;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{
    Action, Add, CommitInfo, MetadataExt, Protocol, Remove, StructType, Transaction, new_metadata,
};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use oscar_permit::Sha256Digest;
use uuid::Uuid;

use crate::parquet_file::StagedFile;
use crate::snapshot::TableSnapshot;
use crate::table_location::TableLocation;
use crate::{TableError, WriteMode};

/// Races that a commit may lose before it gives up.
const ATTEMPTS: u32 = 60;
/// Every so many versions the log is condensed, so that opening a table stays quick.
const CHECKPOINT_EVERY: u64 = 20;

/// What is to become a version.
pub(crate) struct Commit<'a> {
    pub(crate) schema: &'a SchemaRef,
    pub(crate) mode: WriteMode,
    pub(crate) base_version: Option<u64>,
    pub(crate) files: &'a [StagedFile],
    pub(crate) delivery: &'a Sha256Digest,
}

/// Commits and returns the new version.
pub(crate) async fn commit(location: &TableLocation, wanted: &Commit<'_>) -> Result<u64, TableError> {
    let log_store = location.log_store()?;
    let base = base_files(location, wanted.schema, wanted.mode, wanted.base_version).await?;
    for _ in 0..ATTEMPTS {
        let latest = TableSnapshot::latest(location).await?;
        let version = latest.as_ref().map_or(0, |snapshot| snapshot.version + 1);
        let entry = serialise(&actions(location, wanted, &base, latest.as_ref(), version)?)?;
        match create_entry(&log_store, version, entry).await? {
            Entry::Ours => {
                condense(&log_store, version).await;
                return Ok(version);
            }
            Entry::Others => tokio::time::sleep(pause()).await,
        }
    }
    Err(TableError::Busy(location.table().clone()))
}

/// The version that this delivery has committed on this base, if any.
pub(crate) async fn delivered_version(
    location: &TableLocation,
    delivery: &Sha256Digest,
    mode: WriteMode,
    base_version: Option<u64>,
) -> Result<Option<u64>, TableError> {
    let Some(latest) = TableSnapshot::latest(location).await? else { return Ok(None) };
    let name = transaction_name(delivery, mode, base_version);
    let version = latest.state.transaction_version(location.log_store()?.as_ref(), name).await?;
    Ok(version.and_then(|version| u64::try_from(version).ok()))
}

/// What an append builds on is part of its name: a version that was appended to an older base
/// lacks what has been accepted since and must not be found again.
fn transaction_name(delivery: &Sha256Digest, mode: WriteMode, base_version: Option<u64>) -> String {
    match (mode, base_version) {
        (WriteMode::Replace, _) => format!("oscar-delivery:{delivery}:replace"),
        (WriteMode::Append, None) => format!("oscar-delivery:{delivery}:append:new"),
        (WriteMode::Append, Some(base)) => format!("oscar-delivery:{delivery}:append:{base}"),
    }
}

/// The files of the base that stay: those of an append, whose base must have the same columns.
pub(crate) async fn base_files(
    location: &TableLocation,
    schema: &SchemaRef,
    mode: WriteMode,
    base_version: Option<u64>,
) -> Result<Vec<Add>, TableError> {
    let Some(version) = base_version else { return Ok(Vec::new()) };
    let base = TableSnapshot::at(location, version).await?;
    match mode {
        WriteMode::Replace => Ok(Vec::new()),
        WriteMode::Append if same_columns(&base.schema(), schema) => Ok(base.adds),
        WriteMode::Append => {
            Err(TableError::Columns { table: location.table().clone(), of: "the version to append to" })
        }
    }
}

fn same_columns(a: &SchemaRef, b: &SchemaRef) -> bool {
    a.fields().len() == b.fields().len()
        && a.fields()
            .iter()
            .zip(b.fields())
            .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type() && a.is_nullable() == b.is_nullable())
}

fn actions(
    location: &TableLocation,
    wanted: &Commit<'_>,
    base: &[Add],
    latest: Option<&TableSnapshot>,
    version: u64,
) -> Result<Vec<Action>, TableError> {
    let active: &[Add] = latest.map_or(&[], |snapshot| &snapshot.adds);
    let active_names: BTreeSet<&str> = active.iter().map(|add| add.path.as_str()).collect();
    let now = Utc::now().timestamp_millis();
    let wanted_files: Vec<Add> = base.iter().cloned().chain(wanted.files.iter().map(|file| file.as_add(now))).collect();
    let wanted_names: BTreeSet<&str> = wanted_files.iter().map(|add| add.path.as_str()).collect();

    let mut actions = vec![commit_info(wanted, latest, now)];
    match latest {
        None => {
            actions.push(Action::Protocol(protocol()?));
            actions.push(new_table(location, wanted.schema)?);
        }
        Some(snapshot) if !same_columns(&snapshot.schema(), wanted.schema) => {
            let schema = delta_schema(location, wanted.schema)?;
            actions.push(Action::Metadata(
                snapshot.state.metadata().clone().with_schema(&schema).map_err(DeltaTableError::from)?,
            ));
        }
        Some(_) => {}
    }
    actions.extend(active.iter().filter(|add| !wanted_names.contains(add.path.as_str())).map(|add| removal(add, now)));
    actions
        .extend(wanted_files.iter().filter(|add| !active_names.contains(add.path.as_str())).cloned().map(Action::Add));
    let name = transaction_name(wanted.delivery, wanted.mode, wanted.base_version);
    actions.push(Action::Txn(Transaction::new(name, i64::try_from(version).unwrap_or(i64::MAX))));
    Ok(actions)
}

fn commit_info(wanted: &Commit<'_>, latest: Option<&TableSnapshot>, now: i64) -> Action {
    let mode = match wanted.mode {
        WriteMode::Replace => "Overwrite",
        WriteMode::Append => "Append",
    };
    Action::CommitInfo(CommitInfo {
        timestamp: Some(now),
        operation: Some("WRITE".to_owned()),
        operation_parameters: Some([("mode".to_owned(), mode.into())].into()),
        read_version: latest.map(|snapshot| snapshot.version),
        is_blind_append: Some(false),
        engine_info: Some(concat!("oscar-lake ", env!("CARGO_PKG_VERSION")).to_owned()),
        // Unique, so that a writer whose answer was lost recognises its own entry.
        info: [("operationId".to_owned(), Uuid::new_v4().to_string().into())].into(),
        ..CommitInfo::default()
    })
}

fn protocol() -> Result<Protocol, TableError> {
    Ok(serde_json::from_value(serde_json::json!({ "minReaderVersion": 1, "minWriterVersion": 2 }))?)
}

fn new_table(location: &TableLocation, schema: &SchemaRef) -> Result<Action, TableError> {
    // Pinned versions must stay readable for ever, whatever other tool opens the table.
    let keep = [("delta.enableExpiredLogCleanup", "false")];
    let metadata =
        new_metadata(&delta_schema(location, schema)?, Vec::<String>::new(), keep).map_err(DeltaTableError::from)?;
    Ok(Action::Metadata(metadata))
}

fn delta_schema(location: &TableLocation, schema: &SchemaRef) -> Result<StructType, TableError> {
    schema.as_ref().try_into_kernel().map_err(|_| TableError::Type(location.table().clone()))
}

fn removal(add: &Add, now: i64) -> Action {
    Action::Remove(Remove {
        path: add.path.clone(),
        data_change: true,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(add.partition_values.clone()),
        size: Some(add.size),
        ..Remove::default()
    })
}

impl StagedFile {
    fn as_add(&self, now: i64) -> Add {
        let Self { name, size, rows } = self;
        Add {
            path: name.clone(),
            size: i64::try_from(*size).unwrap_or(i64::MAX),
            modification_time: now,
            data_change: true,
            // Row counts and no more: the log holds no value of any column.
            stats: Some(serde_json::json!({ "numRecords": rows }).to_string()),
            ..Add::default()
        }
    }
}

fn serialise(actions: &[Action]) -> Result<Bytes, TableError> {
    let lines = actions.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.join("\n").into())
}

/// Whose the entry of a version is.
enum Entry {
    Ours,
    Others,
}

async fn create_entry(log_store: &LogStoreRef, version: u64, entry: Bytes) -> Result<Entry, TableError> {
    let attempt = log_store.write_commit_entry(version, CommitOrBytes::LogBytes(entry.clone()), Uuid::new_v4()).await;
    let Err(error) = attempt else { return Ok(Entry::Ours) };
    // The answer may have been lost on the way, also when a retry inside the client then meets
    // our own object: what is in the log decides.
    match log_store.read_commit_entry(version).await {
        Ok(Some(found)) if found == entry => Ok(Entry::Ours),
        Ok(Some(_)) => Ok(Entry::Others),
        Ok(None) | Err(_) => Err(match error {
            TransactionError::ObjectStore { source } => TableError::Store(source),
            other => TableError::Log(DeltaTableError::from(other)),
        }),
    }
}

/// Writes a checkpoint now and then. It only saves time, so its failure is only logged.
async fn condense(log_store: &LogStoreRef, version: u64) {
    if version == 0 || !version.is_multiple_of(CHECKPOINT_EVERY) {
        return;
    }
    let mut table = deltalake::DeltaTable::new(log_store.clone());
    let outcome = match table.load_version(version).await {
        Ok(()) => deltalake::checkpoints::create_checkpoint(&table, None).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        tracing::warn!(%error, version, "the log of a table could not be condensed");
    }
}

/// A short pause of random length, so that racing writers do not meet again.
fn pause() -> Duration {
    let [byte, ..] = Uuid::new_v4().into_bytes();
    Duration::from_millis(u64::from(byte) / 4)
}
