//! Positions of persons in flat arrays.
//!
//! The person index is dense by construction, so a person is normally her own position.
//! Should the indices ever be scattered, a map keeps the arrays as small as the number of
//! persons; nothing depends on density but speed.

use std::collections::HashMap;

use roaring::{MultiOps, RoaringBitmap};

/// Arrays may be this much longer than the number of persons before a map is used.
const SLACK: u64 = 1 << 22;

/// Gives every person of some sets a position.
pub(crate) enum Universe {
    /// Person = position; the number of positions.
    Dense(usize),
    /// Scattered indices.
    Mapped(HashMap<u32, usize>),
}

impl Universe {
    /// The persons of all `sets`.
    pub(crate) fn of<'a>(sets: impl IntoIterator<Item = &'a RoaringBitmap>) -> Self {
        let everybody: RoaringBitmap = sets.into_iter().union();
        match everybody.max() {
            Some(last) if u64::from(last) > 4 * everybody.len() + SLACK => {
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

    /// The positions of the persons of `set` who have one.
    pub(crate) fn positions(&self, set: &RoaringBitmap) -> impl Iterator<Item = usize> {
        set.iter().filter_map(move |person| match self {
            Self::Dense(length) => Some(person as usize).filter(|position| position < length),
            Self::Mapped(positions) => positions.get(&person).copied(),
        })
    }
}
