//! Parquet files. They need random access, so the digest is computed in a first pass; whatever is
//! read afterwards is compared with what passed by (`verified_file`), page by page within
//! a budget of memory (`page_budget`).
//!
//! Text is decoded as views, which repeat a value of the dictionary without copying it,
//! and copied in slices no larger than a block: a few bytes that stand for a million long
//! texts never take the room of a million texts.
//!
//! That text is UTF-8 is believed of nobody: a file can call any bytes a text, and the library looks at
//! whole pages, where halves of a character in two values look like one. So values stay bytes until each is checked.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringViewArray, new_null_array};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use oscar_permit::LogicalType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::ConvertedType;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::Type;

use super::ReadError;
use super::block::{BLOCK_BYTES, BLOCK_ROWS, Block, LONGEST_RECORD, RawBlock};
use super::columns::Columns;
use super::csv::match_columns;
use super::page_budget::PageBudget;
use super::source::{BlockSink, Source};
use super::verified_file::{BlockHashes, VerifiedFile};
use crate::check::{Fault, Rule};
use crate::package::{FieldPlan, ResourcePlan};

/// Bytes of values that have a fixed width, per block, about.
const FIXED_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of such a value, and of a view.
const FIXED_WIDTH: usize = 16;
/// Rows per batch where every value may repeat the whole value before.
const ROWS_WITH_PREFIXES: usize = 64;
/// The longest description of a file at its end.
const LONGEST_FOOTER: u32 = 32 * 1024 * 1024;

/// Reads one file; `rows` were read before it. Returns the rows read now.
pub(super) fn read(
    plan: &ResourcePlan,
    source: &mut Source,
    rows: u64,
    sink: &mut dyn BlockSink,
) -> Result<u64, ReadError> {
    let number = source.number();
    let unreadable = |_| ReadError::Parquet { file: number };
    // The whole file is hashed before a byte of it is interpreted.
    let mut hashes = BlockHashes::default();
    loop {
        let bytes = source.fill()?;
        let length = bytes.len();
        if length == 0 {
            break;
        }
        hashes.update(bytes);
        source.consume(length);
    }
    source.compare_digest()?;
    let file = hashes.of(source.opened()?);
    let reader = open(plan, &file, number)?;
    let mut rows = rows;
    for batch in reader {
        let batch = batch.map_err(unreadable)?;
        for slice in slices(&batch).map_err(|row| too_long(rows + row))? {
            let batch = copied(&batch.slice(slice.start, slice.len()), rows + 1)?;
            let count = batch.num_rows() as u64;
            let content = RawBlock::Batch { batch, file: number };
            sink.send(Block { first_row: rows + 1, bytes_read: source.bytes_read(), content })?;
            rows += count;
        }
    }
    Ok(rows)
}

const fn too_long(row: u64) -> ReadError {
    ReadError::TooLong { row: row + 1, limit: LONGEST_RECORD }
}

/// Opens a hashed file on the columns of the plan.
fn open(plan: &ResourcePlan, file: &VerifiedFile, number: usize) -> Result<ParquetRecordBatchReader, ReadError> {
    let unreadable = |_| ReadError::Parquet { file: number };
    check_footer(file).ok_or(ReadError::Parquet { file: number })?;
    let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(unreadable)?;
    let schema = with_views(metadata.schema());
    let columns = metadata.parquet_schema().root_schema().get_fields();
    let header: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mapping = match_columns(&plan.fields, &header, plan.matching, number)?;
    // Nothing is decoded of a column that is of another type.
    for (field, place) in plan.fields.iter().zip(mapping.iter()) {
        let stored = place.and_then(|place| Some((schema.fields().get(place)?, columns.get(place)?)));
        let fits = |stored: &DataType, column: &Type| {
            let wanted = field.format.logical_type();
            accepts(wanted, stored) && (wanted != LogicalType::String || is_text(column))
        };
        if stored.is_some_and(|(stored, column)| !fits(stored.data_type(), column)) {
            return Err(ReadError::ColumnType { file: number, field: field.source.clone() });
        }
    }
    let budget = PageBudget::new(file.clone(), metadata.metadata()).map_err(unreadable)?;
    let most = if budget.has_prefixes() { ROWS_WITH_PREFIXES } else { BLOCK_ROWS };
    let rows = (FIXED_BYTES / FIXED_WIDTH / plan.fields.len().max(1)).clamp(1, most);
    let options = ArrowReaderOptions::new().with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(unreadable)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(budget, metadata);
    let mask = ProjectionMask::roots(builder.parquet_schema(), mapping.iter().flatten().copied());
    builder.with_projection(mask).with_batch_size(rows).build().map_err(unreadable)
}

