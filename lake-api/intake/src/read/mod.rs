//! Files become blocks of rows: bounded, in order, verified while they are read.
//!
//! One thread per resource reads the files one after the other: bytes → digest →
//! decompression → records or, where that is enough, lines. It hands over blocks of some thousand rows
//! whose cells are still text; workers turn them into columns. The digest covers the bytes that were
//! parsed, not a second look at the file, so a file that changes underneath is noticed.

mod block;
mod columns;
mod csv;
#[cfg(test)]
mod csv_semantics;
mod error;
mod ndjson;
#[cfg(test)]
mod ndjson_semantics;
mod opened;
mod page_budget;
mod page_header;
mod parquet;
mod plain_csv;
mod quotes;
mod source;
mod verified_file;

pub(crate) use block::{Block, RawBlock};
pub(crate) use columns::{Columns, columns_of_cells};
pub use error::ReadError;
pub(crate) use ndjson::cells_of_lines;
pub(crate) use parquet::columns_of_batch;
pub(crate) use plain_csv::cells_of_plain_lines;
pub(crate) use source::{BlockSink, read_resource};
