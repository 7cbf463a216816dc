//! The result as it leaves: a table in canonical bytes.
//!
//! The same release gives the same bytes, on every machine and in every year: rows are in
//! the order the plan gave them, numbers have one form, and no file carries a time, a host
//! or a program version. A suppressed measure is `..` in CSV and `null` in JSON and
//! Parquet.

mod csv;
mod json;
mod parquet;
mod value;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};

use crate::gate::OutputRole;

pub use self::json::OutputJsonError;
pub use self::parquet::OutputParquetError;

/// A column of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Boolean, Int64, Float64, Utf8, Date32 or Timestamp(µs, UTC).
    pub data_type: DataType,
    /// Key or measure.
    pub role: OutputRole,
}

/// The result.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputTable {
    columns: Vec<OutputColumn>,
    rows: RecordBatch,
}

impl OutputTable {
    /// `None` when columns and arrays do not fit.
    pub(crate) fn new(columns: Vec<OutputColumn>, arrays: Vec<ArrayRef>, rows: usize) -> Option<Self> {
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).ok()?;
        Some(Self { columns, rows })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[OutputColumn] {
        &self.columns
    }

    /// The rows; column by column as [`Self::columns`] says.
    #[must_use]
    pub const fn rows(&self) -> &RecordBatch {
        &self.rows
    }
}
