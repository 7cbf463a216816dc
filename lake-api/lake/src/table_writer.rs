//! Writing a table: stage files first, make them a version afterwards.
//!
//! Files are written beside the caller, a few row groups behind at most, so that reading and checking
//! the next rows overlaps with compressing the last ones and memory stays bounded.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use oscar_permit::{Sha256Digest, TableRef};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::TableError;
use crate::commit::{Commit, commit};
use crate::parquet_file::{FileSeries, StagedFile};
use crate::table_location::TableLocation;

/// Batches that wait for the encoder.
const AHEAD: usize = 2;

/// What a commit keeps of the version it builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Nothing: the new version consists of exactly the new rows.
    Replace,
    /// Everything: the new version is the accepted version and the new rows.
    Append,
}

enum Message {
    Batch(RecordBatch),
    Finish,
}

/// Stages a table's files. Dropped without [`TableWriter::finish`] it leaves nothing visible.
#[derive(Debug)]
pub struct TableWriter {
    location: TableLocation,
    schema: SchemaRef,
    mode: WriteMode,
    base_version: Option<u64>,
    sender: mpsc::Sender<Message>,
    encoder: Option<JoinHandle<Result<Vec<StagedFile>, TableError>>>,
}

/// Complete files that are not yet part of any version.
#[derive(Debug)]
pub struct StagedTable {
    location: TableLocation,
    schema: SchemaRef,
    mode: WriteMode,
    files: Vec<StagedFile>,
}

impl TableWriter {
    pub(crate) fn start(
        location: TableLocation,
        schema: SchemaRef,
        mode: WriteMode,
        base_version: Option<u64>,
    ) -> Result<Self, TableError> {
        let series = FileSeries::new(location.clone(), std::sync::Arc::clone(&schema))?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let encoder = tokio::spawn(encode(series, receiver));
        Ok(Self { location, schema, mode, base_version, sender, encoder: Some(encoder) })
    }

    /// Hands over a batch; returns when the encoder has room for it.
    ///
    /// # Errors
    /// When the batch has other columns than the table, or the store has failed.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), TableError> {
        let same = batch
            .schema_ref()
            .fields()
            .iter()
            .zip(self.schema.fields())
            .all(|(given, wanted)| given.name() == wanted.name() && given.data_type() == wanted.data_type());
        if !same || batch.num_columns() != self.schema.fields().len() {
            return Err(TableError::Columns { table: self.location.table().clone(), of: "the writer" });
        }
        if self.sender.send(Message::Batch(batch)).await.is_ok() {
            return Ok(());
        }
        // The encoder has gone: its error says why.
        Err(self.outcome().await.err().unwrap_or(TableError::Interrupted))
    }

    /// Completes the files. They are in the store and still invisible.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn finish(mut self) -> Result<StagedTable, TableError> {
        // A failed send means that the encoder has ended with an error, which follows.
        let _ = self.sender.send(Message::Finish).await;
        let files = self.outcome().await?;
        Ok(StagedTable { location: self.location, schema: self.schema, mode: self.mode, files })
    }

    /// Completes the files and makes them a version on top of the writer's base version.
    ///
    /// # Errors
    /// See [`StagedTable::commit`].
    pub async fn commit(self, delivery: &Sha256Digest) -> Result<u64, TableError> {
        let base_version = self.base_version;
        self.finish().await?.commit(base_version, delivery).await
    }

    async fn outcome(&mut self) -> Result<Vec<StagedFile>, TableError> {
        match self.encoder.take() {
            Some(encoder) => encoder.await.map_err(|_| TableError::Interrupted)?,
            None => Err(TableError::Interrupted),
        }
    }
}

async fn encode(mut series: FileSeries, mut receiver: mpsc::Receiver<Message>) -> Result<Vec<StagedFile>, TableError> {
    loop {
        match receiver.recv().await {
            Some(Message::Batch(batch)) => {
                if let Err(error) = series.write(batch).await {
                    series.abandon().await;
                    return Err(error);
                }
            }
            Some(Message::Finish) => return series.finish().await,
            None => {
                series.abandon().await;
                return Err(TableError::Interrupted);
            }
        }
    }
}

impl StagedTable {
    /// The table.
    #[must_use]
    pub const fn table(&self) -> &TableRef {
        self.location.table()
    }

    /// Rows staged.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Files staged.
    #[must_use]
    pub const fn files(&self) -> usize {
        self.files.len()
    }

    /// Bytes staged.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Makes the files a version. `base_version` is the version that the journal's last accepted
    /// delivery pins (`None` before the first). Versions that were committed after it and never
    /// accepted are leftovers: their files leave the active set in the same commit. When another
    /// delivery has been accepted meanwhile, call it again with the new base.
    ///
    /// # Errors
    /// When the base version is not there or, for [`WriteMode::Append`], has other columns; when
    /// the store has failed. After an error no reader sees the files.
    pub async fn commit(&self, base_version: Option<u64>, delivery: &Sha256Digest) -> Result<u64, TableError> {
        let Self { location, schema, mode, files } = self;
        commit(location, &Commit { schema, mode: *mode, base_version, files, delivery }).await
    }
}
