//! Maps and sets whose hash is fast, for what is asked of every cell.
//!
//! Their places can be foreseen better than those of the standard hash. Whoever makes values meet there slows the
//! own delivery down and nothing else; what must not be foreseen is hashed elsewhere.

use std::collections::{HashMap, HashSet};

pub(crate) type FastHash = foldhash::fast::RandomState;
/// One multiplication more, for tables that do not search on where a place is full: numbers written as text differ in
/// few bits, and under some keys the fast hash crowds them.
pub(crate) type EvenHash = foldhash::quality::RandomState;
pub(crate) type FastMap<K, V> = HashMap<K, V, FastHash>;
pub(crate) type FastSet<T> = HashSet<T, FastHash>;