/// The last eight bytes are the length of the description before them, and a mark.
fn check_footer(file: &VerifiedFile) -> Option<()> {
    let end = file.get_bytes(file.len().checked_sub(8)?, 8).ok()?;
    let length = u32::from_le_bytes(*end.first_chunk()?);
    (length <= LONGEST_FOOTER).then_some(())
}

/// Whether a column is text by the file's own description, whatever the schema of its writer calls it.
fn is_text(column: &Type) -> bool {
    column.is_primitive() && column.get_basic_info().converted_type() == ConvertedType::UTF8
}

/// The schema with text as views, and what is stored as a dictionary by its values.
fn with_views(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let stored = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        let wanted = match stored {
            DataType::Utf8 | DataType::LargeUtf8 => &DataType::Utf8View,
            other => other,
        };
        Field::new(field.name(), wanted.clone(), field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Ranges of rows whose text fits into a block; the error is a row that is longer than any real one.
fn slices(batch: &RecordBatch) -> Result<Vec<Range<usize>>, u64> {
    let mut sizes = vec![0_usize; batch.num_rows()];
    for views in batch.columns().iter().filter_map(|column| column.as_string_view_opt()) {
        for (size, view) in sizes.iter_mut().zip(views.views()) {
            // The lower half of a quarter of a view is the length.
            *size += usize::try_from(*view & u128::from(u32::MAX)).unwrap_or(usize::MAX);
        }
    }
    let mut slices = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (row, size) in sizes.into_iter().enumerate() {
        if size > LONGEST_RECORD {
            return Err(row as u64);
        }
        if row > start && bytes + size > BLOCK_BYTES {
            slices.push(start..row);
            (start, bytes) = (row, 0);
        }
        bytes += size;
    }
    if start < batch.num_rows() {
        slices.push(start..batch.num_rows());
    }
    Ok(slices)
}

/// The batch with its text checked and copied out of the pages.
fn copied(batch: &RecordBatch, first_row: u64) -> Result<RecordBatch, ReadError> {
    let columns = batch.columns().iter().zip(batch.schema_ref().fields());
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .map(|(column, field)| match column.as_string_view_opt() {
            Some(views) => {
                let field = Field::new(field.name(), DataType::Utf8, field.is_nullable());
                checked_texts(views, first_row).map(|texts| (field, Arc::new(texts) as ArrayRef))
            }
            None => Ok((field.as_ref().clone(), Arc::clone(column))),
        })
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|_| ReadError::Interrupted)
}

/// Texts from views that nobody has checked; the first is of row `first_row`.
fn checked_texts(views: &StringViewArray, first_row: u64) -> Result<StringArray, ReadError> {
    let values = views.clone().to_binary_view();
    let mut bytes: Vec<u8> = Vec::new();
    let mut ends: Vec<i32> = Vec::with_capacity(values.len() + 1);
    ends.push(0);
    for value in &values {
        bytes.extend_from_slice(value.unwrap_or_default());
        ends.push(i32::try_from(bytes.len()).map_err(|_| ReadError::Interrupted)?);
    }
    let (offsets, nulls) = (OffsetBuffer::new(ScalarBuffer::from(ends)), values.nulls().cloned());
    // All bytes are looked at once, and then that no value begins within a character.
    StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls).map_err(|_| {
        let is_text = |value: Option<&[u8]>| value.is_none_or(|value| std::str::from_utf8(value).is_ok());
        let before = values.iter().take_while(|value| is_text(*value)).count();
        ReadError::Encoding { row: first_row + before as u64 }
    })
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
    match wanted {
        LogicalType::String => matches!(stored, DataType::Utf8 | DataType::Utf8View),
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
