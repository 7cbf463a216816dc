//! Batches into Parquet files of bounded size, with bounded memory.
//!
//! A row group is closed at 128 Ki rows or 64 MiB, a file at 128 MiB. Statistics stay in the
//! files and only where they prune something: not for the hidden person index and not for text
//! (pseudonyms and codes come in no order). The Delta log itself gets row counts and no values.
//!
//! A dictionary pays for codes and not for a column whose values seldom recur. So one is given up
//! early, and the hidden person index never gets one. Texts without a dictionary have their lengths
//! apart: nothing but letters of pseudonyms, one behind the other, is compressed in less time.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use oscar_permit::PERSON_INDEX_COLUMN;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tokio::task::JoinHandle;

use crate::TableError;
use crate::part_upload::PartUpload;
use crate::table_location::TableLocation;

const ROW_GROUP_ROWS: usize = 128 * 1024;
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;
const FILE_BYTES: usize = 128 * 1024 * 1024;
/// Largest dictionary of a column in a row group: 16 Ki numbers of 64 bits.
const DICTIONARY_BYTES: usize = 128 * 1024;

/// One file that is complete in the store and not yet part of any version.
#[derive(Debug, Clone)]
pub(crate) struct StagedFile {
    /// Its name in the table's folder.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// Its rows.
    pub(crate) rows: u64,
}

/// Writes one file after the other.
pub(crate) struct FileSeries {
    location: TableLocation,
    store: Arc<dyn ObjectStore>,
    schema: SchemaRef,
    properties: WriterProperties,
    open: Option<OpenFile>,
    /// The file before, which the store still has to acknowledge.
    closing: Option<JoinHandle<Result<StagedFile, TableError>>>,
    done: Vec<StagedFile>,
    /// Files begun.
    begun: usize,
}

struct OpenFile {
    name: String,
    writer: AsyncArrowWriter<PartUpload>,
    rows: u64,
}

impl FileSeries {
    pub(crate) fn new(location: TableLocation, schema: SchemaRef) -> Result<Self, TableError> {
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("oscar-lake ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_column_dictionary_enabled(column_of(PERSON_INDEX_COLUMN), false)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_statistics_enabled(column_of(PERSON_INDEX_COLUMN), EnabledStatistics::None);
        for field in schema.fields().iter().filter(|field| field.data_type() == &DataType::Utf8) {
            properties = properties
                .set_column_statistics_enabled(column_of(field.name()), EnabledStatistics::None)
                .set_column_encoding(column_of(field.name()), Encoding::DELTA_LENGTH_BYTE_ARRAY);
        }
        let store = location.storage().store();
        Ok(Self {
            location,
            store,
            schema,
            properties: properties.build(),
            open: None,
            closing: None,
            done: Vec::new(),
            begun: 0,
        })
    }

    /// Adds a batch; its columns are those of the table.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.start()?,
        };
        let written = file.writer.write(batch).await;
        file.rows += batch.num_rows() as u64;
        let full = file.writer.bytes_written() >= FILE_BYTES;
        self.open = Some(file);
        written?;
        if full { self.close().await } else { Ok(()) }
    }

    /// Completes the last file.
    pub(crate) async fn finish(mut self) -> Result<Vec<StagedFile>, TableError> {
        let closed = match self.close().await {
            Ok(()) => self.closed().await,
            Err(error) => Err(error),
        };
        match closed {
            Ok(()) => Ok(self.done),
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    /// Gives up: the open upload is cancelled. Files that are complete stay behind, unreferenced.
    pub(crate) async fn abandon(mut self) {
        // Whatever has become of the file before, it has come to an end.
        let _ = self.closed().await;
        if let Some(file) = self.open.take() {
            file.abandon().await;
        }
    }

    fn start(&mut self) -> Result<OpenFile, TableError> {
        let name = format!("part-{:05}-{}.zstd.parquet", self.begun, uuid::Uuid::new_v4());
        self.begun += 1;
        let path = self.location.folder().join(name.as_str());
        let upload = PartUpload::new(Arc::clone(&self.store), path);
        let writer = AsyncArrowWriter::try_new(upload, Arc::clone(&self.schema), Some(self.properties.clone()))?;
        Ok(OpenFile { name, writer, rows: 0 })
    }

    /// Encodes what is left of the open file and lets the store take its time over it: the next
    /// file is written meanwhile.
    async fn close(&mut self) -> Result<(), TableError> {
        let Some(file) = self.open.as_mut() else { return Ok(()) };
        file.writer.flush().await?;
        self.closed().await?;
        if let Some(file) = self.open.take() {
            let path = self.location.folder().join(file.name.as_str());
            self.closing = Some(tokio::spawn(file.complete(Arc::clone(&self.store), path)));
        }
        Ok(())
    }

    /// Waits for the file before.
    async fn closed(&mut self) -> Result<(), TableError> {
        if let Some(closing) = self.closing.take() {
            self.done.push(closing.await.map_err(|_| TableError::Interrupted)??);
        }
        Ok(())
    }
}

impl OpenFile {
    async fn complete(mut self, store: Arc<dyn ObjectStore>, path: Path) -> Result<StagedFile, TableError> {
        if let Err(error) = self.writer.finish().await {
            self.abandon().await;
            return Err(error.into());
        }
        // The size of what the store holds, not of what was sent.
        let size = store.head(&path).await?.size;
        Ok(StagedFile { name: self.name, size, rows: self.rows })
    }

    async fn abandon(self) {
        if let Err(error) = self.writer.into_inner().abandon().await {
            tracing::warn!(%error, "an upload could not be cancelled; its parts stay invisible");
        }
    }
}

/// A column by its own name: a name is never taken for a path.
fn column_of(name: &str) -> ColumnPath {
    ColumnPath::new(vec![name.to_owned()])
}
