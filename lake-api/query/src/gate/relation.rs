//! Labels: what the gate knows about the rows a plan node produces.
//!
//! | label | rows |
//! |---|---|
//! | PUB ([`Relation::Public`]) | reference data and literals |
//! | UNIT ([`Relation::Unit`]) | rows that belong to one person each |
//! | VET ([`Relation::Vetted`]) | aggregated over UNIT: cells with evidence |
//!
//! There is no value for BAD: a node that gets none of the three is refused on the spot.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use oscar_permit::{ColumnName, TableRef};

/// A column of a table in the lake.
pub(crate) type Base = (TableRef, ColumnName);

/// What a node produces, with one entry per column of its schema.
#[derive(Debug, Clone)]
pub(crate) enum Relation {
    /// Reference data.
    Public {
        /// The columns.
        fields: Vec<RowField>,
        /// The reference table of which every row is a row, none of them twice.
        rows_of: Option<TableRef>,
    },
    /// Rows of persons.
    Unit {
        /// The columns.
        fields: Vec<RowField>,
        /// Inside a subquery: every row has the outer row's person.
        tied: bool,
        /// No person can have two rows, whatever the data.
        single: bool,
    },
    /// Cells.
    Vetted(Vec<ResultField>),
}

/// Whether a column is a person key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PersonColumn {
    /// It is not.
    No,
    /// It is, and every row has it unless the row belongs to nobody.
    Key,
    /// It is, on the side of an outer join that may be missing. Such a key is no unit:
    /// grouping by it would put the rows of many persons under one NULL.
    Optional,
}

/// Where a column of rows comes from.
#[derive(Debug, Clone)]
pub(crate) struct RowField {
    /// Whether it is a person key.
    pub(crate) person: PersonColumn,
    /// The lake column it is, when it is one unchanged.
    pub(crate) base: Option<Base>,
    /// Every lake column it is computed from.
    pub(crate) sources: BTreeSet<Base>,
}

impl RowField {
    pub(crate) fn column(base: Base, person: PersonColumn) -> Self {
        Self { person, sources: BTreeSet::from([base.clone()]), base: Some(base) }
    }

    /// A value computed from other columns.
    pub(crate) fn derived(sources: BTreeSet<Base>) -> Self {
        Self { person: PersonColumn::No, base: None, sources }
    }

    /// The same column on the side of an outer join that may be missing.
    pub(crate) fn optional(mut self) -> Self {
        // It may be NULL where the lake column never is, so it is not that column any more.
        self.base = None;
        self.person = match self.person {
            PersonColumn::No => PersonColumn::No,
            PersonColumn::Key | PersonColumn::Optional => PersonColumn::Optional,
        };
        self
    }
}

/// What a column of a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultField {
    /// A group key, unchanged.
    Key(usize),
    /// An aggregate, or arithmetic with at least one aggregate in it.
    Measure,
    /// A literal.
    Constant,
    /// The engine's own bookkeeping (`__grouping_id`): nothing may read it.
    Internal,
}

/// The columns an expression may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) schema: &'a DFSchema,
    pub(crate) fields: &'a [RowField],
    /// The row outside, when the expression is inside a correlated subquery.
    pub(crate) outer: Option<&'a Scope<'a>>,
    /// Whether subqueries may stand here.
    pub(crate) subqueries: bool,
}
