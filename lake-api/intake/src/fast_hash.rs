//! Maps and sets whose hash is fast, for what is asked of every cell.
//!
//! Their places can be foreseen better than those of the standard hash. Whoever makes values meet there slows the
//! own delivery down and nothing else; what must not be foreseen is hashed elsewhere.

use std::collections::{HashMap, HashSet};

pub(crate) type FastHash = foldhash::fast::RandomState;
pub(crate) type FastMap<K, V> = HashMap<K, V, FastHash>;
pub(crate) type FastSet<T> = HashSet<T, FastHash>;
