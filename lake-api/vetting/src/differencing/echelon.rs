//! Sparse Gaussian elimination modulo a prime, with a budget of operations.
//!
//! Work is counted in operations, not in time, so that the same release gets the same
//! verdict on every machine.

use std::collections::BTreeMap;

use super::field::{invert, mul, sub};

/// The elimination needs more operations than it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfBudget;

/// Operations that may still be spent.
#[derive(Debug)]
pub(crate) struct Budget(u64);

impl Budget {
    pub(crate) const fn new(operations: u64) -> Self {
        Self(operations)
    }

    pub(crate) fn spend(&mut self, operations: usize) -> Result<(), OutOfBudget> {
        self.0 = self.0.checked_sub(operations as u64).ok_or(OutOfBudget)?;
        Ok(())
    }
}

/// A coordinate and its value, which is never zero. A vector lists each coordinate once.
pub(crate) type Term = (u32, u64);

/// A basis in echelon form. A vector's pivot is its largest coordinate, with value 1.
#[derive(Debug, Default)]
pub(crate) struct Echelon {
    by_pivot: BTreeMap<u32, Vec<Term>>,
}

impl Echelon {
    pub(crate) fn rank(&self) -> usize {
        self.by_pivot.len()
    }

    pub(crate) fn is_pivot(&self, coordinate: u32) -> bool {
        self.by_pivot.contains_key(&coordinate)
    }

    /// The basis vectors with their pivots, in ascending order of pivots.
    pub(crate) fn vectors(&self) -> impl Iterator<Item = (u32, &[Term])> {
        self.by_pivot.iter().map(|(pivot, vector)| (*pivot, vector.as_slice()))
    }

    /// Adds a vector to the span.
    pub(crate) fn insert(
        &mut self,
        vector: impl IntoIterator<Item = Term>,
        budget: &mut Budget,
    ) -> Result<(), OutOfBudget> {
        let mut work: Vec<Term> = vector.into_iter().filter(|(_, value)| *value != 0).collect();
        work.sort_unstable_by_key(|(index, _)| *index);
        budget.spend(work.len())?;
        let mut spare = Vec::new();
        while let Some((lead, value)) = work.last().copied() {
            let Some(row) = self.by_pivot.get(&lead) else {
                let scale = invert(value);
                for (_, value) in &mut work {
                    *value = mul(*value, scale);
                }
                self.by_pivot.insert(lead, work);
                return Ok(());
            };
            budget.spend(work.len() + row.len())?;
            subtract(&work, row, value, &mut spare);
            std::mem::swap(&mut work, &mut spare);
        }
        Ok(())
    }

    /// Brings the basis into reduced form: no vector has a value at another's pivot.
    pub(crate) fn reduce(&mut self, budget: &mut Budget) -> Result<(), OutOfBudget> {
        let mut reduced: BTreeMap<u32, Vec<Term>> = BTreeMap::new();
        for (pivot, vector) in std::mem::take(&mut self.by_pivot) {
            let (mut work, mut spare) = (vector.clone(), Vec::new());
            // Vectors with smaller pivots are reduced already, so one round is enough.
            for (index, value) in vector.iter().filter(|(index, _)| *index != pivot) {
                if let Some(row) = reduced.get(index) {
                    budget.spend(work.len() + row.len())?;
                    subtract(&work, row, *value, &mut spare);
                    std::mem::swap(&mut work, &mut spare);
                }
            }
            reduced.insert(pivot, work);
        }
        self.by_pivot = reduced;
        Ok(())
    }
}

/// `difference = work − factor · row`, without zeros; all three in ascending order of
/// coordinates. Merging two lists costs a few instructions a term, where a search tree
/// would cost a walk.
fn subtract(work: &[Term], row: &[Term], factor: u64, difference: &mut Vec<Term>) {
    difference.clear();
    let mut work = work.iter().copied().peekable();
    for (index, value) in row {
        while let Some(term) = work.next_if(|(other, _)| other < index) {
            difference.push(term);
        }
        let before = work.next_if(|(other, _)| other == index).map_or(0, |(_, value)| value);
        let value = sub(before, mul(factor, *value));
        if value != 0 {
            difference.push((*index, value));
        }
    }
    difference.extend(work);
}
