//! The hidden spoke-wide person index.

mod map;
mod store;

pub(crate) use map::HashedKey;
pub use store::PersonIndexError;
pub(crate) use store::PersonIndexStore;
