//! Second stage: whether *any* linear combination of released counts singles out few persons.
//!
//! M is the matrix of released sets × atoms (1 where the set holds the atom). What an
//! attacker can compute from the counts is its row space. An atom is *small* when it has
//! 1…T−1 persons. The argument is in the parent module; in short: if the rank of M equals
//! the rank of its large columns, nothing is isolated.
//!
//! 1. Eliminate the large columns modulo a prime. The pivots name sets whose rows are
//!    independent on the large columns: independent modulo p means independent over the
//!    rationals.
//! 2. For every other set read off the coefficients that make its row from the pivot rows
//!    on the large columns, and lift them to fractions. They are a guess.
//! 3. Check each relation **exactly**, in integers, on *all* atoms. If all hold, every row
//!    of M is a combination of the pivot rows, so rank M = rank of the large columns: proven.
//! 4. Otherwise look for what is isolated: single atoms and pairs by a random vector of the
//!    null space (`null_vector`), and larger unions, while that is cheap, among the
//!    relations that hold on the large atoms and fail on small ones: those are reduced
//!    among themselves, and one that is constant on a union of fewer than T persons singles
//!    them out. Anything else needs a person.
//!
//! In a table in which a person is in many cells nearly every person is an atom of her own:
//! hardly an atom is large, the proof fails at the first atom, and the search is what takes
//! time. Each step has its own budget, so that one that runs out leaves the next its chance.

use std::collections::BTreeMap;

use oscar_permit::Sha256Digest;
use sha2::{Digest, Sha256};

use super::atoms::Atom;
use super::echelon::{Budget, Echelon, OutOfBudget};
use super::field::{reconstruct, residue};
use super::null_vector::isolated_atoms;

/// Operations for each step of one examination. An operation takes some nanoseconds, all
/// together less than a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the proof.
    pub(crate) proof: u64,
    /// For single atoms and pairs: some 1 200 sets.
    pub(crate) atoms: u64,
    /// For larger unions.
    pub(crate) unions: u64,
}

impl Limits {
    pub(crate) const USUAL: Self = Self { proof: 100_000_000, atoms: 150_000_000, unions: 4_000_000 };
}

/// The answer of the second stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span {
    /// No combination isolates fewer than T persons; the digest of the relations checked.
    Proven(Sha256Digest),
    /// Combinations single out these unions of small atoms (ascending atom numbers).
    Isolated(Vec<Vec<u32>>),
    /// Neither shown nor refuted.
    Undecided,
}

/// One set's row as a combination of pivot rows: denominator · row = Σ numerator · pivot row.
struct Relation {
    set: u32,
    denominator: i128,
    terms: Vec<(u32, i128)>,
}

/// A combination that is zero on every large atom: its values on small ones.
type Residual = BTreeMap<u32, i128>;

/// Decides for the sets `0..sets` and their atoms.
pub(crate) fn examine(atoms: &[Atom], sets: u32, threshold: u64, limits: Limits) -> Span {
    let mut budget = Budget::new(limits.proof);
    let relations = guess(atoms, sets, threshold, &mut budget).unwrap_or_default();
    if let Some(relations) = &relations {
        let holds = residuals(atoms, relations, threshold, true, &mut budget);
        if holds.is_ok_and(|left| left.is_some_and(|left| left.is_empty())) {
            return Span::Proven(proof_digest(atoms, sets, relations));
        }
    }
    let mut isolated = isolated_atoms(atoms, sets, threshold, &mut Budget::new(limits.atoms)).unwrap_or_default();
    if let Some(relations) = &relations {
        let mut budget = Budget::new(limits.unions);
        let unions = residuals(atoms, relations, threshold, false, &mut budget)
            .and_then(|left| left.map_or(Ok(Vec::new()), |left| isolated_unions(atoms, &left, threshold, &mut budget)));
        isolated.extend(unions.unwrap_or_default());
    }
    isolated.sort_unstable();
    isolated.dedup();
    if isolated.is_empty() { Span::Undecided } else { Span::Isolated(isolated) }
}

/// Relations that hold on the large atoms, as far as a prime can tell.
fn guess(atoms: &[Atom], sets: u32, threshold: u64, budget: &mut Budget) -> Result<Option<Vec<Relation>>, OutOfBudget> {
    let mut echelon = Echelon::default();
    for atom in atoms.iter().filter(|atom| atom.size >= threshold) {
        if echelon.rank() == sets as usize {
            break;
        }
        echelon.insert(atom.sets.iter().map(|set| (*set, 1)), budget)?;
    }
    echelon.reduce(budget)?;
    Ok(relations(&echelon, sets))
}

