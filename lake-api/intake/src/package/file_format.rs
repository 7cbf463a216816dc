//! How a resource's files are written: format, dialect, encoding, compression.

use std::path::Path;

use super::descriptor::{Dialect, DialectWord, OneOrMany, Resource};
use super::error::ResourceError;

/// How a file is compressed, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    Csv(CsvDialect),
    /// One JSON object per line, UTF-8.
    NdJson,
    Parquet,
}

/// A delimited text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CsvDialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) double_quote: bool,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) header: bool,
    pub(crate) encoding: Encoding,
}

/// How text is written in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    /// ISO 8859-1 and its superset windows-1252, which the web and most exports mean by it.
    Windows1252,
}

fn extension(path: &str) -> String {
    Path::new(path).extension().map(|word| word.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

pub(super) fn compression(path: &str) -> Compression {
    match extension(path).as_str() {
        "gz" => Compression::Gzip,
        "zst" => Compression::Zstd,
        _ => Compression::None,
    }
}

/// The format by its name, or by the extension of the first path under the compression's.
pub(super) fn format(resource: &Resource) -> Result<FileFormat, ResourceError> {
    let first =
        resource.path.clone().map(OneOrMany::into_vec).and_then(|paths| paths.into_iter().next()).unwrap_or_default();
    let inner = match compression(&first) {
        Compression::None => extension(&first),
        Compression::Gzip | Compression::Zstd => extension(
            &Path::new(&first).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
        ),
    };
    let word = resource.format.clone().map_or(inner, |format| format.to_ascii_lowercase());
    let encoding = encoding(resource.encoding.as_deref())?;
    match word.as_str() {
        "csv" | "tsv" => Ok(FileFormat::Csv(dialect(resource, if word == "tsv" { b'\t' } else { b',' }, encoding)?)),
        "ndjson" | "jsonl" if encoding == Encoding::Utf8 => Ok(FileFormat::NdJson),
        "ndjson" | "jsonl" => Err(ResourceError::unsupported("NDJSON in this encoding", "write it in UTF-8")),
        "parquet" if compression(&first) == Compression::None => Ok(FileFormat::Parquet),
        "parquet" => {
            Err(ResourceError::unsupported("compressed Parquet", "Parquet compresses inside; deliver it as it is"))
        }
        _ => Err(ResourceError::unsupported("this format", "give format: csv, ndjson or parquet")),
    }
}

fn encoding(word: Option<&str>) -> Result<Encoding, ResourceError> {
    match word.map(str::to_ascii_lowercase).as_deref() {
        None | Some("utf-8" | "utf8") => Ok(Encoding::Utf8),
        Some("iso-8859-1" | "iso8859-1" | "latin-1" | "latin1" | "windows-1252" | "cp1252") => {
            Ok(Encoding::Windows1252)
        }
        Some(_) => {
            Err(ResourceError::unsupported("this encoding", "write the file in utf-8, iso-8859-1 or windows-1252"))
        }
    }
}

/// A quote may be its own escape: then it is written twice.
fn has_one_sign_for_two(dialect: &CsvDialect) -> bool {
    let CsvDialect { delimiter, quote, double_quote: _, escape, comment, header: _, encoding: _ } = *dialect;
    [quote, escape, comment].contains(&Some(delimiter)) || (comment.is_some() && [quote, escape].contains(&comment))
}

fn dialect(resource: &Resource, delimiter: u8, encoding: Encoding) -> Result<CsvDialect, ResourceError> {
    let dialect: Dialect = match &resource.dialect {
        None => Dialect::default(),
        Some(DialectWord::Reference(_)) => {
            return Err(ResourceError::unsupported(
                "a dialect in another file",
                "write the dialect into the descriptor",
            ));
        }
        Some(DialectWord::Inline(json)) => {
            serde_json::from_value(json.clone()).map_err(|error| ResourceError::syntax("dialect", &error))?
        }
    };
    if !matches!(dialect.line_terminator.as_deref(), None | Some("\n" | "\r\n")) {
        return Err(ResourceError::unsupported("this lineTerminator", "end lines with LF or CR LF"));
    }
    let byte = |word: Option<&String>| match word.map(String::as_bytes) {
        None | Some([]) => Ok(None),
        Some([one]) if one.is_ascii() && !matches!(one, b'\n' | b'\r') => Ok(Some(*one)),
        Some(_) => Err(ResourceError::unsupported("a dialect sign of several bytes", "use one ASCII character")),
    };
    let dialect = CsvDialect {
        delimiter: byte(dialect.delimiter.as_ref())?.unwrap_or(delimiter),
        quote: if dialect.quote_char.is_none() { Some(b'"') } else { byte(dialect.quote_char.as_ref())? },
        double_quote: dialect.double_quote.unwrap_or(true),
        escape: byte(dialect.escape_char.as_ref())?,
        comment: byte(dialect.comment_char.as_ref())?,
        header: dialect.header.unwrap_or(true),
        encoding,
    };
    if has_one_sign_for_two(&dialect) {
        return Err(ResourceError::unsupported(
            "one sign for two things in a dialect",
            "give delimiter, quoteChar, escapeChar and commentChar signs of their own",
        ));
    }
    Ok(dialect)
}
