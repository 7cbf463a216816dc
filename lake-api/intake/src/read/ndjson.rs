//! Newline-delimited JSON: one object per line, plain values only.
//!
//! A value is taken by its text: `5` and `"5"` are the same cell, `null` and an absent name
//! are both no cell. Lists and objects inside are refused, because flattening them would be
//! a guess. Strings that need no unescaping are copied once, from the line into the block.

use std::fmt;
use std::io::Write;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::ReadError;
use super::block::{ABSENT, BLOCK_BYTES, BLOCK_ROWS, Block, CellBlock, LONGEST_RECORD, RawBlock};
use super::source::{BlockSink, Source};
use crate::package::{FieldPlan, FieldsMatch};

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
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
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
            let present = map.next_value_seed(CellText(self.cells))?;
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

/// Appends a value's text; false for null.
struct CellText<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for CellText<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl CellText<'_> {
    fn write<E: Error>(self, value: impl fmt::Display) -> Result<bool, E> {
        write!(self.0, "{value}").map_err(E::custom).map(|()| true)
    }
}

impl Visitor<'_> for CellText<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        self.0.extend_from_slice(text.as_bytes());
        Ok(true)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
        self.write(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        self.write(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
        self.write(number)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        self.write(flag)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}
