//! What is hidden and why: for stewards and auditors, never for the requester.

use std::collections::BTreeSet;

use crate::cell_rules::CellFindings;
use crate::layout::{Layout, Place, SetLayout};
use crate::{Evidence, HiddenCell, RuleFinding, RuleId, Scope, Severity};

/// The rules that hid something, without saying where.
pub(crate) fn cell_findings(evidence: &Evidence, cells: &[CellFindings]) -> BTreeSet<RuleFinding> {
    let mut findings = BTreeSet::new();
    for (cell, found) in evidence.cells.iter().zip(cells) {
        for rule in &found.whole {
            findings.insert(RuleFinding::new(*rule, Severity::Hidden, Scope::GroupingSet(cell.grouping_set)));
        }
        for (rules, spec) in found.aggregates.iter().zip(&evidence.aggregates) {
            for rule in rules {
                findings.insert(RuleFinding::new(*rule, Severity::Hidden, Scope::Aggregate(spec.name.clone())));
            }
        }
    }
    findings
}

/// The map for reviewers: everything that is not shown, and why.
pub(crate) fn hidden_cells(evidence: &Evidence, cells: &[CellFindings], layout: &Layout) -> Vec<HiddenCell> {
    let mut hidden = Vec::new();
    for (cell, found) in evidence.cells.iter().zip(cells) {
        let place = |aggregate, rules: &BTreeSet<RuleId>| HiddenCell {
            grouping_set: cell.grouping_set,
            key: cell.key.clone(),
            aggregate,
            rules: rules.clone(),
        };
        if found.is_hidden() {
            hidden.push(place(None, &found.whole));
            continue;
        }
        let aggregates = found.aggregates.iter().zip(&evidence.aggregates).filter(|(rules, _)| !rules.is_empty());
        hidden.extend(aggregates.map(|(rules, spec)| place(Some(spec.name.clone()), rules)));
    }
    for SetLayout { grouping_set, complete: _, slots } in &layout.sets {
        let empty = slots.iter().filter(|slot| slot.place == Place::Empty);
        hidden.extend(empty.map(|slot| HiddenCell {
            grouping_set: *grouping_set,
            key: slot.key.clone(),
            aggregate: None,
            rules: BTreeSet::new(),
        }));
    }
    hidden.sort();
    hidden
}
