//! Persons that a table has named so far, by the cells that name them.
//!
//! All workers share one cache, so no person is pseudonymised twice for being dealt to two of them. It
//! holds up to two million persons (36 bytes each) and then lets the newest take another's place:
//! whoever is missing is looked up again, so that its size decides on speed alone.
//!
//! With hundreds of thousands of persons every look goes to main memory, so what counts is that
//! looks do not wait for each other: the four keys of a place are compared without a branch.

use std::hash::{BuildHasher, RandomState};

use parking_lot::RwLock;

use crate::fast_hash::FastHash;
use crate::pseudonymise::Pseudonym;

/// Places at the start and at most; powers of two.
const FEWEST_PLACES: usize = 1 << 10;
const MOST_PLACES: usize = 1 << 19;
/// Persons whose cells may have the same place: four keys are one line of the processor's cache. Where
/// they are more, some go to the place beside it.
const WAYS: usize = 4;
/// Longest text that is its own key.
const EXACT: usize = 15;
/// Last byte of a key that is a number, and of one that is a hash. Texts end with their length.
const NUMBER: u8 = 0xfe;
const HASH: u8 = 0xff;
/// No key: an empty text ends with 1.
const EMPTY: u128 = 0;

/// Who a cell is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Person {
    pub(crate) pseudonym: Pseudonym,
    /// The hidden index.
    pub(crate) index: u32,
}

/// A cell of one column: the text itself up to 15 bytes, or the number; of longer texts 120 bits under
/// keys drawn at random (twice SipHash-1-3), only ever in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CellKey(u128);

/// Cells of one column and their persons.
pub(crate) struct PersonCache {
    table: RwLock<Table>,
    long_texts: (RandomState, RandomState),
    places: FastHash,
}

struct Table {
    /// By place.
    keys: Vec<[u128; WAYS]>,
    persons: Vec<[Person; WAYS]>,
    len: usize,
}

impl Default for PersonCache {
    fn default() -> Self {
        Self {
            table: RwLock::new(Table::of(FEWEST_PLACES)),
            long_texts: (RandomState::new(), RandomState::new()),
            places: FastHash::default(),
        }
    }
}

impl PersonCache {
    pub(crate) fn text_key(&self, text: &str) -> CellKey {
        let mut bytes = [0; 16];
        let (start, last) = bytes.split_at_mut(EXACT);
        if let (Some(start), [last]) = (start.get_mut(..text.len()), last) {
            start.copy_from_slice(text.as_bytes());
            *last = u8::try_from(text.len() + 1).unwrap_or(HASH);
            return CellKey(u128::from_le_bytes(bytes));
        }
        let [one, other] = [&self.long_texts.0, &self.long_texts.1].map(|keyed| u128::from(keyed.hash_one(text)));
        CellKey((one << 64 | other) >> 8 | u128::from(HASH) << 120)
    }

    pub(crate) fn number_key(number: i64) -> CellKey {
        CellKey(u128::from(number.cast_unsigned()) | u128::from(NUMBER) << 120)
    }

    /// The persons of cells; `None` for no cell and for one that is not remembered.
    pub(crate) fn find(&self, cells: &[Option<CellKey>]) -> Vec<Option<Person>> {
        let table = self.table.read();
        // First where they are and then who: no look has to wait for what another one finds.
        let slots: Vec<Option<(usize, usize)>> = cells
            .iter()
            .map(|cell| {
                let CellKey(key) = (*cell)?;
                table.find(key, self.places.hash_one(key))
            })
            .collect();
        slots.iter().map(|slot| table.person((*slot)?)).collect()
    }

    /// Remembers the persons of cells.
    pub(crate) fn remember(&self, persons: impl Iterator<Item = (CellKey, Person)>) {
        let mut table = self.table.write();
        for (CellKey(key), person) in persons {
            table.put(key, self.places.hash_one(key), person);
            if table.len * 2 > table.keys.len() * WAYS && table.keys.len() < MOST_PLACES {
                table.grow(&self.places);
            }
        }
    }
}

