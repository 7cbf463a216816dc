//! The table that may be shown: rounded values and one mark for everything hidden.

use serde::{Deserialize, Serialize};

use crate::{AggregateSpec, KeyColumn, KeyValue, OrderedF64};

/// What a hidden cell looks like in text output, whatever the reason; JSON shows `null`.
pub const SUPPRESSION_MARK: &str = "..";

/// A judged table. Its rows are sorted by grouping set and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VettedTable {
    /// The grouping keys.
    pub keys: Vec<KeyColumn>,
    /// The aggregates.
    pub aggregates: Vec<AggregateSpec>,
    /// The rows; none when the release is refused.
    pub rows: Vec<VettedRow>,
    /// What a reader must know. The notes depend on the statement and the profile only.
    pub notes: Vec<Note>,
}

impl VettedTable {
    /// How many figures it shows or hides; a row without aggregates says one thing, that its group exists.
    #[must_use]
    pub fn figures(&self) -> usize {
        figures(self.rows.len(), self.aggregates.len())
    }
}

pub(crate) fn figures(rows: usize, aggregates: usize) -> usize {
    rows.saturating_mul(aggregates.max(1))
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VettedRow {
    /// Index of the grouping set the row belongs to.
    pub grouping_set: usize,
    /// One value per key; `Null` for keys outside the grouping set.
    pub key: Vec<KeyValue>,
    /// One value per aggregate; `None` is hidden.
    pub values: Vec<Option<VettedValue>>,
}

/// A value that may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VettedValue {
    /// A rounded count.
    Count(u64),
    /// A sum or mean with few significant digits.
    Decimal(OrderedF64),
}

impl VettedValue {
    /// The value as a number.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Decimal(value) => value.get(),
        }
    }

    /// The canonical text: digits, a point, no exponent, no grouping.
    #[must_use]
    pub fn canonical(self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Decimal(value) => value.to_string(),
        }
    }

    /// The value as a JSON number.
    #[must_use]
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Self::Count(count) => count.into(),
            Self::Decimal(value) => {
                serde_json::Number::from_f64(value.get()).map_or(serde_json::Value::Null, serde_json::Value::Number)
            }
        }
    }
}

/// Text of a cell in CSV and on a terminal.
#[must_use]
pub fn cell_text(value: Option<VettedValue>) -> String {
    value.map_or_else(|| SUPPRESSION_MARK.to_owned(), VettedValue::canonical)
}

/// A remark under the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// Counts are multiples of this number.
    CountsRoundedTo(u32),
    /// Sums and means have this many significant digits.
    SignificantDigits(u32),
    /// Means are sums divided by rounded counts.
    MeansFromRoundedCounts,
    /// [`SUPPRESSION_MARK`] stands for cells that are empty or too small, alike.
    HiddenCells,
    /// Groups that are empty or too small are not listed.
    SmallGroupsNotListed,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CountsRoundedTo(base) => write!(f, "Counts are rounded to the nearest multiple of {base}."),
            Self::SignificantDigits(digits) => write!(f, "Sums and means have {digits} significant digits."),
            Self::MeansFromRoundedCounts => f.write_str("Means are sums divided by rounded counts."),
            Self::HiddenCells => {
                write!(f, "{SUPPRESSION_MARK} stands for a cell that is not shown; zero and small cells look alike.")
            }
            Self::SmallGroupsNotListed => f.write_str("Groups that are empty or small are not listed."),
        }
    }
}
