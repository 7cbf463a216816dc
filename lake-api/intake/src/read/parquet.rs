//! Parquet files. They need random access, so the digest is computed in a first pass over
//! the same bytes, and the second pass reads the same open place on the disk.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type};
use oscar_permit::LogicalType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::ReadError;
use super::block::{BLOCK_ROWS, Block, RawBlock};
use super::columns::Columns;
use super::csv::match_columns;
use super::source::{BlockSink, Source};
use crate::check::{Fault, Rule};
use crate::package::{FieldPlan, FilePlan, ResourcePlan};

/// Reads one file; `rows` were read before it. Returns the rows read now.
pub(super) fn read(
    plan: &ResourcePlan,
    file: &FilePlan,
    source: &mut Source,
    rows: u64,
    sink: &mut dyn BlockSink,
) -> Result<u64, ReadError> {
    let number = source.number();
    // The whole file is hashed before a byte of it is interpreted.
    loop {
        let length = source.fill()?.len();
        if length == 0 {
            break;
        }
        source.consume(length);
    }
    let handle = File::open(&file.path).map_err(|source| ReadError::Io { file: number, source })?;
    let unreadable = || ReadError::Parquet { file: number };
    let builder = ParquetRecordBatchReaderBuilder::try_new(handle).map_err(|_| unreadable())?;
    let header: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mapping = match_columns(&plan.fields, &header, plan.matching, number)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), mapping.iter().flatten().copied());
    let reader = builder.with_projection(mask).with_batch_size(BLOCK_ROWS).build().map_err(|_| unreadable())?;
    let mut rows = rows;
    for batch in reader {
        let batch = batch.map_err(|_| unreadable())?;
        let count = batch.num_rows() as u64;
        let content = RawBlock::Batch { batch, file: number };
        sink.send(Block { first_row: rows + 1, bytes_read: source.bytes_read(), content })?;
        rows += count;
    }
    Ok(rows)
}

/// Brings a batch into the declared types. A number that is not finite becomes null and a fault.
pub(crate) fn columns_of_batch(fields: &[FieldPlan], batch: &RecordBatch, file: usize) -> Result<Columns, ReadError> {
    let mut faults = Vec::new();
    let mut arrays = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let wanted = oscar_lake::arrow_type(field.format.logical_type());
        let wrong = || ReadError::ColumnType { file, field: field.source.clone() };
        arrays.push(match batch.column_by_name(&field.source) {
            None => new_null_array(&wanted, batch.num_rows()),
            Some(array) if accepts(field.format.logical_type(), array.data_type()) => {
                let options = CastOptions { safe: false, ..CastOptions::default() };
                let array = cast_with_options(array, &wanted, &options).map_err(|_| wrong())?;
                finite(array, index, &mut faults)
            }
            Some(_) => return Err(wrong()),
        });
    }
    Ok(Columns { arrays, rows: batch.num_rows(), faults })
}

/// Which stored types become which declared type without a guess.
fn accepts(wanted: LogicalType, stored: &DataType) -> bool {
    let stored = match stored {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    match wanted {
        LogicalType::String => matches!(stored, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        LogicalType::Integer => stored.is_integer(),
        LogicalType::Number => stored.is_numeric(),
        LogicalType::Boolean => matches!(stored, DataType::Boolean),
        LogicalType::Date => matches!(stored, DataType::Date32 | DataType::Date64),
        LogicalType::Datetime => matches!(stored, DataType::Timestamp(..)),
    }
}

fn finite(array: ArrayRef, index: usize, faults: &mut Vec<Fault>) -> ArrayRef {
    let Some(numbers) = array.as_primitive_opt::<Float64Type>() else { return array };
    if numbers.iter().flatten().all(f64::is_finite) {
        return array;
    }
    for (row, number) in (0u32..).zip(numbers) {
        if number.is_some_and(|number| !number.is_finite()) {
            faults.push(Fault { row, field: Some(index), rule: Rule::Type });
        }
    }
    let kept: arrow::array::Float64Array =
        numbers.iter().map(|number| number.filter(|number| number.is_finite())).collect();
    Arc::new(kept)
}
