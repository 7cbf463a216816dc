//! Pages of a Parquet file may not unpack to more than memory has room for.
//!
//! A page says in its header how large it is when unpacked, and the reader believes it: a
//! file of 40 kB can ask for gigabytes. The reader asks for every header at its place in the file, so
//! the header is looked at here first. Each column holds a dictionary and one page at a time; what
//! all columns hold together has a limit.
//!
//! One encoding (`DELTA_BYTE_ARRAY`) unpacks once more, when values are made of it: every value may
//! repeat the whole value before. Its pages must be small, and [`PageBudget::has_prefixes`] tells
//! the reader to take few rows at a time.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};

use super::block::LONGEST_RECORD;
use super::page_header::PageHeader;
use super::verified_file::{VerifiedFile, VerifiedReader};

/// What the pages of all columns may take together.
const BUDGET: u64 = 256 * 1024 * 1024;

/// A file whose pages are counted.
pub(super) struct PageBudget {
    file: VerifiedFile,
    /// The chunks of every row group, by where they begin.
    chunks: BTreeMap<u64, Chunk>,
    /// Bytes that a column's dictionary (`true`) and page (`false`) hold.
    held: Mutex<BTreeMap<(usize, bool), u64>>,
}

struct Chunk {
    end: u64,
    column: usize,
    has_prefixes: bool,
}

impl PageBudget {
    /// The budget of a file; an error when its chunks lie nowhere.
    pub(super) fn new(file: VerifiedFile, metadata: &ParquetMetaData) -> Result<Self> {
        let mut chunks = BTreeMap::new();
        for group in metadata.row_groups() {
            for (column, chunk) in group.columns().iter().enumerate() {
                let (start, end) = range(chunk).ok_or_else(refused)?;
                let has_prefixes = chunk.encodings().any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY);
                chunks.insert(start, Chunk { end, column, has_prefixes });
            }
        }
        Ok(Self { file, chunks, held: Mutex::default() })
    }

    /// Whether values may be made of the values before them.
    pub(super) fn has_prefixes(&self) -> bool {
        self.chunks.values().any(|chunk| chunk.has_prefixes)
    }

    fn count(&self, place: u64) -> Result<()> {
        let (first, chunk) = self.chunks.range(..=place).next_back().ok_or_else(refused)?;
        if place >= chunk.end {
            return Err(refused());
        }
        let mut start = Vec::new();
        self.file.get_read(place)?.take(PageHeader::LONGEST).read_to_end(&mut start)?;
        let header = PageHeader::read(&start).ok_or_else(refused)?;
        if header.has_prefixes && !(chunk.has_prefixes && u64::from(header.unpacked) <= LONGEST_RECORD as u64) {
            return Err(refused());
        }
        let mut held = self.held.lock().map_err(|_| refused())?;
        if place == *first {
            held.remove(&(chunk.column, true));
        }
        held.insert((chunk.column, header.is_dictionary), u64::from(header.unpacked.max(header.packed)));
        if held.values().sum::<u64>() > BUDGET { Err(refused()) } else { Ok(()) }
    }
}

fn refused() -> ParquetError {
    ParquetError::General("a page is too large, or its header is not understood".into())
}

/// First byte and end of a chunk. The library's own function panics on numbers below zero.
fn range(chunk: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = u64::try_from(chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset())).ok()?;
    Some((start, start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?))
}

impl Length for PageBudget {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for PageBudget {
    type T = VerifiedReader;

    /// The reader asks so for page headers only.
    fn get_read(&self, start: u64) -> Result<VerifiedReader> {
        self.count(start)?;
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}
