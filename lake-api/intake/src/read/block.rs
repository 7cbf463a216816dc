//! Blocks of rows on their way from the reader to the workers.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::package::Encoding;

/// Rows per block, at most.
pub(crate) const BLOCK_ROWS: usize = 16_384;
/// Bytes of cells per block, about.
pub(crate) const BLOCK_BYTES: usize = 1024 * 1024;
/// Cells per block, about: rows cost memory for every field, however short they are.
const BLOCK_CELLS: usize = 2 * 1024 * 1024;
/// Most cells a row of delimited text may have.
pub(super) const WIDEST: usize = 65_536;
/// Longest record.
pub(crate) const LONGEST_RECORD: usize = 4 * 1024 * 1024;

/// How many rows of a width a block may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowLimit {
    /// A block with so many rows is sent.
    pub(super) block: usize,
    /// Rows that are taken at once before it is looked whether there are so many.
    pub(super) piece: usize,
}

impl RowLimit {
    /// The limit for rows of so many columns or fields, whichever are more.
    pub(super) fn of(width: usize) -> Self {
        let piece = (BLOCK_CELLS / width.max(1)).max(1);
        Self { block: piece.min(BLOCK_ROWS), piece }
    }

    /// Whether a text has no more rows than may be taken at once, as no row is shorter than a character and a
    /// line end.
    pub(super) const fn admits(self, text: &[u8]) -> bool {
        text.len() / 2 <= self.piece
    }
}

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

/// What cells are parts of.
#[derive(Debug)]
pub(crate) enum CellText {
    /// Text from one end to the other: no cell is looked at by itself.
    Utf8(String),
    /// Text of another encoding, or not looked at so far.
    Bytes(Vec<u8>),
}

/// Cells as text, row by row.
#[derive(Debug)]
pub(crate) struct CellBlock {
    pub(crate) text: CellText,
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
/// The span of a cell that is there and has no value; absent as well.
pub(super) const NULL: (u32, u32) = (2, 0);

/// Takes the first bytes of a buffer, which keeps the rest and its size: the next block is as large as this one.
pub(super) fn split_front(buffer: &mut Vec<u8>, length: usize) -> Vec<u8> {
    let mut rest = Vec::with_capacity(buffer.len());
    rest.extend_from_slice(buffer.get(length..).unwrap_or_default());
    buffer.truncate(length);
    std::mem::replace(buffer, rest)
}

impl CellText {
    /// Text, when everything is of the encoding and no character has to be written in another way.
    pub(super) fn understood(self, encoding: Encoding) -> Self {
        match (self, encoding) {
            (Self::Bytes(bytes), Encoding::Windows1252) if !bytes.is_ascii() => Self::Bytes(bytes),
            (Self::Bytes(bytes), Encoding::Windows1252 | Encoding::Utf8) => {
                String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Utf8)
            }
            (text @ Self::Utf8(_), _) => text,
        }
    }
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