/// The guessed relation of every set that is no pivot; `None` when a coefficient is no
/// small fraction.
fn relations(echelon: &Echelon, sets: u32) -> Option<Vec<Relation>> {
    let mut coefficients: BTreeMap<u32, Vec<(u32, super::field::Fraction)>> =
        (0..sets).filter(|set| !echelon.is_pivot(*set)).map(|set| (set, Vec::new())).collect();
    for (pivot, vector) in echelon.vectors() {
        for (set, value) in vector.iter().filter(|(set, _)| *set != pivot) {
            coefficients.get_mut(set)?.push((pivot, reconstruct(*value)?));
        }
    }
    coefficients
        .into_iter()
        .map(|(set, fractions)| {
            let denominator = fractions.iter().try_fold(1i128, |lcm, (_, fraction)| {
                let part = i128::from(fraction.denominator);
                lcm.checked_mul(part / gcd(lcm, part)).filter(|lcm| *lcm < 1 << 64)
            })?;
            let terms = fractions
                .iter()
                .map(|(pivot, fraction)| {
                    let scale = denominator / i128::from(fraction.denominator);
                    i128::from(fraction.numerator).checked_mul(scale).map(|term| (*pivot, term))
                })
                .collect::<Option<_>>()?;
            Some(Relation { set, denominator, terms })
        })
        .collect()
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs().max(1)
}

/// What is left of each relation on the atoms, exactly; relations that hold leave nothing.
/// `None` when a relation fails on a large atom (the guess was wrong) or a number overflows.
/// With `first_only` it ends at the first atom with anything left.
fn residuals(
    atoms: &[Atom],
    relations: &[Relation],
    threshold: u64,
    first_only: bool,
    budget: &mut Budget,
) -> Result<Option<Vec<Residual>>, OutOfBudget> {
    // By set: what a relation adds when an atom is in the set.
    let mut by_set: BTreeMap<u32, Vec<(usize, i128)>> = BTreeMap::new();
    for (number, relation) in relations.iter().enumerate() {
        by_set.entry(relation.set).or_default().push((number, -relation.denominator));
        for (pivot, term) in &relation.terms {
            by_set.entry(*pivot).or_default().push((number, *term));
        }
    }
    let mut left: BTreeMap<usize, Residual> = BTreeMap::new();
    let mut sums = vec![0i128; relations.len()];
    let mut touched: Vec<usize> = Vec::new();
    for (number, atom) in (0u32..).zip(atoms) {
        for terms in atom.sets.iter().filter_map(|set| by_set.get(set)) {
            budget.spend(terms.len() + 1)?;
            for (relation, term) in terms {
                let Some(sum) = sums.get_mut(*relation) else { return Ok(None) };
                let Some(next) = sum.checked_add(*term) else { return Ok(None) };
                touched.push(*relation);
                *sum = next;
            }
        }
        for relation in touched.drain(..) {
            let sum = sums.get_mut(relation).map_or(0, std::mem::take);
            if sum == 0 {
                continue;
            }
            if atom.size >= threshold {
                return Ok(None);
            }
            left.entry(relation).or_default().insert(number, sum);
        }
        if first_only && !left.is_empty() {
            break;
        }
    }
    Ok(Some(left.into_values().collect()))
}

/// Reduces the isolating combinations among themselves and returns those that are
/// constant on fewer than T persons. Complete for single atoms: the indicator of one atom
/// is in a span exactly when it is a vector of the span's reduced basis.
fn isolated_unions(
    atoms: &[Atom],
    residuals: &[Residual],
    threshold: u64,
    budget: &mut Budget,
) -> Result<Vec<Vec<u32>>, OutOfBudget> {
    let few = |union: &[u32]| {
        let persons: u64 = union.iter().filter_map(|atom| atoms.get(*atom as usize)).map(|atom| atom.size).sum();
        persons < threshold
    };
    let mut found: Vec<Vec<u32>> = residuals
        .iter()
        .filter(|residual| residual.values().all(|value| Some(value) == residual.values().next()))
        .map(|residual| residual.keys().copied().collect())
        .collect();
    let mut echelon = Echelon::default();
    for residual in residuals {
        echelon.insert(residual.iter().map(|(atom, value)| (*atom, residue(*value))), budget)?;
    }
    echelon.reduce(budget)?;
    found.extend(
        echelon
            .vectors()
            .filter(|(_, vector)| vector.iter().all(|(_, value)| *value == 1))
            .map(|(_, vector)| vector.iter().map(|(atom, _)| *atom).collect()),
    );
    found.retain(|union| few(union));
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Digest of what was proven: the atoms, and the relations that hold on all of them.
fn proof_digest(atoms: &[Atom], sets: u32, relations: &[Relation]) -> Sha256Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"oscar span proof 1");
    hasher.update(sets.to_le_bytes());
    for Atom { size, sets } in atoms {
        hasher.update(size.to_le_bytes());
        hasher.update((sets.len() as u64).to_le_bytes());
        for set in sets {
            hasher.update(set.to_le_bytes());
        }
    }
    for Relation { set, denominator, terms } in relations {
        hasher.update(set.to_le_bytes());
        hasher.update(denominator.to_le_bytes());
        hasher.update((terms.len() as u64).to_le_bytes());
        for (pivot, term) in terms {
            hasher.update(pivot.to_le_bytes());
            hasher.update(term.to_le_bytes());
        }
    }
    Sha256Digest::from_bytes(hasher.finalize().into())
}
