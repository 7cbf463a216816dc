//! How much of a table may be hidden: R6, SPARSE and COMPLEMENT.
//!
//! More than a fifth hidden refuses the table and proposes coarser categories. What counts
//! as hidden must not tell zero from small: in a complete grid empty cells are hidden cells
//! like small ones; in an open table both are absent, and the share is that of the groups
//! that exist. A table of which nothing is shown is always refused.
//!
//! One hidden cell alone is allowed in a table with aggregates: otherwise every small
//! table would answer "is this one group small or absent?" by being refused or not. A list
//! of groups without aggregates (R6) has no such allowance. In an open table hidden cells of
//! fewer than T persons together do not count at all: otherwise a key could put one person into a
//! group of his own, and a refusal would say that he is there. What remains: a refusal says that
//! T persons or more are in small groups, or that nothing can be shown. Refused tries count against the quota.
//!
//! A table of several linked grouping sets (totals) may hide nothing until complementary
//! suppression exists: a hidden cell would be a total minus its neighbours.

use std::collections::BTreeSet;

use roaring::MultiOps as _;

use crate::cell_rules::CellFindings;
use crate::layout::{Layout, Place, SetLayout};
use crate::{Evidence, RuleFinding, RuleId, Scope, Severity};

/// The findings that refuse the table, if any.
pub(crate) fn refusals(
    evidence: &Evidence,
    findings: &[CellFindings],
    layout: &Layout,
    threshold: u32,
) -> BTreeSet<RuleFinding> {
    let shares: Vec<(usize, Share)> =
        layout.sets.iter().map(|set| (set.grouping_set, Share::of(evidence, findings, set, threshold))).collect();
    let group_only = evidence.aggregates.is_empty();
    let mut refusals = BTreeSet::new();
    for (set, share) in &shares {
        if share.is_too_large(group_only) {
            let rule = if group_only { RuleId::R6 } else { RuleId::Sparse };
            refusals.insert(RuleFinding::new(rule, Severity::Refused, Scope::GroupingSet(*set)));
        }
    }
    if shares.len() > 1 && shares.iter().any(|(_, share)| share.hides_something) {
        refusals.insert(RuleFinding::new(RuleId::Complement, Severity::Refused, Scope::Table));
    }
    refusals
}

struct Share {
    hidden: usize,
    /// Hidden cells, unless they are of too few persons together.
    telling: usize,
    total: usize,
    /// Also true for a small cell outside a closed code list, which `hidden` leaves out.
    hides_something: bool,
}

impl Share {
    fn of(evidence: &Evidence, findings: &[CellFindings], set: &SetLayout, threshold: u32) -> Self {
        let hides = |cell: usize| findings.get(cell).is_none_or(CellFindings::hides_something);
        let listed: BTreeSet<usize> = set.slots.iter().filter_map(|slot| cell_of(slot.place)).collect();
        let all: Vec<usize> = (0..evidence.cells.len())
            .filter(|cell| evidence.cells.get(*cell).is_some_and(|found| found.grouping_set == set.grouping_set))
            .collect();
        let some_cell_hides = all.iter().any(|cell| hides(*cell));
        // A complete grid judges what it shows, so that a small cell outside the code list
        // counts as little as an absent one; an open table judges the groups that exist.
        let (cells, empty): (Vec<usize>, usize) = if set.complete {
            (listed.into_iter().collect(), set.slots.iter().filter(|slot| slot.place == Place::Empty).count())
        } else {
            (all, 0)
        };
        let hidden = cells.iter().filter(|cell| hides(**cell)).count() + empty;
        let hiding = cells.iter().filter(|cell| hides(**cell)).filter_map(|cell| evidence.cells.get(*cell));
        let persons = hiding.map(|cell| &cell.persons).union().len();
        let few = !set.complete && persons < u64::from(threshold);
        let telling = if few { 0 } else { hidden };
        Self { hidden, telling, total: cells.len() + empty, hides_something: some_cell_hides || empty > 0 }
    }

    const fn is_too_large(&self, group_only: bool) -> bool {
        let nothing_shown = self.hidden == self.total;
        let more_than_a_fifth = self.telling * 5 > self.total;
        nothing_shown || (more_than_a_fifth && (group_only || self.telling > 1))
    }
}

const fn cell_of(place: Place) -> Option<usize> {
    match place {
        Place::Cell(cell) => Some(cell),
        Place::Empty | Place::StructuralZero => None,
    }
}
