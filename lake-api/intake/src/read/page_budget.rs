//! Pages of a Parquet file may not unpack to more than memory has room for.
//!
//! A page says in its header how large it is when unpacked, and the reader believes it: a
//! file of 40 kB can ask for gigabytes. The reader asks for every header at its place in the file, so
//! the header is looked at here first; and as no two chunks overlap, its place says whose it is. Each column holds a dictionary and one page at a time; what
//! all columns hold together has a limit.
//!
//! One encoding (`DELTA_BYTE_ARRAY`) unpacks once more, when values are made of it: every value may
//! repeat the whole value before. Its pages must be small, and [`PageBudget::has_prefixes`] tells
//! the reader to take few rows at a time.

use std::collections::BTreeMap;
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
        let chunks = chunks(metadata)?;
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
        let header = PageHeader::read(self.file.get_read(place)?).ok_or_else(refused)?;
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

/// The chunks by where they begin; none begins in another.
fn chunks(metadata: &ParquetMetaData) -> Result<BTreeMap<u64, Chunk>> {
    let mut chunks = BTreeMap::new();
    for group in metadata.row_groups() {
        for (column, chunk) in group.columns().iter().enumerate() {
            let (start, end) = range(chunk).ok_or_else(refused)?;
            let has_prefixes = chunk.encodings().any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY);
            // A chunk without a byte has no pages.
            if start < end && chunks.insert(start, Chunk { end, column, has_prefixes }).is_some() {
                return Err(overlapping());
            }
        }
    }
    let starts = chunks.keys().skip(1);
    if chunks.values().zip(starts).any(|(chunk, next)| chunk.end > *next) {
        return Err(overlapping());
    }
    Ok(chunks)
}

fn overlapping() -> ParquetError {
    ParquetError::General("two column chunks overlap".into())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::{Repetition, Type as Physical};
    use parquet::file::metadata::{FileMetaData, RowGroupMetaData};
    use parquet::schema::types::{SchemaDescriptor, Type};
    use rstest::rstest;

    use super::*;

    /// A file whose row groups have one column each, at these places and of these lengths.
    fn metadata(places: &[(i64, i64)]) -> ParquetMetaData {
        let column = Type::primitive_type_builder("a", Physical::INT64).with_repetition(Repetition::REQUIRED);
        let column = Arc::new(column.build().unwrap());
        let schema = Arc::new(Type::group_type_builder("schema").with_fields(vec![column]).build().unwrap());
        let schema = Arc::new(SchemaDescriptor::new(schema));
        let group = |(start, length): &(i64, i64)| {
            let chunk = ColumnChunkMetaData::builder(schema.column(0));
            let chunk = chunk.set_data_page_offset(*start).set_total_compressed_size(*length).build().unwrap();
            RowGroupMetaData::builder(Arc::clone(&schema)).set_column_metadata(vec![chunk]).build().unwrap()
        };
        let file = FileMetaData::new(1, 0, None, None, Arc::clone(&schema), None);
        ParquetMetaData::new(file, places.iter().map(group).collect())
    }

    #[rstest]
    #[case::side_by_side(&[(4, 10), (14, 10), (30, 5)], true)]
    #[case::in_any_order(&[(30, 5), (4, 10), (14, 10)], true)]
    #[case::without_a_byte(&[(4, 10), (4, 0), (8, 0), (14, 10)], true)]
    #[case::the_same_place(&[(4, 10), (4, 10)], false)]
    #[case::inside(&[(4, 100), (20, 5)], false)]
    #[case::one_byte_too_long(&[(14, 10), (4, 11)], false)]
    #[case::before_the_file(&[(-4, 10)], false)]
    #[case::backwards(&[(4, -1)], false)]
    #[case::beyond_all_numbers(&[(4, i64::MAX), (i64::MAX, i64::MAX)], false)]
    fn chunks_lie_side_by_side(#[case] places: &[(i64, i64)], #[case] fine: bool) {
        assert_eq!(chunks(&metadata(places)).is_ok(), fine);
    }
}
