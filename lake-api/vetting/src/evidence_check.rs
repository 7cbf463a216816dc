//! Whether evidence is consistent with itself.
//!
//! The evidence comes from another process and every rule trusts its numbers, so what
//! cannot be true is refused as a whole ([`crate::RuleId::Evidence`]) instead of being
//! judged: a wrong shape, a key twice, a support outside the cell, totals that are not
//! finite or smaller than their parts.

use std::collections::HashSet;

use crate::{AggregateEvidence, AggregateKind, AggregateSpec, CellEvidence, Evidence, KeyValue};

/// What is wrong with the evidence. For the operator's log; the requester sees one
/// neutral finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Not a single grouping set, or one whose flags do not match the keys.
    #[error("every grouping set needs one flag per key, and there must be one")]
    GroupingSets,
    /// A structural zero that does not have one entry per key.
    #[error("every structural zero needs one entry per key")]
    StructuralZeros,
    /// A cell of an unknown grouping set, or with the wrong number of keys or aggregates.
    #[error("a cell does not have the table's shape")]
    CellShape,
    /// A key value outside the cell's grouping set.
    #[error("a cell has a value for a key that its grouping set does not use")]
    StrayKey,
    /// The same cell twice.
    #[error("a cell is given twice")]
    DuplicateCell,
    /// More persons than rows, or no row at all.
    #[error("a cell's persons and rows contradict each other")]
    RowCount,
    /// An aggregate's support is not a part of the cell's persons.
    #[error("an aggregate's persons are not among the cell's")]
    Support,
    /// An aggregate's numbers contradict each other or are not finite.
    #[error("an aggregate's numbers contradict each other")]
    Numbers,
}

/// Sums of floating-point numbers depend on their order; a total may be smaller than its
/// parts by this share.
const TOLERANCE: f64 = 1e-9;

/// Checks all of it.
///
/// # Errors
/// The first contradiction.
pub fn check_evidence(evidence: &Evidence) -> Result<(), EvidenceError> {
    let Evidence { keys, aggregates, grouping_sets, cells, structural_zeros, lineage: _, unlinked: _ } = evidence;
    if grouping_sets.is_empty() || grouping_sets.iter().any(|set| set.len() != keys.len()) {
        return Err(EvidenceError::GroupingSets);
    }
    if structural_zeros.iter().any(|zero| zero.len() != keys.len()) {
        return Err(EvidenceError::StructuralZeros);
    }
    let mut seen = HashSet::with_capacity(cells.len());
    for cell in cells {
        let used = grouping_sets.get(cell.grouping_set).ok_or(EvidenceError::CellShape)?;
        check_cell(cell, used, aggregates)?;
        if !seen.insert((cell.grouping_set, &cell.key)) {
            return Err(EvidenceError::DuplicateCell);
        }
    }
    Ok(())
}

fn check_cell(cell: &CellEvidence, used: &[bool], specs: &[AggregateSpec]) -> Result<(), EvidenceError> {
    let CellEvidence { grouping_set: _, key, persons, rows, unattributed_rows, second_units: _, aggregates } = cell;
    if key.len() != used.len() || aggregates.len() != specs.len() {
        return Err(EvidenceError::CellShape);
    }
    if key.iter().zip(used).any(|(value, used)| !used && *value != KeyValue::Null) {
        return Err(EvidenceError::StrayKey);
    }
    let attributed = rows.checked_sub(*unattributed_rows).ok_or(EvidenceError::RowCount)?;
    if attributed < persons.len() || (attributed > 0 && persons.is_empty()) {
        return Err(EvidenceError::RowCount);
    }
    aggregates.iter().zip(specs).try_for_each(|(aggregate, spec)| check_aggregate(cell, aggregate, spec.kind))
}

#[expect(clippy::float_cmp, reason = "counts are whole numbers below 2^53: equality is exact")]
fn check_aggregate(cell: &CellEvidence, found: &AggregateEvidence, kind: AggregateKind) -> Result<(), EvidenceError> {
    let AggregateEvidence { value, support, non_null_rows, absolute_total, largest: [first, second], range } = found;
    if support.as_ref().is_some_and(|support| !support.is_subset(&cell.persons)) {
        return Err(EvidenceError::Support);
    }
    let ends = range.map_or([0.0, 0.0], |(least, greatest)| [least, greatest]);
    let numbers = [*value, *absolute_total, *first, *second];
    let finite = numbers.iter().chain(&ends).all(|number| number.is_finite());
    let ordered = *first >= *second && *second >= 0.0 && ends[0] <= ends[1];
    let rows = *non_null_rows <= cell.rows;
    let persons = found.support_in(cell).len();
    let whole = contributions_add_up(found, persons);
    // Rows of nobody are in the value and in no person's total. Their cell is hidden anyway.
    let all_attributed = cell.unattributed_rows == 0;
    let rows_counted = *value == *non_null_rows as f64;
    let kind_fits = match kind {
        AggregateKind::CountRows | AggregateKind::CountNonNull => {
            rows_counted && (!all_attributed || (whole && value == absolute_total))
        }
        AggregateKind::CountPersons => *value == persons as f64,
        AggregateKind::CountDistinct => *value >= 0.0 && value.fract() == 0.0 && *value <= *non_null_rows as f64,
        AggregateKind::Sum | AggregateKind::Avg => {
            whole && (!all_attributed || value.abs() <= absolute_total * (1.0 + TOLERANCE))
        }
    };
    if finite && ordered && rows && kind_fits { Ok(()) } else { Err(EvidenceError::Numbers) }
}

/// Whether `persons` contributions with these two largest can have this total: not less
/// than the two, not more than all others as large as the second. It catches numbers that
/// were left at zero, which would let the dominance rules pass.
fn contributions_add_up(found: &AggregateEvidence, persons: u64) -> bool {
    let AggregateEvidence { absolute_total, largest: [first, second], .. } = found;
    let most = first + persons.saturating_sub(1) as f64 * second;
    first + second <= absolute_total * (1.0 + TOLERANCE) && *absolute_total <= most * (1.0 + TOLERANCE)
}
