//! R7, differencing: what released tables say together.
//!
//! **Attacker.** Knows the exact count behind every shown cell (rounding is not counted on)
//! of all released tables and of this one, and combines them linearly. He wins when he
//! computes the count of a set of 1…T−1 persons.
//!
//! **Sets.** A released set is the persons of a shown cell, or those behind a shown
//! aggregate of it. Row counts and sums use the same sets: a difference of two of them is
//! a statement about the persons of the difference, however many rows those have.
//!
//! **First stage** (`pairwise`): pairs of sets, and a set with all that a table shows of
//! it. Cheap, and its refusals are certain.
//!
//! **Second stage** (`atoms`, `span`): everything linear. Let M be the 0/1 matrix of sets ×
//! atoms over the rationals, L its columns of large atoms (T persons or more).
//!
//! *Theorem.* If rank M = rank L, no vector of M's row space is the indicator of a set of
//! 1…T−1 persons. *Proof.* Every computable set is a union of atoms: a combination of rows
//! gives all persons of an atom the same value. A set of fewer than T persons holds no
//! large atom, so its indicator v, in the row space, is zero on the large columns. Rows of
//! M restricted to the large columns is a linear map of the row space onto the row space of
//! L; by equal ranks it is one-to-one; v goes to zero, so v = 0 and the set is empty. ∎
//!
//! The converse does not hold (v may be (1, −1) on two small atoms, or a large union of
//! small ones), so unequal ranks refuse only where a union of few persons is found, and
//! otherwise ask people. No limit on sizes or work ever turns into a pass.
//!
//! What earlier releases already singled out (under a laxer profile, or approved by
//! people) is not this release's doing and would block everything after it: such a union
//! alone leads to people, a new one to refusal.
//!
//! **Thresholds.** What is computed from several tables is a statement from each of them, so
//! the strictest T among them holds: a difference of two tables is near by the larger of theirs,
//! and the second stage runs once for this table's T and once for every larger one in the ledger,
//! where fewer than T persons are excused only if tables of a smaller T single them out
//! without the others.

mod atoms;
mod echelon;
mod field;
mod null_vector;
mod pairwise;
mod span;
mod universe;

use std::collections::{BTreeSet, HashMap};

use oscar_permit::Sha256Digest;
use roaring::RoaringBitmap;

use crate::LedgerTable;
use atoms::{Atom, atoms};
use echelon::Budget;
use span::{Limits, Span, examine};

/// Memberships (persons × sets) that are followed; above it people decide.
const MOST_MEMBERSHIPS: u64 = 2_000_000_000;

/// Work beyond one pass over the memberships that the first stage may do for persons in
/// many cells; above it people decide. Half a second.
const OVERLAP_OPERATIONS: u64 = 200_000_000;

/// What R7 says about a new table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differencing {
    /// A set of 1…T−1 persons can be computed.
    pub(crate) refused: bool,
    /// A difference has T…2T−1 persons, or overlapping sets come close.
    pub(crate) near: bool,
    /// The proof that no combination singles out few persons.
    pub(crate) proof: Option<Sha256Digest>,
}

impl Differencing {
    /// Without a proof where the persons of earlier releases may be others than it took them for.
    pub(crate) fn if_comparable(self, comparable: bool) -> Self {
        Self { proof: self.proof.filter(|_| comparable), ..self }
    }
}

/// Judges the shown sets of a new table, whose profile has `threshold`, against everything released.
pub(crate) fn judge_differencing(earlier: &[LedgerTable], new: &LedgerTable, threshold: u32) -> Differencing {
    let threshold = u64::from(threshold);
    let (gaps, complete) = pairwise::compare(earlier, new, threshold, &mut Budget::new(OVERLAP_OPERATIONS));
    let (refused, proof) = if gaps.below_threshold { (true, None) } else { judge_span(earlier, new, threshold) };
    // An unfinished first stage may have missed a near gap: its release is never automatic.
    Differencing { refused, near: gaps.near, proof: proof.filter(|_| complete) }
}

/// A set that was released.
#[derive(Clone, Copy)]
struct ReleasedSet<'a> {
    persons: &'a RoaringBitmap,
    /// Whether an earlier release showed it.
    before: bool,
    /// The least threshold under which it was shown.
    threshold: u64,
}

