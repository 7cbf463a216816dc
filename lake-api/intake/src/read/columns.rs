//! From cells of text to columns of the declared types.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
    new_null_array,
};

use super::block::CellBlock;
use crate::check::{Fault, Rule};
use crate::package::{Cell, CellFormat, Encoding, FieldPlan};

/// Columns in the order of the fields, and what was wrong on the way.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) arrays: Vec<ArrayRef>,
    pub(crate) rows: usize,
    pub(crate) faults: Vec<Fault>,
}

/// Converts a block. A cell that is not of its type becomes null and a fault.
pub(crate) fn columns_of_cells(fields: &[FieldPlan], encoding: Encoding, block: &CellBlock) -> Columns {
    let mut faults: Vec<Fault> =
        block.ragged.iter().map(|row| Fault { row: *row, field: None, rule: Rule::CellCount }).collect();
    let arrays = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let place = block.mapping.get(index).copied().flatten();
            match place {
                Some(place) => column(index, field, encoding, block, place, &mut faults),
                None => new_null_array(&oscar_lake::arrow_type(field.format.logical_type()), block.rows),
            }
        })
        .collect();
    Columns { arrays, rows: block.rows, faults }
}

/// Appends every cell of a column to a builder.
macro_rules! build {
    ($builder:expr, $cells:expr, $parse:expr, $pattern:pat => $value:expr, $fault:expr) => {{
        let mut builder = $builder;
        for (row, cell) in (0u32..).zip($cells) {
            match cell {
                None => builder.append_null(),
                Some(text) => match $parse(text) {
                    Some($pattern) => builder.append_value($value),
                    _ => {
                        builder.append_null();
                        $fault(row);
                    }
                },
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

fn column(
    index: usize,
    field: &FieldPlan,
    encoding: Encoding,
    block: &CellBlock,
    place: usize,
    faults: &mut Vec<Fault>,
) -> ArrayRef {
    let rows = block.rows;
    let format = &field.format;
    let mut fault = |row| faults.push(Fault { row, field: Some(index), rule: Rule::Type });
    let present = block.column(place).map(|cell| cell.filter(|cell| !is_missing(&field.missing, cell)));
    if let CellFormat::Text = format {
        return text_column(present, rows, encoding, fault);
    }
    // Numbers, dates and words for true are ASCII in every encoding taken here.
    let parse = |bytes: &[u8]| -> Option<Cell<'static>> {
        match format.parse(std::str::from_utf8(bytes).ok()?)? {
            Cell::Text(_) => None,
            Cell::Boolean(value) => Some(Cell::Boolean(value)),
            Cell::Integer(value) => Some(Cell::Integer(value)),
            Cell::Number(value) => Some(Cell::Number(value)),
            Cell::Date(value) => Some(Cell::Date(value)),
            Cell::Datetime(value) => Some(Cell::Datetime(value)),
        }
    };
    match format {
        CellFormat::Integer { .. } | CellFormat::Text => {
            build!(Int64Builder::with_capacity(rows), present, parse, Cell::Integer(v) => v, fault)
        }
        CellFormat::Number { .. } => {
            build!(Float64Builder::with_capacity(rows), present, parse, Cell::Number(v) => v, fault)
        }
        CellFormat::Boolean { .. } => {
            build!(BooleanBuilder::with_capacity(rows), present, parse, Cell::Boolean(v) => v, fault)
        }
        CellFormat::Date(_) => {
            build!(Date32Builder::with_capacity(rows), present, parse, Cell::Date(v) => v, fault)
        }
        CellFormat::Datetime(_) => {
            let builder = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
            build!(builder, present, parse, Cell::Datetime(v) => v, fault)
        }
    }
}

fn is_missing(words: &[String], cell: &[u8]) -> bool {
    words.iter().any(|word| word.as_bytes() == cell)
}

fn text_column<'a>(
    cells: impl Iterator<Item = Option<&'a [u8]>>,
    rows: usize,
    encoding: Encoding,
    mut fault: impl FnMut(u32),
) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * 8);
    for (row, cell) in (0u32..).zip(cells) {
        let Some(cell) = cell else {
            builder.append_null();
            continue;
        };
        let text = match encoding {
            Encoding::Utf8 => std::str::from_utf8(cell).ok().map(Cow::Borrowed),
            Encoding::Windows1252 => Some(encoding_rs::WINDOWS_1252.decode_without_bom_handling(cell).0),
        };
        if let Some(text) = text {
            builder.append_value(text);
        } else {
            builder.append_null();
            fault(row);
        }
    }
    Arc::new(builder.finish())
}
