//! First stage: differences of one set and one other, and of one set and all that a
//! table shows of it.
//!
//! A pass over the persons of a released family, with an index from person to the new
//! cells, yields every |a ∩ b| at once; subset and difference sizes follow from the sizes.
//!
//! For a cell c and a family Q of disjoint sets, `inner` is the union of the q ⊆ c and
//! `outer` the union of the q that meet c. Both sizes are sums an attacker can make:
//! |c| − |inner| persons of c are in no inner q, and if Q covers c, |outer| − |c| persons
//! are around it. With overlapping sets the sum is not the union's size, so nobody can
//! compute the difference that way: the case is left to the second stage, and a person
//! looks where the unions come as close as T.

use roaring::{MultiOps, RoaringBitmap};

use super::echelon::{Budget, OutOfBudget};
use super::threshold_of;
use super::universe::Universe;
use crate::{Family, LedgerTable};

/// Sets that are counted in one pass; with the new cells it bounds the memory of the pass.
const SETS_PER_PASS: usize = 1024;

/// What the first stage has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    /// The new table's own T.
    least: u64,
    /// A difference of 1 to T−1 persons.
    pub(crate) below_threshold: bool,
    /// A difference of T to 2T−1 persons by the larger T of both tables, or a near miss of overlapping sets. Where
    /// the other table's is the larger, it is for the second stage to refuse: it knows whether laxer tables have
    /// singled the persons out already.
    pub(crate) near: bool,
}

impl Gaps {
    fn note(&mut self, difference: u64, threshold: u64) {
        self.below_threshold |= 0 < difference && difference < self.least;
        self.near |= self.least <= difference && difference < 2 * threshold;
    }
}

/// Sizes gathered for one set against one family: the parts inside it, the parts that
/// meet it, what of it they cover, and the most that one of them has outside it.
#[derive(Debug, Clone, Copy, Default)]
struct Hull {
    inner: u64,
    outer: u64,
    covered: u64,
    excess: u64,
}

impl Hull {
    fn add(&mut self, part: u64, overlap: u64) {
        self.inner += if overlap == part { part } else { 0 };
        self.outer += part;
        self.covered += overlap;
        self.excess = self.excess.max(part - overlap);
    }

    /// Whether the unions of an overlapping family can be within T of a set of `size`
    /// persons at all: a cheap test before the unions are built.
    fn may_be_near(self, size: u64, threshold: u64) -> bool {
        let from_inside = self.inner > 0 && self.inner + threshold > size;
        let from_outside = self.covered >= size && self.excess < threshold;
        from_inside || from_outside
    }

    /// Judges a set of `size` persons against the disjoint family behind the hull.
    fn judge(self, size: u64, threshold: u64, gaps: &mut Gaps) {
        if self.inner > 0 {
            gaps.note(size.saturating_sub(self.inner), threshold);
        }
        if self.covered == size {
            gaps.note(self.outer.saturating_sub(size), threshold);
        }
    }
}

/// A cell of the new table.
struct NewCell<'a> {
    family: usize,
    persons: &'a RoaringBitmap,
    size: u64,
}

/// The new table's cells and, for every person, which of them hold her.
struct NewIndex<'a> {
    cells: Vec<NewCell<'a>>,
    disjoint: Vec<bool>,
    universe: Universe,
    starts: Vec<u32>,
    entries: Vec<u32>,
}

impl<'a> NewIndex<'a> {
    fn of(table: &'a LedgerTable) -> Self {
        let cells: Vec<NewCell<'a>> = table
            .families
            .iter()
            .enumerate()
            .flat_map(|(family, Family { cells })| {
                cells.iter().map(move |persons| NewCell { family, persons, size: persons.len() })
            })
            .collect();
        let universe = Universe::of(cells.iter().map(|cell| cell.persons));
        let (starts, entries) = person_to_cells(&cells, &universe);
        let disjoint = table.families.iter().map(is_disjoint).collect();
        Self { cells, disjoint, universe, starts, entries }
    }

