//! Which share of a column's different values are person numbers, from a sample of bounded size.
//!
//! Counting rows would let one frequent code decide, and the first values of a file could be
//! chosen to hide the later ones. So a value is kept when its hash, under a key drawn at
//! random, begins with enough zero bits; when too many are kept, one more zero is asked for (Gibbons,
//! "Distinct sampling", VLDB 2001). The sample is the same whatever the order of rows.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

/// Values kept at most.
const LARGEST: usize = 512;
/// Fewer numbers than these may be chance.
const FEWEST: usize = 10;
/// More than this share is not chance: one ten-digit number in 27 names a date, one nine-digit number in 8.
pub(super) const CHANCE: f64 = 0.25;

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Different values, each with whether it is a person number.
#[derive(Debug, Clone, Default)]
pub(crate) struct DistinctSample {
    kept: HashMap<u64, bool>,
    zeros: u32,
}

impl DistinctSample {
    pub(crate) fn insert(&mut self, value: impl Hash, is_number: bool) {
        self.insert_hash(HASHER.hash_one(value), is_number);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.max(other.zeros);
        self.kept.retain(|hash, _| hash.leading_zeros() >= self.zeros);
        other.kept.iter().for_each(|(hash, is_number)| self.insert_hash(*hash, *is_number));
    }

    /// Whether person numbers are more than chance among the values.
    pub(crate) fn is_full_of_numbers(&self) -> bool {
        let numbers = self.kept.values().filter(|is_number| **is_number).count();
        numbers >= FEWEST && numbers as f64 > self.kept.len() as f64 * CHANCE
    }

    fn insert_hash(&mut self, hash: u64, is_number: bool) {
        if hash.leading_zeros() < self.zeros {
            return;
        }
        self.kept.insert(hash, is_number);
        while self.kept.len() > LARGEST {
            self.zeros += 1;
            self.kept.retain(|hash, _| hash.leading_zeros() >= self.zeros);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_different_values_whatever_their_order_and_number() {
        for (others, full) in [(60_000_u64, true), (240_000, false)] {
            let mut front = DistinctSample::default();
            // Decoys first, and one of them again and again.
            (0..others).for_each(|value| front.insert(value, false));
            (0..others).for_each(|_| front.insert(1_u64, false));
            let mut back = DistinctSample::default();
            (others..others + 40_000).for_each(|value| back.insert(value, true));
            front.merge(&back);
            assert_eq!(front.is_full_of_numbers(), full);
            assert!(front.kept.len() <= LARGEST);
        }
    }

    #[test]
    fn a_few_numbers_are_no_proof() {
        let mut sample = DistinctSample::default();
        (0..9_u64).for_each(|value| sample.insert(value, true));
        assert!(!sample.is_full_of_numbers());
        sample.insert(9_u64, true);
        assert!(sample.is_full_of_numbers());
    }
}