/// Whether the second stage refuses, and its proof otherwise. `threshold` is the new table's.
fn judge_span(earlier: &[LedgerTable], new: &LedgerTable, threshold: u64) -> (bool, Option<Sha256Digest>) {
    let of_table = |table, before, threshold| {
        LedgerTable::sets(table).map(move |persons| ReleasedSet { persons, before, threshold })
    };
    let old = earlier.iter().flat_map(|table| of_table(table, true, threshold_of(table)));
    let sets = distinct_sets(old.chain(of_table(new, false, threshold)));
    let persons: Vec<&RoaringBitmap> = sets.iter().map(|set| set.persons).collect();
    let stricter = sets.iter().map(|set| set.threshold).filter(|other| *other > threshold);
    let mut levels: BTreeSet<u64> = stricter.chain([threshold]).collect();
    let mut undecided = false;
    while let Some(level) = levels.pop_last() {
        match span_of(&persons, level) {
            // What no combination does to fewer persons it does not do to still fewer.
            (_, Span::Proven(digest)) => return (false, Some(digest).filter(|_| !undecided)),
            (_, Span::Undecided) => {}
            (found, Span::Isolated(unions)) => {
                let left = not_by_part(unions, &found, &sets, |set| set.before, level);
                let left = if level > threshold {
                    not_by_part(left, &found, &sets, |set| set.threshold < level, level)
                } else {
                    left
                };
                if !left.is_empty() {
                    return (true, None);
                }
            }
        }
        undecided = true;
    }
    (false, None)
}

/// The threshold of a released table, 0 where it is not known.
fn threshold_of(table: &LedgerTable) -> u64 {
    table.threshold.map_or(0, u64::from)
}

fn span_of(sets: &[&RoaringBitmap], threshold: u64) -> (Vec<Atom>, Span) {
    let memberships: u64 = sets.iter().map(|set| set.len()).sum();
    let (Ok(count), true) = (u32::try_from(sets.len()), memberships <= MOST_MEMBERSHIPS) else {
        return (Vec::new(), Span::Undecided);
    };
    atoms(sets).map_or_else(
        || (Vec::new(), Span::Undecided),
        |atoms| {
            let span = examine(&atoms, count, threshold, Limits::USUAL);
            (atoms, span)
        },
    )
}

/// Of the unions that all sets single out, those that the sets of a part do not single out
/// by themselves.
fn not_by_part(
    mut unions: Vec<Vec<u32>>,
    found: &[Atom],
    sets: &[ReleasedSet<'_>],
    part: impl Fn(&ReleasedSet<'_>) -> bool,
    threshold: u64,
) -> Vec<Vec<u32>> {
    let persons: Vec<&RoaringBitmap> = sets.iter().filter(|set| part(set)).map(|set| set.persons).collect();
    let (atoms, Span::Isolated(known)) = span_of(&persons, threshold) else { return unions };
    let mut numbers = 0u32..;
    let number_in_part: Vec<Option<u32>> =
        sets.iter().map(|set| if part(set) { numbers.next() } else { None }).collect();
    let known: BTreeSet<Described> = known.iter().map(|union| described(&atoms, union, Some)).collect();
    let in_part = |set: u32| number_in_part.get(set as usize).copied().flatten();
    unions.retain(|union| !known.contains(&described(found, union, in_part)));
    unions
}

/// A union of atoms by the sets of a part that hold each of them, and its persons.
type Described = (BTreeSet<Vec<u32>>, u64);

/// Describes a union so that it can be compared between a part of the sets alone and all of
/// them. Further sets only split atoms: a union is inside the part's atoms that its own atoms
/// are pieces of, and equal to them when it has as many persons.
fn described(atoms: &[Atom], union: &[u32], number_in_part: impl Fn(u32) -> Option<u32>) -> Described {
    let atoms = || union.iter().filter_map(|atom| atoms.get(*atom as usize));
    let sets = |atom: &Atom| atom.sets.iter().copied().filter_map(&number_in_part).collect();
    (atoms().map(sets).collect(), atoms().map(|atom| atom.size).sum())
}

/// Each set once, in the order of their first appearance: a table released twice adds nothing.
fn distinct_sets<'a>(sets: impl Iterator<Item = ReleasedSet<'a>>) -> Vec<ReleasedSet<'a>> {
    let mut by_shape: HashMap<_, Vec<usize>> = HashMap::new();
    let mut distinct: Vec<ReleasedSet<'a>> = Vec::new();
    for set in sets.filter(|set| !set.persons.is_empty()) {
        let alike = by_shape.entry((set.persons.len(), set.persons.min(), set.persons.max())).or_default();
        let same = |place: &&usize| distinct.get(**place).is_some_and(|known| known.persons == set.persons);
        let place = alike.iter().find(same).copied();
        if let Some(known) = place.and_then(|place| distinct.get_mut(place)) {
            known.before |= set.before;
            known.threshold = known.threshold.min(set.threshold);
        } else {
            alike.push(distinct.len());
            distinct.push(set);
        }
    }
    distinct
}

#[cfg(test)]
mod tests;
