//! The rules that look at one cell: R1, R2, R3, R4, R10 and rows without a person.
//!
//! * R1: a cell of fewer than T persons is hidden whole.
//! * A row without a person could be anybody's, also everybody's: its cell is hidden whole.
//! * R10: a cell of fewer second units than the profile asks for is hidden whole.
//! * R2: an aggregate with a support of fewer than T persons is hidden. No support at all
//!   is hidden alike, so that zero and few cannot be told apart. The complement counts,
//!   too: with n and `n_a` both known, n − `n_a` persons of 1…T−1 are as good as named. n is
//!   known when the table or an earlier release shows the cell's own persons.
//! * `count(*)` beside `count(x)` gives the number of rows *without* x. Their persons are
//!   not in the evidence; at least the n − `n_a` persons without any x are among them. If
//!   those are none, fewer than T such rows hide the aggregate and more need a person.
//! * R3, R4: see `dominance`.

use std::collections::BTreeSet;

use oscar_permit::DisclosureProfile;
use roaring::RoaringBitmap;

use crate::dominance::broken_rules;
use crate::{AggregateEvidence, AggregateKind, CellEvidence, Evidence, LedgerTable, RuleId};

/// What the cell rules say about one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellFindings {
    /// Rules that hide the whole cell.
    pub(crate) whole: BTreeSet<RuleId>,
    /// Rules that hide one aggregate, per aggregate.
    pub(crate) aggregates: Vec<BTreeSet<RuleId>>,
    /// Whether the persons of rows without an argument are unknown.
    pub(crate) complement_unknown: bool,
}

impl CellFindings {
    /// Whether the cell is hidden whole.
    pub(crate) fn is_hidden(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Whether anything of the cell is hidden.
    pub(crate) fn hides_something(&self) -> bool {
        self.is_hidden() || self.aggregates.iter().any(|rules| !rules.is_empty())
    }

    /// Whether an aggregate is shown.
    pub(crate) fn shows(&self, aggregate: usize) -> bool {
        !self.is_hidden() && self.aggregates.get(aggregate).is_some_and(BTreeSet::is_empty)
    }
}

/// Whether the table or an earlier release shows a cell's own persons.
pub(crate) struct KnownSets<'a> {
    earlier: &'a [LedgerTable],
}

impl<'a> KnownSets<'a> {
    pub(crate) const fn new(earlier: &'a [LedgerTable]) -> Self {
        Self { earlier }
    }

    fn shows_persons(&self, cell: &CellEvidence) -> bool {
        let here = cell.aggregates.iter().any(|found| found.support_in(cell).len() == cell.persons.len());
        here || self.earlier.iter().flat_map(LedgerTable::sets).any(|set| same(set, &cell.persons))
    }
}

/// Equality that looks at sizes first: most sets differ there.
fn same(a: &RoaringBitmap, b: &RoaringBitmap) -> bool {
    a.len() == b.len() && a.min() == b.min() && a.max() == b.max() && a == b
}

/// Judges one cell.
pub(crate) fn judge_cell(
    cell: &CellEvidence,
    evidence: &Evidence,
    profile: &DisclosureProfile,
    known: &KnownSets<'_>,
) -> CellFindings {
    let mut whole = BTreeSet::new();
    if cell.persons.len() < u64::from(profile.threshold) {
        whole.insert(RuleId::R1);
    }
    if cell.unattributed_rows > 0 {
        whole.insert(RuleId::Unattributed);
    }
    if cell.second_units.is_some_and(|units| units < profile.second_units) {
        whole.insert(RuleId::R10);
    }
    let rows_shown = evidence.aggregates.iter().any(|spec| spec.kind == AggregateKind::CountRows);
    let mut findings = CellFindings { whole, aggregates: Vec::new(), complement_unknown: false };
    let mut persons_known = None;
    for (found, spec) in cell.aggregates.iter().zip(&evidence.aggregates) {
        let mut rules: BTreeSet<RuleId> = broken_rules(found, spec.kind, profile).into_iter().collect();
        let without = cell.persons.len() - found.support_in(cell).len();
        let persons_known = without > 0 && *persons_known.get_or_insert_with(|| known.shows_persons(cell));
        if support_is_unsafe(cell, found, persons_known, profile) {
            rules.insert(RuleId::R2);
        }
        let counts_rows = spec.kind == AggregateKind::CountNonNull;
        let rows_without = cell.rows - found.non_null_rows;
        if rows_shown && counts_rows && without == 0 && rows_without > 0 {
            if rows_without < u64::from(profile.threshold) {
                rules.insert(RuleId::R2);
            } else {
                findings.complement_unknown = true;
            }
        }
        findings.aggregates.push(rules);
    }
    findings
}

fn support_is_unsafe(
    cell: &CellEvidence,
    found: &AggregateEvidence,
    persons_known: bool,
    profile: &DisclosureProfile,
) -> bool {
    let threshold = u64::from(profile.threshold);
    let support = found.support_in(cell).len();
    let without = cell.persons.len() - support;
    support < threshold || (persons_known && 0 < without && without < threshold)
}
