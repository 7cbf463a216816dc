//! What can be wrong with a row.

use std::fmt;

/// One broken rule of one row of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Position in the block, from 0.
    pub(crate) row: u32,
    /// Position of the field in the schema; `None` for the row as a whole.
    pub(crate) field: Option<usize>,
    pub(crate) rule: Rule,
}

/// The rules of a row, with the names under which the quarantine and reports show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Too few or too many cells.
    CellCount,
    /// Not of the declared type or format.
    Type,
    /// Absent and required.
    Required,
    /// Not among the values or codes listed.
    Enum,
    /// Does not match the pattern.
    Pattern,
    /// Below the minimum or above the maximum.
    Range,
    /// Too short or too long.
    Length,
    /// A date before 1850 or after tomorrow.
    PlausibleDate,
    /// The primary key is absent or occurs twice.
    PrimaryKey,
    /// A unique value occurs twice.
    Unique,
    /// Refers to nothing.
    ForeignKey,
    /// The person key is not a valid person number or identifier.
    PersonKey,
}

impl Rule {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CellCount => "cell-count",
            Self::Type => "type",
            Self::Required => "required",
            Self::Enum => "enum",
            Self::Pattern => "pattern",
            Self::Range => "range",
            Self::Length => "length",
            Self::PlausibleDate => "plausible-date",
            Self::PrimaryKey => "primary-key",
            Self::Unique => "unique",
            Self::ForeignKey => "foreign-key",
            Self::PersonKey => "person-key",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
