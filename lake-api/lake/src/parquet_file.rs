//! Batches into Parquet files of bounded size, with bounded memory.
//!
//! Row groups are encoded several at a time and stored in their order; a file is closed at 128 MiB.
//! Statistics stay in the files and only where they prune something: not for the hidden person index and
//! not for text (pseudonyms and codes come in no order). The Delta log itself gets row counts and no values.
//!
//! A dictionary pays for codes and not for a column whose values seldom recur. So one is given up
//! early, is not begun again in the row groups that follow, and the hidden person index never gets one. Texts
//! and pseudonyms without a dictionary have their lengths apart. Pseudonyms are not compressed: their bits
//! are as good as random.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use oscar_permit::PERSON_INDEX_COLUMN;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use tokio::task::JoinHandle;

use crate::TableError;
use crate::part_upload::PartUpload;
use crate::pseudonym::is_stored_pseudonym;
use crate::row_group::{EncodedRowGroup, RowGroup};
use crate::table_location::TableLocation;

const FILE_BYTES: usize = 128 * 1024 * 1024;
/// Row groups that are encoded at once, if there are as many cores; each is in memory.
const MOST_ENCODERS: usize = 4;
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
    writers: Arc<ArrowRowGroupWriterFactory>,
    /// The first row group has told which columns need no dictionary.
    learned: bool,
    filling: RowGroup,
    /// Row groups under way to the open file, the oldest first.
    encoding: VecDeque<JoinHandle<parquet::errors::Result<EncodedRowGroup>>>,
    encoders: usize,
    open: Option<OpenFile>,
    /// The file before, which the store still has to acknowledge.
    closing: Option<JoinHandle<Result<StagedFile, TableError>>>,
    done: Vec<StagedFile>,
    /// Files begun.
    begun: usize,
}

struct OpenFile {
    name: String,
    /// Makes the bytes of the file, which are taken from it and sent.
    writer: SerializedFileWriter<Vec<u8>>,
    upload: PartUpload,
    rows: u64,
}

