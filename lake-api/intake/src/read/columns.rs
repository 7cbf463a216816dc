//! From cells of text to columns of the declared types.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, NullBufferBuilder, StringArray,
    TimestampMicrosecondBuilder, new_null_array,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::block::{CellBlock, CellText};
use crate::check::{Fault, Rule};
use crate::package::{Cell, CellFormat, Encoding, FieldPlan};

/// Texts up to this length are copied without a look at it.
const PIECE: usize = 16;

/// Columns in the order of the fields, and what was wrong on the way.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) arrays: Vec<ArrayRef>,
    pub(crate) rows: usize,
    pub(crate) faults: Vec<Fault>,
}

/// Converts a block. A cell that is not of its type becomes null and a fault.
pub(crate) fn columns_of_cells(fields: &[FieldPlan], encoding: Encoding, block: CellBlock) -> Columns {
    let mut faults: Vec<Fault> =
        block.ragged.iter().map(|row| Fault { row: *row, field: None, rule: Rule::CellCount }).collect();
    let block = CellBlock { text: block.text.understood(encoding), ..block };
    let texts = Texts { block: &block, encoding };
    let arrays = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let place = block.mapping.get(index).copied().flatten();
            match place {
                Some(place) => column(index, field, &texts, place, &mut faults),
                None => new_null_array(&oscar_lake::arrow_type(field.format.logical_type()), block.rows),
            }
        })
        .collect();
    Columns { arrays, rows: block.rows, faults }
}

/// The cells of a block as text.
struct Texts<'a> {
    block: &'a CellBlock,
    encoding: Encoding,
}

impl<'a> Texts<'a> {
    /// The present cells of a column of bytes; `Some(None)` for one that is not of the encoding.
    fn column(
        &self,
        all: &'a [u8],
        place: usize,
        missing: Missing<'_>,
    ) -> impl Iterator<Item = Option<Option<Cow<'a, str>>>> {
        self.block.column(place).map(move |span| {
            let bytes = all.get(span?).unwrap_or_default();
            (!missing.is(bytes)).then(|| self.text(bytes))
        })
    }

    fn text(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        match self.encoding {
            Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Encoding::Windows1252 => Some(encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0),
        }
    }
}

/// The present cells of a column in a block that is text; `Some(None)` for one that cuts a character.
fn text_cells<'a>(
    all: &'a str,
    block: &'a CellBlock,
    place: usize,
    missing: Missing<'a>,
) -> impl Iterator<Item = Option<Option<&'a str>>> {
    block.column(place).map(move |span| {
        let text = all.get(span?);
        (!text.is_some_and(|text| missing.is(text.as_bytes()))).then_some(text)
    })
}

/// The words of a field for no value; the empty one, which nearly every field has, apart.
struct Missing<'a> {
    empty: bool,
    words: Vec<&'a [u8]>,
}

impl<'a> Missing<'a> {
    fn of(words: &'a [Vec<u8>]) -> Self {
        let words = words.iter().map(Vec::as_slice);
        Self { empty: words.clone().any(<[u8]>::is_empty), words: words.filter(|word| !word.is_empty()).collect() }
    }

    fn is(&self, cell: &[u8]) -> bool {
        if cell.is_empty() { self.empty } else { self.words.contains(&cell) }
    }
}

/// Appends every cell of a column to a builder.
macro_rules! build {
    ($builder:expr, $cells:expr, $format:expr, $pattern:pat => $value:expr, $fault:expr) => {{
        let (mut builder, mut row) = ($builder, 0u32);
        // Unlike a loop over their next ones, the cells' own is compiled as one.
        $cells.for_each(|cell| {
            let text = cell.as_ref().map(|text| text.as_ref().map(AsRef::as_ref));
            match text.map(|text| $format.parse(text?)) {
                None => builder.append_null(),
                Some(Some($pattern)) => builder.append_value($value),
                Some(_) => {
                    builder.append_null();
                    $fault(row);
                }
            }
            row += 1;
        });
        Arc::new(builder.finish()) as ArrayRef
    }};
}

fn column(index: usize, field: &FieldPlan, texts: &Texts<'_>, place: usize, faults: &mut Vec<Fault>) -> ArrayRef {
    let rows = texts.block.rows;
    let fault = |row| faults.push(Fault { row, field: Some(index), rule: Rule::Type });
    let missing = Missing::of(&field.missing);
    match &texts.block.text {
        CellText::Utf8(all) if field.format == CellFormat::Text => {
            copied_text_column(all, texts.block, place, &missing, fault)
        }
        CellText::Utf8(all) => typed_column(&field.format, rows, text_cells(all, texts.block, place, missing), fault),
        CellText::Bytes(all) => typed_column(&field.format, rows, texts.column(all, place, missing), fault),
    }
}

