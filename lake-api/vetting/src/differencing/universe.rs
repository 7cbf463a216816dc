//! Positions of persons in flat arrays, and passes over many sets at once.
//!
//! The person index is dense by construction, so a person is normally her own position.
//! Should the indices ever be scattered, a map keeps the arrays as small as the number of
//! persons; nothing depends on density but speed.
//!
//! A pass goes block by block over the persons and within a block set by set. Going set
//! by set over everybody would touch each array once per set from end to end, and most of
//! the time would be spent waiting for memory.

use std::collections::HashMap;

use roaring::{MultiOps, RoaringBitmap};

/// Arrays may be this much longer than the sets' members are many before a map is used.
const SLACK: u64 = 1 << 22;

/// Persons in a block: what is kept per person fits into a processor's second-level cache.
const BLOCK: usize = 1 << 17;

/// Gives every person of some sets a position.
pub(crate) enum Universe {
    /// Person = position; the number of positions.
    Dense(usize),
    /// Scattered indices.
    Mapped(HashMap<u32, usize>),
}

impl Universe {
    /// The persons of all `sets`.
    pub(crate) fn of<'a>(sets: impl Iterator<Item = &'a RoaringBitmap> + Clone) -> Self {
        let members: u64 = sets.clone().map(RoaringBitmap::len).sum();
        match sets.clone().filter_map(RoaringBitmap::max).max() {
            Some(last) if u64::from(last) > 4 * members + SLACK => {
                let everybody: RoaringBitmap = sets.union();
                Self::Mapped(everybody.iter().enumerate().map(|(position, person)| (person, position)).collect())
            }
            Some(last) => Self::Dense(last as usize + 1),
            None => Self::Dense(0),
        }
    }

    /// How many positions there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Dense(length) => *length,
            Self::Mapped(positions) => positions.len(),
        }
    }

    /// Visits every person of every set who has a position, as (number of the set,
    /// position). Each person meets her sets in ascending order.
    pub(crate) fn visit<'a>(&self, sets: impl Iterator<Item = &'a RoaringBitmap>, mut visit: impl FnMut(u32, usize)) {
        match self {
            Self::Dense(length) => {
                let mut members: Vec<_> = sets.map(|set| set.iter().map(|person| person as usize).peekable()).collect();
                for start in (0..*length).step_by(BLOCK) {
                    let end = (*length).min(start + BLOCK);
                    for (number, members) in (0u32..).zip(&mut members) {
                        while let Some(position) = members.next_if(|position| *position < end) {
                            visit(number, position);
                        }
                    }
                }
            }
            Self::Mapped(positions) => {
                for (number, set) in (0u32..).zip(sets) {
                    for position in set.iter().filter_map(|person| positions.get(&person)) {
                        visit(number, *position);
                    }
                }
            }
        }
    }
}
