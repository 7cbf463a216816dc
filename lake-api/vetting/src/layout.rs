//! Which rows a table has, so that zero and small look the same.
//!
//! If every key of a grouping set has a closed code list, the rows are all combinations
//! of the codes, whatever the data: an empty cell and a small one carry the same mark.
//! Otherwise the rows are the cells that are not hidden whole: an absent group and a small
//! one are both absent. In both cases the rows say nothing about cells below T.
//!
//! A declared structural zero is shown as 0, unless the data contradict the declaration
//! anywhere: then no declaration of the table is believed, because a mark where a zero
//! was promised would give the contradiction away.
//!
//! A table without aggregates lists existing groups; completing it would assert groups
//! that do not exist, so it is never completed.

use std::collections::{BTreeMap, BTreeSet};

use crate::cell_rules::CellFindings;
use crate::{Evidence, KeyValue};

/// What stands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A cell of the evidence, by number.
    Cell(usize),
    /// No person; must look like a small cell.
    Empty,
    /// No person can be there.
    StructuralZero,
}

/// One row to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) key: Vec<KeyValue>,
    pub(crate) place: Place,
}

/// The rows of one grouping set, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetLayout {
    pub(crate) grouping_set: usize,
    /// Whether the rows are all combinations of closed code lists.
    pub(crate) complete: bool,
    pub(crate) slots: Vec<Slot>,
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) sets: Vec<SetLayout>,
    /// Whether a declared structural zero holds persons.
    pub(crate) contradicted: bool,
}

impl Layout {
    /// How many rows the table has.
    pub(crate) fn rows(&self) -> usize {
        self.sets.iter().map(|set| set.slots.len()).sum()
    }
}

/// Lays the table out. At most `most_rows` rows are added up over complete grids; a grid
/// that would go beyond is not completed.
pub(crate) fn lay_out(evidence: &Evidence, findings: &[CellFindings], most_rows: usize) -> Layout {
    let contradicted = evidence.cells.iter().any(|cell| {
        evidence.structural_zeros.iter().any(|zero| matches(zero, &cell.key, used(evidence, cell.grouping_set)))
    });
    let mut room = most_rows;
    let sets = (0..evidence.grouping_sets.len())
        .map(|set| {
            let mut cells: BTreeMap<&Vec<KeyValue>, usize> = BTreeMap::new();
            cells.extend(
                evidence
                    .cells
                    .iter()
                    .enumerate()
                    .filter(|(_, cell)| cell.grouping_set == set)
                    .map(|(n, c)| (&c.key, n)),
            );
            match grid(evidence, set, room) {
                Some(grid) => {
                    room -= grid.len();
                    complete(evidence, findings, set, grid, &cells, contradicted)
                }
                None => listed(findings, set, &cells),
            }
        })
        .collect();
    Layout { sets, contradicted }
}

fn used(evidence: &Evidence, set: usize) -> &[bool] {
    evidence.grouping_sets.get(set).map_or(&[], Vec::as_slice)
}

/// Whether a key is a declared structural zero; a declaration about a key that the
/// grouping set has summed over does not apply.
fn matches(zero: &[Option<KeyValue>], key: &[KeyValue], used: &[bool]) -> bool {
    zero.iter().any(Option::is_some)
        && zero.iter().zip(key).zip(used).all(|((declared, value), used)| match declared {
            Some(declared) => *used && declared == value,
            None => true,
        })
}

/// All combinations of the keys' closed lists, when they are closed and fit in `room`.
fn grid(evidence: &Evidence, set: usize, room: usize) -> Option<BTreeSet<Vec<KeyValue>>> {
    if evidence.aggregates.is_empty() {
        return None;
    }
    let mut rows: Vec<Vec<KeyValue>> = vec![Vec::new()];
    for (key, used) in evidence.keys.iter().zip(used(evidence, set)) {
        let values: BTreeSet<&KeyValue> =
            if *used { key.domain.as_ref()?.iter().collect() } else { [&KeyValue::Null].into() };
        if rows.len().checked_mul(values.len())? > room {
            return None;
        }
        let longer = |row: &Vec<KeyValue>, value: &KeyValue| row.iter().chain([value]).cloned().collect();
        rows = rows.iter().flat_map(|row| values.iter().map(move |value| longer(row, value))).collect();
    }
    (rows.len() <= room).then(|| rows.into_iter().collect())
}

fn complete(
    evidence: &Evidence,
    findings: &[CellFindings],
    set: usize,
    mut grid: BTreeSet<Vec<KeyValue>>,
    cells: &BTreeMap<&Vec<KeyValue>, usize>,
    contradicted: bool,
) -> SetLayout {
    // Values outside the code list are treated as in an open table.
    grid.extend(listed(findings, set, cells).slots.into_iter().map(|slot| slot.key));
    let place = |key: &Vec<KeyValue>| match cells.get(key) {
        Some(cell) => Place::Cell(*cell),
        None if !contradicted
            && evidence.structural_zeros.iter().any(|zero| matches(zero, key, used(evidence, set))) =>
        {
            Place::StructuralZero
        }
        None => Place::Empty,
    };
    let slots = grid.into_iter().map(|key| Slot { place: place(&key), key }).collect();
    SetLayout { grouping_set: set, complete: true, slots }
}

fn listed(findings: &[CellFindings], set: usize, cells: &BTreeMap<&Vec<KeyValue>, usize>) -> SetLayout {
    let shown = cells.iter().filter(|(_, cell)| findings.get(**cell).is_some_and(|findings| !findings.is_hidden()));
    let slots = shown.map(|(key, cell)| Slot { key: (*key).clone(), place: Place::Cell(*cell) }).collect();
    SetLayout { grouping_set: set, complete: false, slots }
}
