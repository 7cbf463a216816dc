//! What a judged table shows: its rounded values, its notes, and the person sets that an
//! attacker learns the sizes of.

use std::collections::BTreeSet;

use oscar_permit::{DisclosureProfile, ReleaseId};
use roaring::RoaringBitmap;

use crate::cell_rules::CellFindings;
use crate::layout::{Layout, Place, SetLayout};
use crate::rounding::shown_value;
use crate::{
    AggregateKind, AggregateSpec, CellEvidence, Evidence, Family, LedgerTable, Note, VettedRow, VettedTable,
    VettedValue,
};

/// The person sets that the table shows, family by family.
pub(crate) fn shown_sets(
    evidence: &Evidence,
    cells: &[CellFindings],
    layout: &Layout,
    release: ReleaseId,
    threshold: u32,
) -> LedgerTable {
    let families = layout.sets.iter().flat_map(|set| families(evidence, cells, set)).collect();
    LedgerTable { release, lineage: evidence.lineage.clone(), threshold: Some(threshold), families }
}

/// The families of one grouping set: the cells' own persons first, then the supports of
/// each aggregate where they are other persons.
fn families(evidence: &Evidence, cells: &[CellFindings], set: &SetLayout) -> Vec<Family> {
    let mut persons: Vec<RoaringBitmap> = Vec::new();
    let mut supports: Vec<Vec<RoaringBitmap>> = vec![Vec::new(); evidence.aggregates.len()];
    for (cell, found) in shown_cells(evidence, cells, set) {
        // A row of a table without aggregates says that the group exists.
        let mut cell_is_shown = evidence.aggregates.is_empty();
        for (number, (aggregate, supports)) in cell.aggregates.iter().zip(&mut supports).enumerate() {
            if !found.shows(number) {
                continue;
            }
            match &aggregate.support {
                Some(support) if *support != cell.persons => supports.push(support.clone()),
                Some(_) | None => cell_is_shown = true,
            }
        }
        if cell_is_shown {
            persons.push(cell.persons.clone());
        }
    }
    let filled = [persons].into_iter().chain(supports).filter(|cells| !cells.is_empty());
    filled.map(|cells| Family { cells }).collect()
}

fn shown_cells<'a>(
    evidence: &'a Evidence,
    cells: &'a [CellFindings],
    set: &'a SetLayout,
) -> impl Iterator<Item = (&'a CellEvidence, &'a CellFindings)> {
    set.slots
        .iter()
        .filter_map(|slot| match slot.place {
            Place::Cell(cell) => evidence.cells.get(cell).zip(cells.get(cell)),
            Place::Empty | Place::StructuralZero => None,
        })
        .filter(|(_, found)| !found.is_hidden())
}

/// The table to release.
pub(crate) fn vetted_table(
    evidence: &Evidence,
    cells: &[CellFindings],
    layout: &Layout,
    profile: &DisclosureProfile,
) -> VettedTable {
    let value = |place: Place, number: usize, spec: &AggregateSpec| match place {
        Place::Empty => None,
        Place::StructuralZero => zero(spec.kind),
        Place::Cell(cell) => {
            let shown = cells.get(cell).is_some_and(|found| found.shows(number));
            let found = evidence.cells.get(cell).and_then(|cell| cell.aggregates.get(number)).filter(|_| shown);
            found.and_then(|found| shown_value(found, spec.kind, profile.round_to, profile.significant_digits))
        }
    };
    let rows = layout
        .sets
        .iter()
        .flat_map(|set| set.slots.iter().map(move |slot| (set.grouping_set, slot)))
        .map(|(grouping_set, slot)| VettedRow {
            grouping_set,
            key: slot.key.clone(),
            values: evidence.aggregates.iter().enumerate().map(|(n, spec)| value(slot.place, n, spec)).collect(),
        })
        .collect();
    let notes = notes(evidence, layout, profile).into_iter().collect();
    VettedTable { keys: evidence.keys.clone(), aggregates: evidence.aggregates.clone(), rows, notes }
}

/// What a structural zero shows: nobody has nothing to add up or to average.
const fn zero(kind: AggregateKind) -> Option<VettedValue> {
    match kind {
        AggregateKind::CountRows
        | AggregateKind::CountPersons
        | AggregateKind::CountNonNull
        | AggregateKind::CountDistinct => Some(VettedValue::Count(0)),
        AggregateKind::Sum | AggregateKind::Avg => None,
    }
}

/// Notes say what may be, not what is: they are the same whether anything is hidden.
fn notes(evidence: &Evidence, layout: &Layout, profile: &DisclosureProfile) -> BTreeSet<Note> {
    let mut notes = BTreeSet::new();
    for AggregateSpec { name: _, kind, selective: _ } in &evidence.aggregates {
        notes.insert(Note::HiddenCells);
        match kind {
            AggregateKind::CountRows
            | AggregateKind::CountPersons
            | AggregateKind::CountNonNull
            | AggregateKind::CountDistinct => {
                notes.insert(Note::CountsRoundedTo(profile.round_to));
            }
            AggregateKind::Sum => {
                notes.insert(Note::SignificantDigits(profile.significant_digits));
            }
            AggregateKind::Avg => {
                notes.insert(Note::SignificantDigits(profile.significant_digits));
                notes.insert(Note::MeansFromRoundedCounts);
            }
        }
    }
    if layout.sets.iter().any(|set| !set.complete) {
        notes.insert(Note::SmallGroupsNotListed);
    }
    notes
}
