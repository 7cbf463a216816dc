//! The hidden spoke-wide person index.

mod map;
mod mark;
mod store;

pub(crate) use map::HashedKey;
pub(crate) use mark::IndexMark;
pub use store::PersonIndexError;
pub(crate) use store::PersonIndexStore;
