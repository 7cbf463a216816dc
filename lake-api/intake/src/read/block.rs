//! Blocks of rows on their way from the reader to the workers.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;

/// Rows per block, at most.
pub(crate) const BLOCK_ROWS: usize = 16_384;
/// Bytes of cells per block, about.
pub(crate) const BLOCK_BYTES: usize = 1024 * 1024;
/// Most cells a row of delimited text may have.
pub(super) const WIDEST: usize = 65_536;
/// Longest record.
pub(crate) const LONGEST_RECORD: usize = 4 * 1024 * 1024;

/// Rows that are still to be understood.
#[derive(Debug)]
pub(crate) struct Block {
    /// Number of the block's first row in the resource, from 1.
    pub(crate) first_row: u64,
    /// Bytes read from the files so far, for the progress.
    pub(crate) bytes_read: u64,
    pub(crate) content: RawBlock,
}

/// What the reader found.
#[derive(Debug)]
pub(crate) enum RawBlock {
    /// Split into cells.
    Cells(CellBlock),
    /// Complete lines in which every delimiter ends a cell.
    Plain { bytes: Vec<u8>, delimiter: u8, width: usize, mapping: Mapping },
    /// Lines of JSON, and where each row is.
    Lines { bytes: Vec<u8>, places: Vec<Range<usize>> },
    /// Columns already.
    Batch { batch: RecordBatch, file: usize },
}

/// Where a field's cells are in a file's rows; `None` where the file does not have the field.
pub(crate) type Mapping = Arc<[Option<usize>]>;

/// Cells as text, row by row.
#[derive(Debug)]
pub(crate) struct CellBlock {
    pub(crate) bytes: Vec<u8>,
    /// Start and end of every cell; a start beyond the end marks an absent cell.
    pub(crate) spans: Vec<(u32, u32)>,
    pub(crate) width: usize,
    pub(crate) rows: usize,
    /// Rows with too few or too many cells; their spans are all absent.
    pub(crate) ragged: Vec<u32>,
    pub(crate) mapping: Mapping,
}

/// The span of an absent cell.
pub(crate) const ABSENT: (u32, u32) = (1, 0);

/// Takes the first bytes of a buffer, which keeps the rest and its size: the next block is as large as this one.
pub(super) fn split_front(buffer: &mut Vec<u8>, length: usize) -> Vec<u8> {
    let mut rest = Vec::with_capacity(buffer.len());
    rest.extend_from_slice(buffer.get(length..).unwrap_or_default());
    buffer.truncate(length);
    std::mem::replace(buffer, rest)
}

impl CellBlock {
    /// Where the cells of one column are, from the first row to the last.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = Option<Range<usize>>> {
        self.spans.chunks_exact(self.width.max(1)).map(move |row| {
            let (start, end) = row.get(column).copied().unwrap_or(ABSENT);
            (start <= end).then_some(start as usize..end as usize)
        })
    }
}
