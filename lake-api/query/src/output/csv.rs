//! CSV after RFC 4180, with `\n` between lines.
//!
//! An absent key is an empty field and empty text is `""`. Text that a spreadsheet could
//! take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) gets
//! an apostrophe before it: people open results in spreadsheets, and a code list is data
//! that somebody else wrote. JSON and Parquet carry the text unchanged.

use oscar_vetting::{KeyValue, SUPPRESSION_MARK};

use super::value::value_at;
use super::{OutputColumn, OutputTable};
use crate::gate::OutputRole;

impl OutputTable {
    /// The table as CSV.
    #[must_use]
    pub fn to_csv(&self) -> Vec<u8> {
        let mut text = String::new();
        let names: Vec<String> = self.columns.iter().map(|column| field(&column.name)).collect();
        text.push_str(&names.join(","));
        text.push('\n');
        for row in 0..self.rows.num_rows() {
            let fields: Vec<String> = self
                .columns
                .iter()
                .zip(self.rows.columns())
                .map(|(column, array)| csv_value(column, &value_at(array, row)))
                .collect();
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text.into_bytes()
    }
}

fn csv_value(column: &OutputColumn, value: &KeyValue) -> String {
    match (value, column.role) {
        (KeyValue::Null, OutputRole::Measure) => SUPPRESSION_MARK.to_owned(),
        (KeyValue::Null, OutputRole::Key) => String::new(),
        (KeyValue::Text(text), _) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => field(&format!("'{text}")),
        (KeyValue::Text(text), _) => field(text),
        (other, _) => other.canonical().unwrap_or_default(),
    }
}

fn field(text: &str) -> String {
    let quoted = text.is_empty()
        || text.contains([',', '"', '\n', '\r', ';'])
        || text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace);
    if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
