//! What the query engine reports about a table before anybody may see it.
//!
//! A *cell* is one group of one grouping set. For each cell the engine counts **persons**
//! (as a set of hidden person indices), not rows, and for each aggregate what the rules
//! need: whose values entered it, the total of absolute per-person contributions and the
//! two largest of them. Evidence never leaves the platform: it crosses the pipe from the
//! query worker to the vetting engine and is dropped.

use std::collections::{BTreeMap, BTreeSet};

use oscar_permit::TableRef;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::{KeyValue, LedgerTable, person_set};

/// The evidence for one release: every cell of every grouping set, over one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The grouping keys of the statement, in its order. Empty for one grand total.
    pub keys: Vec<KeyColumn>,
    /// The aggregates. Empty for `SELECT DISTINCT` and for `GROUP BY` without aggregates.
    pub aggregates: Vec<AggregateSpec>,
    /// For each grouping set, which keys it uses: one flag per key. A plain `GROUP BY`
    /// has one set with every flag true; no `GROUP BY` has one set over no keys.
    pub grouping_sets: Vec<Vec<bool>>,
    /// The non-empty cells, in any order.
    pub cells: Vec<CellEvidence>,
    /// Combinations of key values that cannot occur: one entry per key, `None` stands for
    /// any value. Only declare a combination whose columns are all grouping keys.
    #[serde(default)]
    pub structural_zeros: Vec<Vec<Option<KeyValue>>>,
    /// The tables that were read and their pinned versions.
    pub lineage: BTreeMap<TableRef, u64>,
    /// Those of them in which a person is known by her index in one version only, because no
    /// key names her: sets of another version say nothing certain about the same persons.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unlinked: BTreeSet<TableRef>,
}

impl Evidence {
    /// Whether the persons of a table released earlier can be compared with these.
    pub(crate) fn is_comparable_with(&self, earlier: &LedgerTable) -> bool {
        let version = |lineage: &BTreeMap<TableRef, u64>, table| lineage.get(table).copied();
        self.unlinked.iter().all(|table| {
            let before = version(&earlier.lineage, table);
            before.is_none() || before == version(&self.lineage, table)
        })
    }
}

/// One grouping key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyColumn {
    /// Its name in the output of the aggregation.
    pub name: String,
    /// Every value the key can take, where the contract closes the list. It lets empty
    /// cells be shown like small ones. Add `Null` when rows without the code exist.
    pub domain: Option<Vec<KeyValue>>,
}

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AggregateKind {
    /// `count(*)`: rows.
    CountRows,
    /// Distinct persons.
    CountPersons,
    /// `count(x)`: rows where the argument is present.
    CountNonNull,
    /// `count(DISTINCT x)` of something that is not the person.
    CountDistinct,
    /// `sum(x)`.
    Sum,
    /// `avg(x)` over rows.
    Avg,
}

/// One aggregate of the statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregateSpec {
    /// Its name in the output of the aggregation.
    pub name: String,
    /// What it computes.
    pub kind: AggregateKind,
    /// Whether the statement decides by a condition which rows count (FILTER, or an argument
    /// that is no bare column). Then everybody's support says something about everybody.
    pub selective: bool,
}

/// One non-empty group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellEvidence {
    /// Index into [`Evidence::grouping_sets`].
    pub grouping_set: usize,
    /// One value per key; `Null` for keys that the grouping set does not use.
    pub key: Vec<KeyValue>,
    /// P: the persons whose rows reach the cell.
    #[serde(with = "person_set::one")]
    pub persons: RoaringBitmap,
    /// Rows in the cell.
    pub rows: u64,
    /// Rows without a person. They count as nobody, and any of them hides the cell.
    pub unattributed_rows: u64,
    /// Distinct second units (hospital, practice, family) in the cell: the smallest count
    /// where several are named; `None` when not counted.
    pub second_units: Option<u32>,
    /// One entry per aggregate, in the order of [`Evidence::aggregates`].
    pub aggregates: Vec<AggregateEvidence>,
}

/// What the rules need to know about one aggregate in one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregateEvidence {
    /// The value: the count for the counting kinds, the **sum** of the argument for `Sum`
    /// and for `Avg` alike (the mean is computed here, from a rounded count).
    pub value: f64,
    /// Persons with a non-null, non-neutral argument; `None` when they are the cell's persons.
    #[serde(with = "person_set::optional")]
    pub support: Option<RoaringBitmap>,
    /// Rows with a non-null argument; for `CountRows` and `CountPersons` the rows of the cell.
    pub non_null_rows: u64,
    /// X: the sum over persons of |the person's total|. The person's total is of the argument
    /// for `Sum` and `Avg`, of (non-null) rows for `CountRows` and `CountNonNull`; other kinds
    /// do not use it.
    pub absolute_total: f64,
    /// The two largest |person's total|, largest first; 0 where there are fewer persons.
    pub largest: [f64; 2],
    /// Least and greatest argument of a row, for `Sum` and `Avg`.
    pub range: Option<(f64, f64)>,
}

impl AggregateEvidence {
    /// The persons behind the aggregate in `cell`.
    #[must_use]
    pub fn support_in<'a>(&'a self, cell: &'a CellEvidence) -> &'a RoaringBitmap {
        self.support.as_ref().unwrap_or(&cell.persons)
    }
}
