//! JSON in canonical form (RFC 8785).
//!
//! `{"columns":[{"name":…,"role":"key"|"measure","type":…}],"rows":[[…],…]}`. Dates and
//! times are ISO 8601 text; a suppressed measure is `null`.

use arrow::datatypes::DataType;
use serde::Serialize;

use super::OutputTable;
use super::value::value_at;
use crate::gate::OutputRole;

/// The table has no canonical JSON form.
#[derive(Debug, thiserror::Error)]
#[error("the result has no canonical JSON form")]
pub struct OutputJsonError(#[from] oscar_permit::CanonicalError);

#[derive(Serialize)]
struct Table<'a> {
    columns: Vec<Column<'a>>,
    rows: Vec<Vec<serde_json::Value>>,
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    role: OutputRole,
    #[serde(rename = "type")]
    data_type: &'static str,
}

impl OutputTable {
    /// The table as canonical JSON.
    ///
    /// # Errors
    /// When a number has no JSON form.
    pub fn to_json(&self) -> Result<Vec<u8>, OutputJsonError> {
        let columns = self.columns.iter().map(|column| Column {
            name: &column.name,
            role: column.role,
            data_type: type_name(&column.data_type),
        });
        let row = |row: usize| self.rows.columns().iter().map(|array| value_at(array, row).to_json()).collect();
        let table = Table { columns: columns.collect(), rows: (0..self.rows.num_rows()).map(row).collect() };
        Ok(oscar_permit::canonical_json(&table)?)
    }
}

/// The name of a type, as contracts write it.
fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int64 => "integer",
        DataType::Float64 => "number",
        DataType::Date32 => "date",
        DataType::Timestamp(_, _) => "datetime",
        _ => "string",
    }
}
