//! A permit's row filter: a small, typed predicate instead of SQL text.
//!
//! Only comparisons of one column with literals exist, so a filter cannot fail on a
//! row, cannot call a function and can be read by the person who signs the permit.
//! A comparison with an absent (null) cell is not true, and the row stays hidden.

use serde::{Deserialize, Serialize};

use crate::written::{written, written_or_absent};
use crate::{ColumnName, Value};

/// All conditions must hold. Empty means every row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowFilter(pub Vec<Condition>);

/// One condition on one column. Exactly one of the comparisons is given, or `from`
/// and `until` together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// The column compared.
    pub column: ColumnName,
    /// The cell equals one of these.
    #[serde(default, rename = "in", deserialize_with = "written", skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<Value>,
    /// The cell is none of these, and present.
    #[serde(default, deserialize_with = "written", skip_serializing_if = "Vec::is_empty")]
    pub not_in: Vec<Value>,
    /// The cell is this or greater.
    #[serde(default, deserialize_with = "written_or_absent", skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The cell is less than this.
    #[serde(default, deserialize_with = "written_or_absent", skip_serializing_if = "Option::is_none")]
    pub until: Option<Value>,
}

/// Why a row filter is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFilterError {
    /// A condition compares nothing, or in two ways at once.
    #[error("the row filter on column {0} must give 'in', or 'notIn', or 'from' and/or 'until'")]
    Comparison(ColumnName),
}

impl RowFilter {
    /// Checks that every condition says exactly one thing.
    ///
    /// # Errors
    /// Names the column of the first condition that does not.
    pub fn validate(&self) -> Result<(), RowFilterError> {
        for condition in &self.0 {
            let Condition { column, any_of, not_in, from, until } = condition;
            let ranges = from.is_some() || until.is_some();
            let ways = usize::from(!any_of.is_empty()) + usize::from(!not_in.is_empty()) + usize::from(ranges);
            if ways != 1 {
                return Err(RowFilterError::Comparison(column.clone()));
            }
        }
        Ok(())
    }

    /// The columns the filter reads.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnName> {
        self.0.iter().map(|condition| &condition.column)
    }
}
