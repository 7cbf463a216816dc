//! Row groups: batches gathered, and encoded as one.
//!
//! Encoding (dictionaries and compression) is most of the work of writing a file. A row group needs
//! nothing of the one before, so several are encoded at once, each on a thread of its own.

use arrow::array::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Encoding, PageType};
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnPath;

/// Most rows of a row group.
const ROWS: usize = 128 * 1024;
/// Bytes of batches from which on a row group is full: what is wide is stored in fewer rows.
const BYTES: usize = 32 * 1024 * 1024;

/// Batches of one schema on their way to a row group.
#[derive(Default)]
pub(crate) struct RowGroup {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// The columns of a row group, encoded and compressed.
pub(crate) struct EncodedRowGroup {
    pub(crate) columns: Vec<ArrowColumnChunk>,
    pub(crate) rows: u64,
}

impl EncodedRowGroup {
    /// The columns whose dictionary grew too large, if they had one.
    pub(crate) fn columns_without_dictionary(&self) -> impl Iterator<Item = &ColumnPath> {
        self.columns.iter().map(|column| &column.close().metadata).filter_map(|column| {
            let pages = column.page_encoding_stats()?;
            let given_up = pages.iter().any(|pages| {
                pages.page_type != PageType::DICTIONARY_PAGE && pages.encoding != Encoding::RLE_DICTIONARY
            });
            given_up.then(|| column.column_path())
        })
    }
}

impl RowGroup {
    /// Adds a batch and returns those of its rows that have no room.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Option<RecordBatch> {
        let (rows, room) = (batch.num_rows(), ROWS - self.rows);
        let taken = rows.min(room);
        if taken > 0 {
            self.batches.push(batch.slice(0, taken));
            self.rows += taken;
            // Arrays that share a buffer count it each: a row group may be smaller than it could.
            self.bytes += batch.get_array_memory_size() / rows * taken;
        }
        (taken < rows).then(|| batch.slice(taken, rows - taken))
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Encodes all columns, one after the other.
    pub(crate) fn encode(self, writers: &ArrowRowGroupWriterFactory) -> Result<EncodedRowGroup> {
        // The number of a row group matters to encrypted files alone.
        let writers = writers.create_column_writers(0)?;
        let encode = |(place, mut writer): (usize, ArrowColumnWriter)| {
            for batch in &self.batches {
                let leaves = compute_leaves(batch.schema_ref().field(place), batch.column(place))?;
                // The lake has no nested columns.
                let [leaf] = leaves.as_slice() else {
                    return Err(ParquetError::General("a column is not flat".to_owned()));
                };
                writer.write(leaf)?;
            }
            writer.close()
        };
        let columns = writers.into_iter().enumerate().map(encode).collect::<Result<_>>()?;
        Ok(EncodedRowGroup { columns, rows: self.rows as u64 })
    }
}
