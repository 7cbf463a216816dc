//! Persons that a table has named so far, by the cells that name them.
//!
//! All workers share one cache, so no person is pseudonymised twice for being dealt to two of them. It
//! holds up to one and a half million persons (64 MiB) and then lets the newest take another's place:
//! whoever is missing is looked up again, so that its size decides on speed alone.
//!
//! With hundreds of thousands of persons every look goes to main memory, so what counts is that
//! looks do not wait for each other: many places are touched before the first is looked into, the keys
//! of a place are compared without a branch, and whom they stand for is beside them.

use std::hash::{BuildHasher, RandomState};

use oscar_lake::Pseudonym;
use parking_lot::RwLock;

use crate::fast_hash::EvenHash;

/// Places at the start and at most; powers of two.
const FEWEST_PLACES: usize = 1 << 10;
const MOST_PLACES: usize = 1 << 19;
/// Persons whose cells may have the same place. Where they are more, some go to the place beside it.
const WAYS: usize = 3;
/// Looks that are begun together.
const TOGETHER: usize = 64;
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
    places: EvenHash,
}

struct Table {
    places: Vec<Place>,
    len: usize,
}

/// Two lines of the processor's cache, which are fetched together: keys and indexes in the first.
#[derive(Clone, Copy)]
#[repr(C, align(128))]
struct Place {
    keys: [u128; WAYS],
    indexes: [u32; WAYS],
    pseudonyms: [Pseudonym; WAYS],
}

impl Default for PersonCache {
    fn default() -> Self {
        Self {
            table: RwLock::new(Table::of(FEWEST_PLACES)),
            long_texts: (RandomState::new(), RandomState::new()),
            places: EvenHash::default(),
        }
    }
}

impl PersonCache {
    /// The key of a text; `piece`, where there is one, begins with the text and may go on with anything.
    pub(crate) fn text_key(&self, text: &str, piece: Option<&[u8; 16]>) -> CellKey {
        if let (Some(piece), 0..=EXACT) = (piece, text.len()) {
            let letters = u128::from_le_bytes(*piece) & ((1 << (8 * text.len())) - 1);
            return CellKey(letters | (text.len() as u128 + 1) << 120);
        }
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
        let mut persons = Vec::with_capacity(cells.len());
        let mut hashes = [0; TOGETHER];
        for cells in cells.chunks(TOGETHER) {
            for (cell, hash) in cells.iter().zip(&mut hashes) {
                *hash = cell.map_or(0, |CellKey(key)| self.places.hash_one(key));
            }
            table.touch_all(hashes.get(..cells.len()).unwrap_or_default());
            let found = cells.iter().zip(&hashes).map(|(cell, hash)| table.person((*cell)?.0, *hash));
            persons.extend(found);
        }
        persons
    }

    /// Remembers the persons of cells.
    pub(crate) fn remember(&self, persons: &[(CellKey, Person)]) {
        let mut table = self.table.write();
        let mut hashes = [0; TOGETHER];
        for persons in persons.chunks(TOGETHER) {
            for ((CellKey(key), _), hash) in persons.iter().zip(&mut hashes) {
                *hash = self.places.hash_one(key);
            }
            table.touch_all(hashes.get(..persons.len()).unwrap_or_default());
            for ((CellKey(key), person), hash) in persons.iter().zip(&hashes) {
                table.put(*key, *hash, *person);
            }
            while table.len * 5 > table.places.len() * WAYS * 2 && table.places.len() < MOST_PLACES {
                table.grow(&self.places);
            }
        }
    }
}

impl Place {
    const EMPTY: Self =
        Self { keys: [EMPTY; WAYS], indexes: [0; WAYS], pseudonyms: [Pseudonym::from_bits([0; 16]); WAYS] };

    fn person(&self, way: usize) -> Option<Person> {
        Some(Person { pseudonym: *self.pseudonyms.get(way)?, index: *self.indexes.get(way)? })
    }

    fn set(&mut self, way: usize, key: u128, person: Person) {
        let slots = (self.keys.get_mut(way), self.indexes.get_mut(way), self.pseudonyms.get_mut(way));
        if let (Some(slot), Some(index), Some(pseudonym)) = slots {
            (*slot, *index, *pseudonym) = (key, person.index, person.pseudonym);
        }
    }
}