    fn cells_of(&self, position: usize) -> &[u32] {
        match (self.starts.get(position), self.starts.get(position + 1)) {
            (Some(from), Some(until)) => self.entries.get(*from as usize..*until as usize).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Lists of cells by person, one behind the other, and where each begins.
fn person_to_cells(cells: &[NewCell<'_>], universe: &Universe) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; universe.len() + 2];
    // Counted two places ahead, summed up, and then used as the write positions one place
    // ahead: when all is written, `starts` holds the beginnings.
    let mut total = 0usize;
    universe.visit(cells.iter().map(|cell| cell.persons), |_, position| {
        total += 1;
        if let Some(count) = starts.get_mut(position + 2) {
            *count += 1;
        }
    });
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut entries = vec![0u32; total];
    universe.visit(cells.iter().map(|cell| cell.persons), |number, position| {
        if let Some(next) = starts.get_mut(position + 1) {
            if let Some(entry) = entries.get_mut(*next as usize) {
                *entry = number;
            }
            *next += 1;
        }
    });
    (starts, entries)
}

/// Whether no person is in two cells of the family.
fn is_disjoint(family: &Family) -> bool {
    family.cells.iter().map(RoaringBitmap::len).sum::<u64>() == family.cells.iter().union().len()
}

/// Compares the new table with every earlier one and with itself. Also tells whether the
/// budget was enough to see everything.
pub(crate) fn compare(earlier: &[LedgerTable], new: &LedgerTable, threshold: u64, budget: &mut Budget) -> (Gaps, bool) {
    let index = NewIndex::of(new);
    let mut gaps = Gaps { least: threshold, ..Gaps::default() };
    let of_table = |table| {
        let threshold = threshold_of(table).max(threshold);
        table.families.iter().map(move |family| Compared { family, own: None, threshold })
    };
    let own = new.families.iter().enumerate();
    let own = own.map(|(number, family)| Compared { family, own: Some(number), threshold });
    let complete = earlier
        .iter()
        .flat_map(of_table)
        .chain(own)
        .try_for_each(|compared| compare_family(&index, &compared, &mut gaps, budget))
        .is_ok();
    (gaps, complete)
}

/// A released family that the new cells are compared with.
struct Compared<'a> {
    family: &'a Family,
    /// Its number when it is one of the new table's own: against itself only pairs can
    /// differ, for its unions are itself.
    own: Option<usize>,
    /// The least number of persons that may be told apart: a difference is a statement from
    /// both tables, so the stricter of them decides.
    threshold: u64,
}

/// Compares one released family with the new cells.
fn compare_family(
    index: &NewIndex<'_>,
    compared: &Compared<'_>,
    gaps: &mut Gaps,
    budget: &mut Budget,
) -> Result<(), OutOfBudget> {
    let Compared { family, own, threshold } = *compared;
    let disjoint = is_disjoint(family);
    let mut hulls = vec![Hull::default(); index.cells.len()];
    for sets in family.cells.chunks(SETS_PER_PASS) {
        let overlaps = count_overlaps(index, sets, budget)?;
        for (set, overlaps) in sets.iter().zip(overlaps.chunks(index.cells.len().max(1))) {
            compare_set(index, set, overlaps, compared, &mut hulls, gaps, budget)?;
        }
    }
    for (cell, hull) in index.cells.iter().zip(&hulls).filter(|(cell, hull)| own != Some(cell.family) && hull.outer > 0)
    {
        if disjoint {
            hull.judge(cell.size, threshold, gaps);
        } else if hull.may_be_near(cell.size, threshold) {
            near_unions(cell.persons, family.cells.iter(), threshold, gaps, budget)?;
        }
    }
    Ok(())
}

/// Compares one released set with every new cell and every new family, and adds it to the
/// hulls of the new cells it meets.
fn compare_set(
    index: &NewIndex<'_>,
    set: &RoaringBitmap,
    overlaps: &[u32],
    compared: &Compared<'_>,
    hulls: &mut [Hull],
    gaps: &mut Gaps,
    budget: &mut Budget,
) -> Result<(), OutOfBudget> {
    let (size, own, threshold) = (set.len(), compared.own, compared.threshold);
    let mut by_family = vec![Hull::default(); index.disjoint.len()];
    let meets = index.cells.iter().zip(overlaps).zip(hulls).filter(|((_, overlap), _)| **overlap > 0);
    for ((cell, overlap), hull) in meets {
        let overlap = u64::from(*overlap);
        if overlap == size {
            gaps.note(cell.size - overlap, threshold);
        }
        if overlap == cell.size {
            gaps.note(size - overlap, threshold);
        }
        hull.add(size, overlap);
        if let Some(hull) = by_family.get_mut(cell.family) {
            hull.add(cell.size, overlap);
        }
    }
    for (number, (hull, disjoint)) in by_family.iter().zip(&index.disjoint).enumerate() {
        if own == Some(number) || hull.outer == 0 {
            continue;
        }
        if *disjoint {
            hull.judge(size, threshold, gaps);
        } else if hull.may_be_near(size, threshold) {
            let parts = index.cells.iter().filter(|cell| cell.family == number).map(|cell| cell.persons);
            near_unions(set, parts, threshold, gaps, budget)?;
        }
    }
    Ok(())
}

/// For each set a row with the number of persons it shares with every new cell. What a
/// person costs beyond her first new cell is paid from the budget.
fn count_overlaps(index: &NewIndex<'_>, sets: &[RoaringBitmap], budget: &mut Budget) -> Result<Vec<u32>, OutOfBudget> {
    let width = index.cells.len();
    let mut overlaps = vec![0u32; width * sets.len()];
    let mut paid = Ok(());
    index.universe.visit(sets.iter(), |set, position| {
        let cells = index.cells_of(position);
        if let [_, _, ..] = cells {
            paid = paid.and_then(|()| budget.spend(cells.len() - 1));
            if paid.is_err() {
                return;
            }
        }
        let row = set as usize * width;
        for cell in cells {
            if let Some(count) = overlaps.get_mut(row + *cell as usize) {
                *count += 1;
            }
        }
    });
    paid.map(|()| overlaps)
}

/// The same for overlapping sets, on the unions themselves: never a refusal, for the
/// difference is not a sum, but a reason to look.
fn near_unions<'a>(
    set: &RoaringBitmap,
    parts: impl Iterator<Item = &'a RoaringBitmap> + Clone,
    threshold: u64,
    gaps: &mut Gaps,
    budget: &mut Budget,
) -> Result<(), OutOfBudget> {
    // All that could be found is known already.
    if gaps.near {
        return Ok(());
    }
    // Set operations go a word of members at a time, or one by one where sets are sparse.
    budget.spend(parts.clone().map(|part| 64 + usize::try_from(part.len()).unwrap_or(usize::MAX) / 16).sum())?;
    let inner: RoaringBitmap = parts.clone().filter(|part| part.is_subset(set)).union();
    let left = set.len() - inner.len();
    gaps.near |= !inner.is_empty() && 0 < left && left < threshold;
    let outer: RoaringBitmap = parts.filter(|part| !part.is_disjoint(set)).union();
    let around = outer.len() - outer.intersection_len(set);
    gaps.near |= set.is_subset(&outer) && 0 < around && around < threshold;
    Ok(())
}
