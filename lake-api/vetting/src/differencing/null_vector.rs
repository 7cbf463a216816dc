//! A vector that all released counts leave free, and what it tells about small atoms.
//!
//! Let x be a random vector with M·x = 0. Whatever an attacker can compute is a vector v of
//! M's row space, so v·x = 0. If the indicator of an atom is in the row space, x is zero
//! there; if it is not, the null space has vectors that are not zero there, and a random one
//! is zero with a chance of 1 in 2^61. One vector thus answers for every atom at once, and
//! for two atoms together where the two values add up to zero. Reducing the whole row
//! space would cost the number of atoms times the square of the number of sets.
//!
//! With random D (diagonal) and u, G = M·D·Mᵀ is small and has the rank of M; for G·y =
//! M·D·u, x = D·(u − Mᵀ·y) is a random vector of the null space. That M·x = 0 is checked.
//!
//! "Random" is a fixed mixing function of the atom's number: the same releases get the same
//! verdict. Nothing here ever *passes* a release; the worst a contrived collision could do
//! is to move one between refusal and people.

use std::collections::HashMap;

use super::atoms::Atom;
use super::echelon::{Budget, OutOfBudget};
use super::field::{PRIME, add_product, invert, mul, sub};

/// Single small atoms, and pairs with fewer than T persons, whose counts can be computed:
/// complete for both but for chance
/// (atoms isolated one by one are not named as pairs again). Ascending atom numbers.
pub(crate) fn isolated_atoms(
    atoms: &[Atom],
    sets: u32,
    threshold: u64,
    budget: &mut Budget,
) -> Result<Vec<Vec<u32>>, OutOfBudget> {
    let Some(free) = null_vector(atoms, sets as usize, budget)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut by_value: HashMap<u64, Vec<(u64, u32)>> = HashMap::new();
    for ((number, atom), value) in (0u32..).zip(atoms).zip(free).filter(|((_, atom), _)| atom.size < threshold) {
        if value == 0 {
            found.push(vec![number]);
            continue;
        }
        let opposite = by_value.get(&(PRIME - value)).map(Vec::as_slice).unwrap_or_default();
        budget.spend(opposite.len())?;
        let few = opposite.iter().filter(|(size, _)| size + atom.size < threshold);
        found.extend(few.map(|(_, other)| vec![*other, number]));
        by_value.entry(value).or_default().push((atom.size, number));
    }
    Ok(found)
}

/// A random vector over the atoms that every set's row is orthogonal to.
fn null_vector(atoms: &[Atom], sets: usize, budget: &mut Budget) -> Result<Option<Vec<u64>>, OutOfBudget> {
    // A multiplication costs a fraction of what the budget calls an operation.
    budget.spend(sets.saturating_pow(3) / 12)?;
    let mut rows: Vec<Vec<u64>> = (0..sets).map(|set| vec![0; sets - set + 1]).collect();
    for (number, atom) in (0u64..).zip(atoms) {
        budget.spend(atom.sets.len() * atom.sets.len() / 2 + 1)?;
        let weight = weight(number);
        let right = mul(weight, target(number));
        for (place, set) in atom.sets.iter().enumerate() {
            let Some(row) = rows.get_mut(*set as usize) else { return Ok(None) };
            for other in atom.sets.iter().skip(place) {
                add_to(row, (*other - *set) as usize, weight);
            }
            let last = row.len() - 1;
            add_to(row, last, right);
        }
    }
    eliminate(&mut rows);
    let solution = solve_upwards(&rows);
    let free: Vec<u64> = (0u64..)
        .zip(atoms)
        .map(|(number, atom)| {
            let values = atom.sets.iter().filter_map(|set| solution.get(*set as usize));
            mul(weight(number), values.fold(target(number), |left, value| sub(left, *value)))
        })
        .collect();
    Ok(is_orthogonal(atoms, sets, &free).then_some(free))
}

fn add_to(row: &mut [u64], column: usize, value: u64) {
    if let Some(entry) = row.get_mut(column) {
        *entry = add_product(*entry, value, 1);
    }
}

/// Symmetric elimination: a row holds its diagonal element, what is right of it, and last
/// the right-hand side. A diagonal element of zero is a row that depends on those above.
fn eliminate(rows: &mut [Vec<u64>]) {
    for number in 0..rows.len() {
        let (above, below) = rows.split_at_mut(number + 1);
        let Some((diagonal, rest)) = above.last().and_then(|row| row.split_first()) else { return };
        if *diagonal == 0 {
            continue;
        }
        let scale = sub(0, invert(*diagonal));
        for (column, row) in below.iter_mut().enumerate() {
            let Some(pivot) = rest.get(column..) else { return };
            let factor = pivot.first().map_or(0, |value| mul(*value, scale));
            if factor != 0 {
                for (entry, value) in row.iter_mut().zip(pivot) {
                    *entry = add_product(*entry, factor, *value);
                }
            }
        }
    }
}

fn solve_upwards(rows: &[Vec<u64>]) -> Vec<u64> {
    // From the last unknown to the first.
    let mut backwards: Vec<u64> = Vec::with_capacity(rows.len());
    for row in rows.iter().rev() {
        let value = match row.as_slice() {
            [diagonal, between @ .., right] if *diagonal != 0 => {
                let known = between.iter().zip(backwards.iter().rev());
                let left = known.fold(*right, |left, (factor, value)| sub(left, mul(*factor, *value)));
                mul(left, invert(*diagonal))
            }
            _ => 0,
        };
        backwards.push(value);
    }
    backwards.reverse();
    backwards
}

fn is_orthogonal(atoms: &[Atom], sets: usize, vector: &[u64]) -> bool {
    let mut sums = vec![0u64; sets];
    for (atom, value) in atoms.iter().zip(vector) {
        for set in &atom.sets {
            add_to(&mut sums, *set as usize, *value);
        }
    }
    sums.iter().all(|sum| *sum == 0)
}

/// An atom's element of D; never zero.
fn weight(atom: u64) -> u64 {
    mixed(2 * atom).max(1)
}

/// An atom's element of u.
fn target(atom: u64) -> u64 {
    mixed(2 * atom + 1)
}

/// `SplitMix64`, folded into the field.
fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits ^ bits >> 31) % PRIME
}