impl Table {
    fn of(places: usize) -> Self {
        Self { places: vec![Place::EMPTY; places], len: 0 }
    }

    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash & (self.places.len() as u64 - 1)).unwrap_or_default()
    }

    /// Something of both lines of a key's place.
    fn touch(&self, hash: u64) -> u32 {
        let Some(place) = self.places.get(self.place(hash)) else { return 0 };
        let [index, ..] = place.indexes;
        let [.., pseudonym] = place.pseudonyms;
        index ^ u32::from(pseudonym == Pseudonym::default())
    }

    /// Something of the places of keys, so that they are fetched from memory together.
    fn touch_all(&self, hashes: &[u64]) {
        std::hint::black_box(hashes.iter().fold(0, |touched, hash| touched ^ self.touch(*hash)));
    }

    /// Place and way of a key.
    fn find(&self, key: u128, hash: u64) -> Option<(usize, usize)> {
        let place = self.place(hash);
        let keys = &self.places.get(place)?.keys;
        if let Some(way) = way_of(keys, key) {
            return Some((place, way));
        }
        // Only where its own place was full.
        way_of(keys, EMPTY).is_none().then_some(())?;
        Some((place ^ 1, way_of(&self.places.get(place ^ 1)?.keys, key)?))
    }

    fn free(&self, place: usize) -> Option<(usize, usize)> {
        Some((place, way_of(&self.places.get(place)?.keys, EMPTY)?))
    }

    fn person(&self, key: u128, hash: u64) -> Option<Person> {
        let (place, way) = self.find(key, hash)?;
        self.places.get(place)?.person(way)
    }

    fn put(&mut self, key: u128, hash: u64, person: Person) {
        let home = self.place(hash);
        let known = self.find(key, hash);
        let free = known.or_else(|| self.free(home)).or_else(|| self.free(home ^ 1));
        self.len += usize::from(known.is_none() && free.is_some());
        let (place, way) = free.unwrap_or((home, 0));
        let Some(place) = self.places.get_mut(place) else { return };
        if free.is_none() {
            // The newest comes first and the oldest goes.
            place.keys.rotate_right(1);
            place.indexes.rotate_right(1);
            place.pseudonyms.rotate_right(1);
        }
        place.set(way, key, person);
    }

    fn grow(&mut self, places: &EvenHash) {
        let mut larger = Self::of(self.places.len() * 2);
        for place in &self.places {
            for (way, key) in place.keys.iter().enumerate().filter(|(_, key)| **key != EMPTY) {
                if let Some(person) = place.person(way) {
                    larger.put(*key, places.hash_one(*key), person);
                }
            }
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
        let mut keys: Vec<CellKey> = texts.iter().map(|text| cache.text_key(text, None)).collect();
        for (text, key) in texts.iter().zip(&keys) {
            let piece: Vec<u8> = text.bytes().chain([7; 16]).collect();
            assert_eq!(cache.text_key(text, piece.first_chunk()), *key, "with what is behind it: {text}");
        }
        keys.extend([0, 1, -1, i64::MIN, i64::MAX].map(PersonCache::number_key));
        for (at, key) in keys.iter().enumerate() {
            assert!(key.0 != EMPTY && !keys[..at].contains(key), "{at}");
        }
        assert_eq!(cache.text_key(&long, None), cache.text_key(&long, None));
    }

    #[test]
    fn whoever_is_found_is_the_right_person() {
        let cache = PersonCache::default();
        let most = i64::try_from(MOST_PLACES * WAYS * 3 / 2).unwrap();
        let persons = (0..most).map(|n| (PersonCache::number_key(n), person(u32::try_from(n).unwrap())));
        cache.remember(&persons.collect::<Vec<_>>());
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
        let persons = (0..300_000).map(|n| (cache.text_key(&format!("{n:010}"), None), person(n)));
        cache.remember(&persons.collect::<Vec<_>>());
        let cells: Vec<_> = (0..300_000).map(|n| Some(cache.text_key(&format!("{n:010}"), None))).collect();
        let known = cache.find(&cells).iter().flatten().count();
        assert!(known > 295_000, "{known}");
    }
}
