//! Sparse Gaussian elimination modulo a prime, with a budget of operations.
//!
//! Work is counted in operations, not in time, so that the same release gets the same
//! verdict on every machine.

use std::collections::BTreeMap;

use super::field::{PRIME, invert, mul, sub};

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

/// A coordinate and its value, which is never zero.
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
        let mut work: BTreeMap<u32, u64> = vector.into_iter().filter(|(_, value)| *value != 0).collect();
        budget.spend(work.len())?;
        while let Some((lead, value)) = work.last_key_value().map(|(lead, value)| (*lead, *value)) {
            let Some(row) = self.by_pivot.get(&lead) else {
                let scale = invert(value);
                self.by_pivot.insert(lead, work.into_iter().map(|(index, value)| (index, mul(value, scale))).collect());
                return Ok(());
            };
            budget.spend(row.len())?;
            subtract(&mut work, row, value);
        }
        Ok(())
    }

    /// Brings the basis into reduced form: no vector has a value at another's pivot.
    pub(crate) fn reduce(&mut self, budget: &mut Budget) -> Result<(), OutOfBudget> {
        let mut reduced: BTreeMap<u32, Vec<Term>> = BTreeMap::new();
        for (pivot, vector) in std::mem::take(&mut self.by_pivot) {
            let mut work: BTreeMap<u32, u64> = vector.iter().copied().collect();
            // Vectors with smaller pivots are reduced already, so one round is enough.
            for (index, value) in vector.iter().filter(|(index, _)| *index != pivot) {
                if let Some(row) = reduced.get(index) {
                    budget.spend(row.len())?;
                    subtract(&mut work, row, *value);
                }
            }
            reduced.insert(pivot, work.into_iter().collect());
        }
        self.by_pivot = reduced;
        Ok(())
    }
}

/// `work -= factor · row`, keeping zeros out.
fn subtract(work: &mut BTreeMap<u32, u64>, row: &[Term], factor: u64) {
    for (index, value) in row {
        let entry = work.entry(*index).or_insert(0);
        *entry = sub(*entry, mul(factor, *value));
        debug_assert!(*entry < PRIME);
        if *entry == 0 {
            work.remove(index);
        }
    }
}
