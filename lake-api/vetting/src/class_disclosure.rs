//! R5, class disclosure: a table that says something about everybody in a group.
//!
//! Any subset of the keys may be what an attacker knows of a person (the group G), and
//! the others what he wants to learn. A cell that holds all persons of its group tells him
//! ("everybody there has it"); one that holds all but 1…T−1 tells it of nearly everybody,
//! and those few know about each other. Here this is a reason for people to look, not a
//! refusal: many such cells are harmless (a municipality lies in one region only).
//!
//! A count under a condition (`FILTER`, `CASE`) is such a cell as well, and its group is the
//! cell it stands in: as many persons under the condition as in the cell tell that all are.
//!
//! For sums and means a group whose values hardly differ (min = max, or a range below 1 %
//! of the mean) tells the value of everybody in it. Empty cells that are not structural
//! zeros are hidden by the grid (`layout`).

use std::collections::{BTreeMap, BTreeSet};

use roaring::{MultiOps, RoaringBitmap};

use crate::cell_rules::CellFindings;
use crate::{AggregateEvidence, AggregateKind, CellEvidence, Evidence, KeyValue};

/// With more keys the groups are not searched: people look.
const MOST_KEYS: u32 = 8;

/// A range below this share of the mean tells everybody's value.
const LEAST_RELATIVE_RANGE: f64 = 0.01;

/// The grouping sets that need a person's eye for class disclosure.
pub(crate) fn flagged_sets(evidence: &Evidence, findings: &[CellFindings], threshold: u32) -> BTreeSet<usize> {
    (0..evidence.grouping_sets.len()).filter(|set| is_flagged(evidence, findings, *set, threshold)).collect()
}

fn is_flagged(evidence: &Evidence, findings: &[CellFindings], set: usize, threshold: u32) -> bool {
    let cells: Vec<(&CellEvidence, &CellFindings)> =
        evidence.cells.iter().zip(findings).filter(|(cell, _)| cell.grouping_set == set).collect();
    let flat =
        cells.iter().filter(|(_, findings)| !findings.is_hidden()).any(|(cell, _)| has_flat_values(evidence, cell));
    let full = cells.iter().any(|(cell, findings)| has_full_condition(evidence, cell, findings, threshold));
    flat || full || has_full_cell(evidence, &cells, set, threshold)
}

/// Whether a shown aggregate under a condition takes in all, or all but 1…T−1, of the cell.
fn has_full_condition(evidence: &Evidence, cell: &CellEvidence, findings: &CellFindings, threshold: u32) -> bool {
    cell.aggregates.iter().zip(&evidence.aggregates).enumerate().any(|(number, (found, spec))| {
        let others = cell.persons.len().saturating_sub(found.support_in(cell).len());
        spec.selective && findings.shows(number) && others < u64::from(threshold)
    })
}

fn has_flat_values(evidence: &Evidence, cell: &CellEvidence) -> bool {
    cell.aggregates.iter().zip(&evidence.aggregates).any(|(found, spec)| match spec.kind {
        AggregateKind::Sum | AggregateKind::Avg => is_flat(found),
        AggregateKind::CountRows
        | AggregateKind::CountPersons
        | AggregateKind::CountNonNull
        | AggregateKind::CountDistinct => false,
    })
}

/// Without a known range nothing shows that the values differ.
fn is_flat(found: &AggregateEvidence) -> bool {
    let Some((least, greatest)) = found.range else { return true };
    let mean = found.value / found.non_null_rows.max(1) as f64;
    greatest - least <= 0.0 || greatest - least < LEAST_RELATIVE_RANGE * mean.abs()
}

fn has_full_cell(evidence: &Evidence, cells: &[(&CellEvidence, &CellFindings)], set: usize, threshold: u32) -> bool {
    let used: Vec<usize> = evidence
        .grouping_sets
        .get(set)
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, used)| **used)
        .map(|(key, _)| key)
        .collect();
    let Some(subsets) = u32::try_from(used.len()).ok().filter(|keys| *keys <= MOST_KEYS).map(|keys| 1u32 << keys)
    else {
        return true;
    };
    // The last mask would be all keys: then the group is the cell itself.
    (0..subsets.saturating_sub(1)).any(|mask| {
        let (known, learnt): (Vec<_>, Vec<_>) =
            used.iter().copied().enumerate().partition(|(position, _)| mask & (1 << position) != 0);
        let known: Vec<usize> = known.into_iter().map(|(_, key)| key).collect();
        let only_one_answer = learnt.iter().all(|(_, key)| has_single_value(evidence, *key));
        !only_one_answer && some_group_is_full(cells, &known, threshold)
    })
}

fn has_single_value(evidence: &Evidence, key: usize) -> bool {
    evidence.keys.get(key).and_then(|key| key.domain.as_ref()).is_some_and(|domain| domain.len() <= 1)
}

/// Whether a shown cell holds all, or all but 1…T−1, of the persons who share its values
/// of the `known` keys.
fn some_group_is_full(cells: &[(&CellEvidence, &CellFindings)], known: &[usize], threshold: u32) -> bool {
    let mut groups: BTreeMap<Vec<Option<&KeyValue>>, Vec<(&RoaringBitmap, bool)>> = BTreeMap::new();
    for (cell, findings) in cells {
        let group = known.iter().map(|key| cell.key.get(*key)).collect();
        groups.entry(group).or_default().push((&cell.persons, !findings.is_hidden()));
    }
    groups.values().any(|group| {
        let everybody = group.iter().map(|(persons, _)| *persons).union().len();
        group.iter().any(|(persons, shown)| *shown && everybody - persons.len() < u64::from(threshold))
    })
}
