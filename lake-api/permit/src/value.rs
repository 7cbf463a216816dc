//! Literal values in row filters, code lists and structural zeros.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// One literal. JSON and YAML carry dates as text (`2020-01-31`); a text of that form is
/// kept as text here and compared by the column's own type where it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// true or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Number(f64),
    /// Text, a code or an ISO 8601 date.
    Text(String),
}

impl Value {
    /// The value as a date, when it is text of the form `YYYY-MM-DD`.
    #[must_use]
    pub fn as_date(&self) -> Option<NaiveDate> {
        match self {
            Self::Text(text) => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(),
            Self::Boolean(_) | Self::Integer(_) | Self::Number(_) => None,
        }
    }
}
