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

/// Judges the shown sets of a new table against everything released.
pub(crate) fn judge_differencing(earlier: &[LedgerTable], new: &LedgerTable, threshold: u32) -> Differencing {
    let threshold = u64::from(threshold);
    let (gaps, complete) = pairwise::compare(earlier, new, threshold, &mut Budget::new(OVERLAP_OPERATIONS));
    let (refused, proof) = if gaps.below_threshold { (true, None) } else { judge_span(earlier, new, threshold) };
    // An unfinished first stage may have missed a near gap: its release is never automatic.
    Differencing { refused, near: gaps.near, proof: proof.filter(|_| complete) }
}

/// Whether the second stage refuses, and its proof otherwise.
fn judge_span(earlier: &[LedgerTable], new: &LedgerTable, threshold: u64) -> (bool, Option<Sha256Digest>) {
    let before = distinct_sets(earlier.iter().flat_map(LedgerTable::sets));
    let all = distinct_sets(earlier.iter().chain([new]).flat_map(LedgerTable::sets));
    match span_of(&all, threshold) {
        (_, Span::Proven(digest)) => (false, Some(digest)),
        (_, Span::Undecided) => (false, None),
        (found, Span::Isolated(unions)) => {
            let (found_before, span_before) = span_of(&before, threshold);
            let known = match span_before {
                Span::Isolated(unions) => described(&found_before, &unions, before.len()),
                Span::Proven(_) | Span::Undecided => BTreeSet::new(),
            };
            (!described(&found, &unions, before.len()).is_subset(&known), None)
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
            let span = examine(&atoms, count, threshold, Limits::USUAL);
            (atoms, span)
        },
    )
}

/// Unions of atoms, comparable between the first `shared` sets alone and those with others
/// behind them. Further sets only split atoms: a union is inside the shared sets' atoms
/// that its own atoms are parts of, and equal to them when it has as many persons.
fn described<'a>(atoms: &'a [Atom], unions: &[Vec<u32>], shared: usize) -> BTreeSet<(BTreeSet<&'a [u32]>, u64)> {
    let shared_part = |atom: &'a Atom| {
        let end = atom.sets.partition_point(|set| (*set as usize) < shared);
        atom.sets.get(..end).unwrap_or_default()
    };
    unions
        .iter()
        .map(|union| {
            let parts = || union.iter().filter_map(|atom| atoms.get(*atom as usize));
            (parts().map(shared_part).collect(), parts().map(|atom| atom.size).sum())
        })
        .collect()
}

/// Each set once, in the order of their first appearance: a table released twice adds nothing.
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
