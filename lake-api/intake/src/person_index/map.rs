//! A compact map from hashed person keys to dense numbers.
//!
//! Keys are kept once, in the order of their numbers; an open-addressing table of 32-bit
//! slots finds them. Six million persons take 96 MB of keys and 64 MB of slots.

/// A hashed person key.
pub(crate) type HashedKey = [u8; 16];

const EMPTY: u32 = u32::MAX;
/// Keys that are looked for together.
const TOGETHER: usize = 64;

/// The map. Numbers are positions: the first key has number 0.
#[derive(Debug, Default)]
pub(crate) struct PersonMap {
    keys: Vec<HashedKey>,
    slots: Vec<u32>,
}

impl PersonMap {
    /// How many persons there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The numbers of keys. With millions of persons every look goes to main memory: the first slots of many keys,
    /// and then the keys that those slots name, are touched before any is compared, so that they are fetched together.
    pub(crate) fn get_all<'a>(&self, keys: &'a [HashedKey]) -> impl Iterator<Item = (&'a HashedKey, Option<u32>)> {
        let mask = self.slots.len().wrapping_sub(1);
        keys.chunks(TOGETHER).flat_map(move |keys| {
            let mut firsts = [EMPTY; TOGETHER];
            for (key, first) in keys.iter().zip(&mut firsts) {
                *first = self.slots.get(home(key) & mask).copied().unwrap_or(EMPTY);
            }
            let named = firsts.iter().filter_map(|first| self.keys.get(*first as usize));
            std::hint::black_box(named.fold(0, |touched, [byte, ..]| touched ^ byte));
            keys.iter().map(|key| (key, self.get(key)))
        })
    }

    pub(crate) fn get(&self, key: &HashedKey) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slot = home(key) & mask;
        loop {
            match self.slots.get(slot).copied() {
                None | Some(EMPTY) => return None,
                Some(number) if self.keys.get(number as usize) == Some(key) => return Some(number),
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }

    /// Gives the key the next number; `None` when it has one or the numbers are used up.
    pub(crate) fn push(&mut self, key: HashedKey) -> Option<u32> {
        if self.get(&key).is_some() {
            return None;
        }
        let number = u32::try_from(self.keys.len()).ok().filter(|number| *number != EMPTY)?;
        // At most three quarters full.
        if (self.keys.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.keys.push(key);
        self.place(number, &key);
        Some(number)
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(1024);
        self.slots = vec![EMPTY; size];
        let keys = std::mem::take(&mut self.keys);
        for (number, key) in (0..).zip(&keys) {
            self.place(number, key);
        }
        self.keys = keys;
    }

    fn place(&mut self, number: u32, key: &HashedKey) {
        let mask = self.slots.len() - 1;
        let mut at = home(key) & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == EMPTY {
                *slot = number;
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Keys are keyed hashes, so any of their bits are as good as random.
fn home(key: &HashedKey) -> usize {
    usize::from_le_bytes(*key.first_chunk().unwrap_or(&[0; 8]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_answers_like_a_plain_map(mut keys in prop::collection::vec(prop::array::uniform16(0u8..4), 0..3000)) {
            let mut map = PersonMap::default();
            let mut plain = std::collections::HashMap::new();
            for key in &keys {
                let next = u32::try_from(plain.len()).unwrap();
                let fresh = !plain.contains_key(key);
                plain.entry(*key).or_insert(next);
                prop_assert_eq!(map.push(*key), fresh.then_some(next));
            }
            prop_assert_eq!(map.len(), plain.len());
            for (key, number) in &plain {
                prop_assert_eq!(map.get(key), Some(*number));
            }
            keys.push([9; 16]);
            let together: Vec<_> = map.get_all(&keys).map(|(key, number)| (*key, number)).collect();
            let one_by_one: Vec<_> = keys.iter().map(|key| (*key, map.get(key))).collect();
            prop_assert_eq!(together, one_by_one);
            prop_assert_eq!(map.get(&[9; 16]), None);
        }
    }
}
