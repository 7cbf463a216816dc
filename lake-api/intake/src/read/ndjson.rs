//! Newline-delimited JSON: one object per line, plain values only.
//!
//! A value is taken by its text: `5` and `"5"` are the same cell, `null` and an absent name
//! are both no cell. Lists and objects inside are refused, because flattening them would be
//! a guess. Strings that need no unescaping are copied once, from the line into the block.

use std::fmt;
use std::io::Write;

use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ReadError;
use super::block::{ABSENT, BLOCK_BYTES, BLOCK_ROWS, Block, CellBlock, LONGEST_RECORD, RawBlock};
use super::source::{BlockSink, Source};
use crate::package::{CellFormat, FieldPlan, FieldsMatch};

/// Reads one file into blocks of lines; `rows` were read before it. Returns the rows read now.
pub(super) fn read(source: &mut Source, rows: u64, sink: &mut dyn BlockSink) -> Result<u64, ReadError> {
    source.skip_byte_order_mark()?;
    let mut rows = rows;
    let mut lines = Lines::default();
    loop {
        let chunk = source.fill()?;
        let length = chunk.len();
        if length == 0 {
            lines.end_line();
            break;
        }
        let mut rest = chunk;
        while let Some(at) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            lines.bytes.extend_from_slice(line);
            lines.end_line();
            rest = after.get(1..).unwrap_or_default();
        }
        lines.bytes.extend_from_slice(rest);
        source.consume(length);
        if lines.open() > LONGEST_RECORD {
            return Err(ReadError::TooLong { row: rows + lines.ends.len() as u64 + 1, limit: LONGEST_RECORD });
        }
        if lines.complete() >= BLOCK_BYTES || lines.ends.len() >= BLOCK_ROWS {
            rows = send(&mut lines, rows, source.bytes_read(), sink)?;
        }
    }
    send(&mut lines, rows, source.bytes_read(), sink)
}

fn send(lines: &mut Lines, rows: u64, bytes_read: u64, sink: &mut dyn BlockSink) -> Result<u64, ReadError> {
    let count = lines.ends.len() as u64;
    if count > 0 {
        let (bytes, ends) = lines.take();
        sink.send(Block { first_row: rows + 1, bytes_read, content: RawBlock::Lines { bytes, ends } })?;
    }
    Ok(rows + count)
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    /// Ends the line; empty ones are no rows.
    fn end_line(&mut self) {
        let start = self.complete();
        let line = self.bytes.get(start..).unwrap_or_default();
        if line.iter().all(u8::is_ascii_whitespace) {
            self.bytes.truncate(start);
        } else {
            self.ends.push(self.bytes.len());
        }
    }

    fn complete(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn open(&self) -> usize {
        self.bytes.len() - self.complete()
    }

    /// Takes the complete lines and keeps the open one.
    fn take(&mut self) -> (Vec<u8>, Vec<usize>) {
        let open = self.bytes.split_off(self.complete());
        (std::mem::replace(&mut self.bytes, open), std::mem::take(&mut self.ends))
    }
}

/// Splits lines into cells. `seen` collects which fields have occurred.
pub(crate) fn cells_of_lines(
    fields: &[FieldPlan],
    matching: FieldsMatch,
    bytes: &[u8],
    ends: &[usize],
    first_row: u64,
    seen: &mut [bool],
) -> Result<CellBlock, ReadError> {
    let width = fields.len();
    let mut cells = Vec::with_capacity(bytes.len());
    let mut spans = vec![ABSENT; width * ends.len()];
    let may_add = match matching {
        FieldsMatch::Subset | FieldsMatch::Partial => true,
        FieldsMatch::Exact | FieldsMatch::Equal | FieldsMatch::Superset => false,
    };
    let mut start = 0;
    for ((row, end), spans) in (first_row..).zip(ends).zip(spans.chunks_exact_mut(width)) {
        let line = bytes.get(start..*end).unwrap_or_default();
        start = *end;
        let line = std::str::from_utf8(line).map_err(|_| ReadError::Encoding { row })?;
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let mut unknown = 0;
        let row_seed = Row { fields, cells: &mut cells, spans, seen, unknown: &mut unknown };
        row_seed.deserialize(&mut deserializer).map_err(|_| ReadError::Json { row })?;
        deserializer.end().map_err(|_| ReadError::Json { row })?;
        if unknown > 0 && !may_add {
            return Err(ReadError::ExtraColumns { file: 1, count: unknown });
        }
    }
    let mapping = (0..width).map(Some).collect();
    Ok(CellBlock { bytes: cells, spans, width, rows: ends.len(), ragged: Vec::new(), mapping })
}

struct Row<'a> {
    fields: &'a [FieldPlan],
    cells: &'a mut Vec<u8>,
    spans: &'a mut [(u32, u32)],
    seen: &'a mut [bool],
    unknown: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Writers keep one order of names, so the next field is usually the next name.
        let mut expected = 0;
        while let Some(index) = map.next_key_seed(Name { fields: self.fields, expected })? {
            let Some(index) = index else {
                *self.unknown += 1;
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            expected = index + 1;
            let start = self.cells.len();
            let is_number =
                self.fields.get(index).is_some_and(|field| matches!(field.format, CellFormat::Number { .. }));
            let value: &RawValue = map.next_value()?;
            let present = write_cell(value.get(), is_number, self.cells).map_err(A::Error::custom)?;
            let span = (u32::try_from(start), u32::try_from(self.cells.len()));
            if let (Some(slot), Some(seen)) = (self.spans.get_mut(index), self.seen.get_mut(index)) {
                if *slot != ABSENT {
                    return Err(A::Error::custom("a name occurs twice"));
                }
                *seen = true;
                if let (true, (Ok(from), Ok(to))) = (present, span) {
                    *slot = (from, to);
                }
            }
        }
        Ok(())
    }
}