impl Table {
    fn of(places: usize) -> Self {
        Self { keys: vec![[EMPTY; WAYS]; places], persons: vec![[Person::default(); WAYS]; places], len: 0 }
    }

    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash & (self.keys.len() as u64 - 1)).unwrap_or_default()
    }

    /// Place and way of a key.
    fn find(&self, key: u128, hash: u64) -> Option<(usize, usize)> {
        let place = self.place(hash);
        let keys = self.keys.get(place)?;
        if let Some(way) = way_of(keys, key) {
            return Some((place, way));
        }
        // Only where its own place was full.
        way_of(keys, EMPTY).is_none().then_some(())?;
        Some((place ^ 1, way_of(self.keys.get(place ^ 1)?, key)?))
    }

    fn free(&self, place: usize) -> Option<(usize, usize)> {
        Some((place, way_of(self.keys.get(place)?, EMPTY)?))
    }

    fn person(&self, (place, way): (usize, usize)) -> Option<Person> {
        self.persons.get(place)?.get(way).copied()
    }

    fn put(&mut self, key: u128, hash: u64, person: Person) {
        let home = self.place(hash);
        let found = self.find(key, hash).or_else(|| self.free(home)).or_else(|| self.free(home ^ 1));
        let (place, way) = found.unwrap_or((home, 0));
        let (Some(keys), Some(persons)) = (self.keys.get_mut(place), self.persons.get_mut(place)) else { return };
        if found.is_none() {
            // The newest comes first and the oldest goes.
            keys.rotate_right(1);
            persons.rotate_right(1);
        }
        if let (Some(slot), Some(kept)) = (keys.get_mut(way), persons.get_mut(way)) {
            self.len += usize::from(*slot == EMPTY);
            (*slot, *kept) = (key, person);
        }
    }

    fn grow(&mut self, places: &FastHash) {
        let mut larger = Self::of(self.keys.len() * 2);
        let known = self.keys.iter().flatten().zip(self.persons.iter().flatten());
        for (key, person) in known.filter(|(key, _)| **key != EMPTY) {
            larger.put(*key, places.hash_one(*key), *person);
        }
        *self = larger;
    }
}

/// Where a key is in its place. Which way it is cannot be foretold, so nothing here may branch on it.
fn way_of(keys: &[u128; WAYS], key: u128) -> Option<usize> {
    let ways = (0u32..).zip(keys).fold(0u32, |ways, (way, known)| ways | u32::from(*known == key) << way);
    (ways != 0).then_some(ways.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(index: u32) -> Person {
        Person { pseudonym: Pseudonym::from_bits(u128::from(index).to_le_bytes()), index }
    }

    #[test]
    fn every_cell_has_a_key_of_its_own() {
        let cache = PersonCache::default();
        let long = "x".repeat(16);
        let longer = "x".repeat(17);
        let texts = ["", "0", "1", "0\0", "\0", "0201609995", "020160-9995", "123456789012345", &long, &longer];
        let mut keys: Vec<CellKey> = texts.iter().map(|text| cache.text_key(text)).collect();
        keys.extend([0, 1, -1, i64::MIN, i64::MAX].map(PersonCache::number_key));
        for (at, key) in keys.iter().enumerate() {
            assert!(key.0 != EMPTY && !keys[..at].contains(key), "{at}");
        }
        assert_eq!(cache.text_key(&long), cache.text_key(&long));
    }

    #[test]
    fn whoever_is_found_is_the_right_person() {
        let cache = PersonCache::default();
        let most = i64::try_from(MOST_PLACES * WAYS * 3 / 2).unwrap();
        let persons = (0..most).map(|n| (PersonCache::number_key(n), person(u32::try_from(n).unwrap())));
        cache.remember(persons);
        let cells: Vec<_> = (-10..most).map(|n| Some(PersonCache::number_key(n))).chain([None]).collect();
        let found = cache.find(&cells);
        assert_eq!(found.len(), cells.len());
        let mut known = 0;
        for (n, found) in (-10..most).zip(&found) {
            if let Some(found) = found {
                assert_eq!(i64::from(found.index), n);
                assert_eq!(found.pseudonym, person(found.index).pseudonym);
                known += 1;
            }
        }
        assert!(found.last().unwrap().is_none());
        assert!(known > MOST_PLACES * WAYS / 2, "{known}");
        let newest = cache.find(&[Some(PersonCache::number_key(most - 1))]);
        assert!(newest[0].is_some(), "the newest stays");
    }

    #[test]
    fn below_its_largest_size_it_forgets_next_to_nobody() {
        let cache = PersonCache::default();
        cache.remember((0..300_000).map(|n| (cache.text_key(&format!("{n:010}")), person(n))));
        let cells: Vec<_> = (0..300_000).map(|n| Some(cache.text_key(&format!("{n:010}")))).collect();
        let known = cache.find(&cells).iter().flatten().count();
        assert!(known > 295_000, "{known}");
    }
}
