//! The persons of a table while its rows come.
//!
//! Nearly every row names a person that was named before, so what counts is the price of saying so again: one
//! bit. Indexes are given one after the other, which keeps the bits together.

use oscar_permit::PersonIndex;
use roaring::RoaringBitmap;

/// Bits of one piece; pieces are made when the first of their persons comes.
const PIECE: u32 = 1 << 16;
const WORDS: usize = PIECE as usize / 64;

/// A set that only grows.
#[derive(Default)]
pub(crate) struct PersonSet {
    pieces: Vec<Option<Box<[u64; WORDS]>>>,
}

impl PersonSet {
    pub(crate) fn insert(&mut self, PersonIndex(index): PersonIndex) {
        let piece = (index / PIECE) as usize;
        if piece >= self.pieces.len() {
            self.pieces.resize_with(piece + 1, || None);
        }
        let Some(slot) = self.pieces.get_mut(piece) else { return };
        let words = slot.get_or_insert_with(|| Box::new([0; WORDS]));
        if let Some(word) = words.get_mut((index % PIECE / 64) as usize) {
            *word |= 1 << (index % 64);
        }
    }

    pub(crate) fn finish(self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        for (piece, words) in (0u32..).zip(&self.pieces) {
            for (at, word) in (0u32..).zip(words.iter().flat_map(|words| words.iter())) {
                let first = piece * PIECE + at * 64;
                all.extend((0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| first + bit));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_who_was_put_in_and_nobody_else(
            persons in proptest::collection::vec(prop_oneof![0u32..200_000, any::<u32>()], 0..200),
        ) {
            let mut set = PersonSet::default();
            for person in &persons {
                set.insert(PersonIndex(*person));
            }
            prop_assert_eq!(set.finish(), persons.into_iter().collect::<RoaringBitmap>());
        }
    }
}