struct Name<'a> {
    fields: &'a [FieldPlan],
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        if self.fields.get(self.expected).is_some_and(|field| field.source == name) {
            return Ok(Some(self.expected));
        }
        Ok(self.fields.iter().position(|field| field.source == name))
    }
}

/// Appends a value's text; false for null. Numbers keep the holder's digits where a number is wanted;
/// elsewhere 5.0 is 5 and 1e2 is 100, as no two writers agree about whole numbers.
fn write_cell(value: &str, is_number: bool, cells: &mut Vec<u8>) -> Result<bool, &'static str> {
    match value.as_bytes() {
        b"null" => return Ok(false),
        [b'"', text @ .., b'"'] if memchr(b'\\', text).is_none() => cells.extend_from_slice(text),
        [b'"', ..] => {
            let text: String = serde_json::from_str(value).map_err(|_| "not a text")?;
            cells.extend_from_slice(text.as_bytes());
        }
        [b'-' | b'0'..=b'9', rest @ ..] => {
            if is_number || rest.iter().all(u8::is_ascii_digit) {
                cells.extend_from_slice(value.as_bytes());
            } else {
                let number: f64 = serde_json::from_str(value).map_err(|_| "not a number")?;
                write!(cells, "{number}").map_err(|_| "not a number")?;
            }
        }
        b"true" | b"false" => cells.extend_from_slice(value.as_bytes()),
        _ => return Err("a list or an object"),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("null", false, Ok(None))]
    #[case(r#""""#, false, Ok(Some("")))]
    #[case(r#""a,b""#, false, Ok(Some("a,b")))]
    #[case(r#""0\u0032\n\"""#, false, Ok(Some("02\n\"")))]
    #[case("-12", false, Ok(Some("-12")))]
    #[case("5.0", false, Ok(Some("5")))]
    #[case("1e2", false, Ok(Some("100")))]
    #[case("1E2", true, Ok(Some("1E2")))]
    #[case("0.10", true, Ok(Some("0.10")))]
    #[case("1e999", false, Err("not a number"))]
    #[case("true", false, Ok(Some("true")))]
    #[case("[1]", false, Err("a list or an object"))]
    #[case("{}", true, Err("a list or an object"))]
    fn a_value_is_taken_by_its_text(
        #[case] value: &str,
        #[case] is_number: bool,
        #[case] expected: Result<Option<&str>, &str>,
    ) {
        let mut cells = Vec::new();
        let written = write_cell(value, is_number, &mut cells);
        let text = written.map(|present| present.then(|| String::from_utf8(cells).unwrap()));
        assert_eq!(text, expected.map(|text| text.map(str::to_owned)));
    }
}
