//! Keys across rows: is this row's key new, and does the key it refers to exist?
//!
//! A key is remembered as 64 bits of SipHash-1-3 under a key drawn at random for every
//! delivery, so nobody can prepare two rows that collide. It takes 10 to 20 bytes per row.
//! Among n rows the chance that any two different keys collide is n²/2⁶⁵: one in 180,000
//! for 14 million rows. A collision puts a good row into quarantine, and never lets a bad
//! one through a uniqueness check; a reference to a missing key passes with the chance
//! n/2⁶⁴. The set has a limit, beyond which the delivery is refused rather than half checked.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::package::number_bits;

/// Keys of one table that fit into memory.
pub(crate) const MOST_KEYS: usize = 100_000_000;
const SHARDS: usize = 64;

/// Hashes keys of one delivery.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyHasher(RandomState);

impl KeyHasher {
    /// One hash per row over several columns; `None` where any of them is null.
    pub(crate) fn hash_rows(&self, columns: &[&ArrayRef], rows: usize) -> Vec<Option<u64>> {
        let mut hashers: Vec<_> = (0..rows).map(|_| Some(self.0.build_hasher())).collect();
        for column in columns {
            feed(column, &mut hashers);
        }
        hashers.into_iter().map(|hasher| hasher.map(|hasher| hasher.finish())).collect()
    }
}

fn feed<H: Hasher>(column: &ArrayRef, hashers: &mut [Option<H>]) {
    /// Feeds the column's values; null takes the row out.
    macro_rules! feed {
        ($values:expr, |$hasher:ident, $value:ident| $write:expr) => {
            for (slot, value) in hashers.iter_mut().zip($values) {
                match (slot.as_mut(), value) {
                    (Some($hasher), Some($value)) => $write,
                    (_, None) => *slot = None,
                    (None, Some(_)) => {}
                }
            }
        };
    }
    match column.data_type() {
        DataType::Utf8 => feed!(column.as_string::<i32>(), |hasher, text| {
            hasher.write(text.as_bytes());
            hasher.write_u8(0xff);
        }),
        // Persons by their hidden index.
        DataType::Int32 => feed!(column.as_primitive::<Int32Type>(), |hasher, value| hasher.write_i32(value)),
        DataType::Int64 => feed!(column.as_primitive::<Int64Type>(), |hasher, value| hasher.write_i64(value)),
        DataType::Float64 => {
            feed!(column.as_primitive::<Float64Type>(), |hasher, value| hasher.write_u64(number_bits(value)));
        }
        DataType::Date32 => feed!(column.as_primitive::<Date32Type>(), |hasher, value| hasher.write_i32(value)),
        DataType::Timestamp(..) => {
            feed!(column.as_primitive::<TimestampMicrosecondType>(), |hasher, value| hasher.write_i64(value));
        }
        DataType::Boolean => feed!(column.as_boolean(), |hasher, value| hasher.write_u8(u8::from(value))),
        // No other type can be in a plan; without a hash every row fails its key check.
        _ => hashers.iter_mut().for_each(|slot| *slot = None),
    }
}

/// The keys seen so far.
#[derive(Debug)]
pub(crate) struct KeySet {
    /// Many small tables grow one after the other, so growing never doubles the whole.
    shards: Vec<HashSet<u64, BuildHasherDefault<AlreadyHashed>>>,
    len: usize,
}

impl Default for KeySet {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashSet::default()).collect(), len: 0 }
    }
}

impl KeySet {
    /// Remembers a key; `Some(false)` when it was there, `None` when the set is full.
    pub(crate) fn insert(&mut self, key: u64) -> Option<bool> {
        let shard = self.shards.get_mut(shard_of(key))?;
        let new = shard.insert(key);
        self.len += usize::from(new);
        (self.len <= MOST_KEYS).then_some(new)
    }

    /// Forgets a key that was new.
    pub(crate) fn remove(&mut self, key: u64) {
        let removed = self.shards.get_mut(shard_of(key)).is_some_and(|shard| shard.remove(&key));
        self.len -= usize::from(removed);
    }

    pub(crate) fn contains(&self, key: u64) -> bool {
        self.shards.get(shard_of(key)).is_some_and(|shard| shard.contains(&key))
    }
}

/// Bits in the middle: the table inside a shard uses both ends.
const fn shard_of(key: u64) -> usize {
    (key >> 32) as usize % SHARDS
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn rows_have_one_hash_exactly_when_all_their_cells_are_equal() {
        let left: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("ab"), Some("a"), None, Some("a")]));
        let right: ArrayRef = Arc::new(StringArray::from(vec![Some("bc"), Some("c"), Some("bc"), Some("x"), None]));
        let hashes = KeyHasher::default().hash_rows(&[&left, &right], 5);
        assert_eq!(hashes[0], hashes[2]);
        assert_ne!(hashes[0], hashes[1]);
        assert_eq!((hashes[3], hashes[4]), (None, None));
    }

    #[test]
    fn a_set_remembers_every_key() {
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let hashes = KeyHasher::default().hash_rows(&[&keys], 100_000);
        let mut set = KeySet::default();
        assert!(hashes.iter().all(|key| set.insert(key.unwrap()) == Some(true)));
        assert!(hashes.iter().all(|key| set.insert(key.unwrap()) == Some(false) && set.contains(key.unwrap())));
    }
}
