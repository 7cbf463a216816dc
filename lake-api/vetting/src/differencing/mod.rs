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

mod atoms;
mod echelon;
mod field;
mod pairwise;
mod span;
mod universe;

use std::collections::{BTreeSet, HashMap};

use oscar_permit::Sha256Digest;
use roaring::RoaringBitmap;

use crate::LedgerTable;
use atoms::{Atom, atoms};
use span::{Span, examine};

/// Memberships (persons × sets) that are followed; above it people decide.
const MOST_MEMBERSHIPS: u64 = 2_000_000_000;

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

/// Judges the shown sets of a new table against everything released.
pub(crate) fn judge_differencing(earlier: &[LedgerTable], new: &LedgerTable, threshold: u32) -> Differencing {
    let threshold = u64::from(threshold);
    let gaps = pairwise::compare(earlier, new, threshold);
    let (refused, proof) = if gaps.below_threshold { (true, None) } else { judge_span(earlier, new, threshold) };
    Differencing { refused, near: gaps.near, proof }
}

/// Whether the second stage refuses, and its proof otherwise.
fn judge_span(earlier: &[LedgerTable], new: &LedgerTable, threshold: u64) -> (bool, Option<Sha256Digest>) {
    let before = distinct_sets(earlier.iter().flat_map(LedgerTable::sets));
    let all = distinct_sets(earlier.iter().chain([new]).flat_map(LedgerTable::sets));
    match span_of(&all, threshold) {
        (_, Span::Proven(digest)) => (false, Some(digest)),
        (_, Span::Undecided) => (false, None),
        (found, Span::Isolated(unions)) => {
            let known = match span_of(&before, threshold) {
                (atoms, Span::Isolated(unions)) => described(&before, &atoms, &unions),
                (_, Span::Proven(_) | Span::Undecided) => BTreeSet::new(),
            };
            (!described(&all, &found, &unions).is_subset(&known), None)
        }
    }
}

fn span_of(sets: &[&RoaringBitmap], threshold: u64) -> (Vec<Atom>, Span) {
    let memberships: u64 = sets.iter().map(|set| set.len()).sum();
    let (Ok(count), true) = (u32::try_from(sets.len()), memberships <= MOST_MEMBERSHIPS) else {
        return (Vec::new(), Span::Undecided);
    };
    atoms(sets).map_or_else(
        || (Vec::new(), Span::Undecided),
        |atoms| {
            let span = examine(&atoms, count, threshold);
            (atoms, span)
        },
    )
}

/// The persons of unions of atoms, comparable between different collections of sets.
fn described(sets: &[&RoaringBitmap], atoms: &[Atom], unions: &[Vec<u32>]) -> BTreeSet<Vec<u32>> {
    let persons_of = |atom: &Atom| {
        let mut holding = atom.sets.iter().filter_map(|set| sets.get(*set as usize));
        let mut persons: RoaringBitmap = holding.next().map(|set| (*set).clone()).unwrap_or_default();
        holding.for_each(|set| persons &= *set);
        let outside = (0u32..).zip(sets).filter(|(number, _)| atom.sets.binary_search(number).is_err());
        outside.for_each(|(_, set)| persons -= *set);
        persons
    };
    unions
        .iter()
        .map(|union| {
            let mut persons = RoaringBitmap::new();
            union.iter().filter_map(|atom| atoms.get(*atom as usize)).for_each(|atom| persons |= persons_of(atom));
            persons.iter().collect()
        })
        .collect()
}

/// Each set once: a table released twice adds nothing.
fn distinct_sets<'a>(sets: impl Iterator<Item = &'a RoaringBitmap>) -> Vec<&'a RoaringBitmap> {
    let mut by_shape: HashMap<_, Vec<&RoaringBitmap>> = HashMap::new();
    let mut distinct = Vec::new();
    for set in sets.filter(|set| !set.is_empty()) {
        let alike = by_shape.entry((set.len(), set.min(), set.max())).or_default();
        if !alike.contains(&set) {
            alike.push(set);
            distinct.push(set);
        }
    }
    distinct
}

#[cfg(test)]
mod tests;