/// A column of the format's type; `Some(None)` is a cell that is no text.
fn typed_column<T: AsRef<str>>(
    format: &CellFormat,
    rows: usize,
    cells: impl Iterator<Item = Option<Option<T>>>,
    mut fault: impl FnMut(u32),
) -> ArrayRef {
    match format {
        CellFormat::Text => text_column(cells, rows, fault),
        CellFormat::Integer { .. } => {
            build!(Int64Builder::with_capacity(rows), cells, format, Cell::Integer(v) => v, fault)
        }
        CellFormat::Number { .. } => {
            build!(Float64Builder::with_capacity(rows), cells, format, Cell::Number(v) => v, fault)
        }
        CellFormat::Boolean { .. } => {
            build!(BooleanBuilder::with_capacity(rows), cells, format, Cell::Boolean(v) => v, fault)
        }
        CellFormat::Date(_) => build!(Date32Builder::with_capacity(rows), cells, format, Cell::Date(v) => v, fault),
        CellFormat::Datetime(_) => {
            let builder = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
            build!(builder, cells, format, Cell::Datetime(v) => v, fault)
        }
    }
}

fn copied_text_column(
    all: &str,
    block: &CellBlock,
    place: usize,
    missing: &Missing<'_>,
    fault: impl FnMut(u32),
) -> ArrayRef {
    let mut texts = TextBuilder::new(block.rows);
    let is_present = |span: &Range<usize>| all.as_bytes().get(span.clone()).is_some_and(|cell| !missing.is(cell));
    block.column(place).for_each(|span| match span.filter(is_present) {
        Some(span) => texts.push_from(all.as_bytes(), span),
        None => texts.push_null(),
    });
    texts.finish(fault)
}

fn text_column<T: AsRef<str>>(
    cells: impl Iterator<Item = Option<Option<T>>>,
    rows: usize,
    mut fault: impl FnMut(u32),
) -> ArrayRef {
    let (mut texts, mut row) = (TextBuilder::new(rows), 0u32);
    cells.for_each(|cell| {
        if let Some(Some(text)) = &cell {
            texts.push(text.as_ref());
        } else {
            texts.push_null();
            if cell.is_some() {
                fault(row);
            }
        }
        row += 1;
    });
    texts.finish(fault)
}

/// A column of texts under construction; its bytes are checked once, as a whole.
struct TextBuilder {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    /// Texts since the last null.
    present: usize,
}

impl TextBuilder {
    fn new(rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { bytes: Vec::with_capacity(rows * 8), ends, nulls: NullBufferBuilder::new(rows), present: 0 }
    }

    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.present += 1;
        self.ends.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }

    /// Pushes a part of a text. A short one is copied with whatever is behind it, which is cut off again:
    /// a copy whose length is known beforehand takes no call.
    fn push_from(&mut self, all: &[u8], span: Range<usize>) {
        let piece = all.get(span.start..).and_then(|rest| rest.first_chunk::<PIECE>());
        match piece {
            Some(piece) if span.len() <= PIECE => {
                let end = self.bytes.len() + span.len();
                self.bytes.extend_from_slice(piece);
                self.bytes.truncate(end);
            }
            _ => self.bytes.extend_from_slice(all.get(span).unwrap_or_default()),
        }
        self.present += 1;
        self.ends.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }

    fn push_null(&mut self) {
        self.nulls.append_n_non_nulls(std::mem::take(&mut self.present));
        self.nulls.append_null();
        self.ends.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }

    /// The column. Beyond two gigabytes, which the reader lets no block have, every row is a fault.
    fn finish(mut self, fault: impl FnMut(u32)) -> ArrayRef {
        let rows = self.ends.len() - 1;
        self.nulls.append_n_non_nulls(self.present);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        let column = StringArray::try_new(offsets, Buffer::from_vec(self.bytes), self.nulls.finish());
        column.map_or_else(
            |_| {
                (0u32..).take(rows).for_each(fault);
                new_null_array(&DataType::Utf8, rows)
            },
            |column| Arc::new(column) as ArrayRef,
        )
    }
}