impl FileSeries {
    pub(crate) fn new(location: TableLocation, schema: SchemaRef) -> Result<Self, TableError> {
        let properties = properties(&schema)?;
        let (_, writers) = serialized_writer(&schema, &properties)?;
        let store = location.storage().store();
        let encoders = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_ENCODERS);
        Ok(Self {
            location,
            store,
            schema,
            properties,
            writers: Arc::new(writers),
            learned: false,
            filling: RowGroup::default(),
            encoding: VecDeque::new(),
            encoders,
            open: None,
            closing: None,
            done: Vec::new(),
            begun: 0,
        })
    }

    /// Adds a batch; its columns are those of the table.
    pub(crate) async fn write(&mut self, batch: RecordBatch) -> Result<(), TableError> {
        let mut rest = Some(batch);
        while let Some(batch) = rest {
            rest = self.filling.push(&batch);
            if self.filling.is_full() {
                self.encode().await?;
            }
        }
        Ok(())
    }

    /// Has the row group encoded that has been filled.
    async fn encode(&mut self) -> Result<(), TableError> {
        if self.encoding.len() >= self.encoders {
            self.store_oldest().await?;
        }
        let (group, writers) = (std::mem::take(&mut self.filling), Arc::clone(&self.writers));
        self.encoding.push_back(tokio::task::spawn_blocking(move || group.encode(&writers)));
        Ok(())
    }

    /// Waits for the oldest row group under way and adds it to the open file.
    async fn store_oldest(&mut self) -> Result<(), TableError> {
        let Some(encoded) = self.encoding.pop_front() else { return Ok(()) };
        let group = encoded.await.map_err(|_| TableError::Interrupted)??;
        if !std::mem::replace(&mut self.learned, true) {
            let mut properties = self.properties.clone().into_builder();
            for column in group.columns_without_dictionary() {
                properties = properties.set_column_dictionary_enabled(column.clone(), false);
            }
            self.properties = properties.build();
            self.writers = Arc::new(serialized_writer(&self.schema, &self.properties)?.1);
        }
        let file = match &mut self.open {
            Some(file) => file,
            None => self.open.insert(start(&self.location, &self.store, &self.schema, &self.properties, self.begun)?),
        };
        file.append(group).await?;
        if file.writer.bytes_written() < FILE_BYTES { Ok(()) } else { self.close().await }
    }

    /// Completes the last file.
    pub(crate) async fn finish(mut self) -> Result<Vec<StagedFile>, TableError> {
        match self.complete().await {
            Ok(()) => Ok(self.done),
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    async fn complete(&mut self) -> Result<(), TableError> {
        if !self.filling.is_empty() {
            self.encode().await?;
        }
        while !self.encoding.is_empty() {
            self.store_oldest().await?;
        }
        self.close().await?;
        self.closed().await
    }

    /// Gives up: the open upload is cancelled. Files that are complete stay behind, unreferenced.
    pub(crate) async fn abandon(mut self) {
        // Whatever has become of the file before, it has come to an end.
        let _ = self.closed().await;
        if let Some(file) = self.open.take() {
            file.abandon().await;
        }
    }

    /// Lets the store take its time over the open file: the next one is written meanwhile.
    async fn close(&mut self) -> Result<(), TableError> {
        self.closed().await?;
        if let Some(file) = self.open.take() {
            self.begun += 1;
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

/// The next file of a series, after so many.
fn start(
    location: &TableLocation,
    store: &Arc<dyn ObjectStore>,
    schema: &SchemaRef,
    properties: &WriterProperties,
    number: usize,
) -> Result<OpenFile, TableError> {
    let name = format!("part-{number:05}-{}.zstd.parquet", uuid::Uuid::new_v4());
    let upload = PartUpload::new(Arc::clone(store), location.folder().join(name.as_str()));
    let (writer, _) = serialized_writer(schema, properties)?;
    Ok(OpenFile { name, writer, upload, rows: 0 })
}

impl OpenFile {
    async fn append(&mut self, group: EncodedRowGroup) -> Result<(), TableError> {
        let mut row_group = self.writer.next_row_group()?;
        for column in group.columns {
            column.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        self.rows += group.rows;
        self.send().await
    }

    /// Sends what has been written.
    async fn send(&mut self) -> Result<(), TableError> {
        let bytes = std::mem::take(self.writer.inner_mut());
        Ok(self.upload.write(bytes.into()).await?)
    }

    async fn complete(mut self, store: Arc<dyn ObjectStore>, path: Path) -> Result<StagedFile, TableError> {
        if let Err(error) = self.end().await {
            self.abandon().await;
            return Err(error);
        }
        // The size of what the store holds, not of what was sent.
        let size = store.head(&path).await?.size;
        Ok(StagedFile { name: self.name, size, rows: self.rows })
    }

    async fn end(&mut self) -> Result<(), TableError> {
        self.writer.finish()?;
        self.send().await?;
        Ok(self.upload.complete().await?)
    }

    async fn abandon(self) {
        if let Err(error) = self.upload.abandon().await {
            tracing::warn!(%error, "an upload could not be cancelled; its parts stay invisible");
        }
    }
}

/// What makes a file of row groups, and what makes the row groups.
fn serialized_writer(
    schema: &SchemaRef,
    properties: &WriterProperties,
) -> Result<(SerializedFileWriter<Vec<u8>>, ArrowRowGroupWriterFactory), TableError> {
    let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties.clone()))?;
    Ok(writer.into_serialized_writer()?)
}

/// How the columns of a table are written.
fn properties(schema: &SchemaRef) -> Result<WriterProperties, TableError> {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("oscar-lake ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_column_dictionary_enabled(column_of(PERSON_INDEX_COLUMN), false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(column_of(PERSON_INDEX_COLUMN), EnabledStatistics::None);
    for field in schema.fields() {
        let (column, pseudonym) = (column_of(field.name()), is_stored_pseudonym(field.data_type()));
        if pseudonym {
            properties = properties.set_column_compression(column.clone(), Compression::UNCOMPRESSED);
        }
        if pseudonym || field.data_type() == &DataType::Utf8 {
            properties = properties
                .set_column_statistics_enabled(column.clone(), EnabledStatistics::None)
                .set_column_encoding(column, Encoding::DELTA_LENGTH_BYTE_ARRAY);
        }
    }
    Ok(properties.build())
}

/// A column by its own name: a name is never taken for a path.
fn column_of(name: &str) -> ColumnPath {
    ColumnPath::new(vec![name.to_owned()])
}
