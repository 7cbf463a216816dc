//! What can be wrong with a file as a whole. A wrong row is not an error but a fault of that row.

/// Why a file cannot be read. Names rows and columns by number or declared name, never a value.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system.
    #[error("file {file} cannot be read")]
    Io {
        /// Which file of the resource, from 1.
        file: usize,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another file, a link or a pipe lies where the checked one was.
    #[error("file {file} was replaced while the delivery was looked at; deliver when nobody writes to its folder")]
    Replaced {
        /// Which file of the resource, from 1.
        file: usize,
    },
    /// Compressed data ends too early or is damaged.
    #[error("file {file} is truncated or damaged: its compressed data does not end as it should; send it again")]
    Compression {
        /// Which file of the resource, from 1.
        file: usize,
        /// What the decompressor says.
        #[source]
        source: std::io::Error,
    },
    /// Not the file that the package describes.
    #[error("file {file} is not the one the package describes: its SHA-256 differs; send both again")]
    Digest {
        /// Which file of the resource, from 1.
        file: usize,
    },
    /// Not as many bytes as the package says.
    #[error("the files have {found} bytes, the package says {declared}; send both again")]
    Bytes {
        /// Bytes read.
        found: u64,
        /// Bytes declared.
        declared: u64,
    },
    /// Not as many rows as the package says.
    #[error("the files have {found} rows, the package says {declared}; send both again")]
    Rows {
        /// Rows read.
        found: u64,
        /// Rows declared.
        declared: u64,
    },
    /// A column that should be there.
    #[error("column '{field}' is missing from file {file}; deliver it, or leave it out of the schema")]
    MissingColumn {
        /// Which file of the resource, from 1.
        file: usize,
        /// The field in the schema.
        field: String,
    },
    /// Columns that should not be there.
    #[error(
        "file {file} has {count} columns that the schema does not describe; describe them, or set fieldsMatch to subset"
    )]
    ExtraColumns {
        /// Which file of the resource, from 1.
        file: usize,
        /// How many.
        count: usize,
    },
    /// The right columns in another order.
    #[error(
        "the columns of file {file} are in another order than the schema's, at '{field}'; reorder them, or set fieldsMatch to equal"
    )]
    ColumnOrder {
        /// Which file of the resource, from 1.
        file: usize,
        /// The first field that is not where it should be.
        field: String,
    },
    /// The same header twice.
    #[error("file {file} has two columns named '{field}'")]
    DuplicateColumn {
        /// Which file of the resource, from 1.
        file: usize,
        /// The field.
        field: String,
    },
    /// No columns in common.
    #[error("file {file} has none of the schema's columns")]
    NoColumns {
        /// Which file of the resource, from 1.
        file: usize,
    },
    /// A file without a header line.
    #[error("file {file} has no header line")]
    NoHeader {
        /// Which file of the resource, from 1.
        file: usize,
    },
    /// A file that begins like UTF-16.
    #[error("file {file} is UTF-16; write it in utf-8, iso-8859-1 or windows-1252")]
    Utf16 {
        /// Which file of the resource, from 1.
        file: usize,
    },
    /// Bytes that are not of the declared encoding.
    #[error(
        "row {row} is not UTF-8 as declared; the file mixes encodings or is of another one: declare it, or write it anew"
    )]
    Encoding {
        /// The row, from 1.
        row: u64,
    },
    /// UTF-8 that was declared to be Latin-1.
    #[error("the text is UTF-8, not {declared} as declared; correct the encoding in the package")]
    DeclaredEncoding {
        /// What was declared.
        declared: &'static str,
    },
    /// A record that does not end.
    #[error("row {row} is longer than {limit} bytes; a quote may not be closed, or a line end is missing")]
    TooLong {
        /// The row, from 1.
        row: u64,
        /// The limit.
        limit: usize,
    },
    /// A quote that does not close before the file ends.
    #[error("the quoted cell in row {row} is not closed before the file ends")]
    OpenQuote {
        /// The row, from 1.
        row: u64,
    },
    /// A quoted cell that goes on behind its closing quote.
    #[error(
        "a quoted cell in row {row} goes on behind its closing quote; write quotes inside a cell twice, or declare an empty quoteChar"
    )]
    MisplacedQuote {
        /// The row, from 1.
        row: u64,
    },
    /// A line that is not a JSON object.
    #[error(
        "row {row} is not a JSON object of plain values; write one object per line, without lists or objects inside"
    )]
    Json {
        /// The row, from 1.
        row: u64,
    },
    /// Parquet that cannot be read.
    #[error(
        "file {file} is not a readable Parquet file; check that it is whole, and pack its pages with snappy, zstd or nothing"
    )]
    Parquet {
        /// Which file of the resource, from 1.
        file: usize,
    },
    /// A Parquet column of another type.
    #[error(
        "column '{field}' of file {file} is stored as another type than the schema's; convert it, or change the schema"
    )]
    ColumnType {
        /// Which file of the resource, from 1.
        file: usize,
        /// The field.
        field: String,
    },
    /// The reading side has gone.
    #[error("reading was interrupted")]
    Interrupted,
}
