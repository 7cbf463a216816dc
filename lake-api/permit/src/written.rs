//! A word that is written has a value behind it.
//!
//! In YAML `columns:` with nothing behind it is null, which is read like a word that was left
//! out; and where leaving a restriction out widens a permit, an unfinished line would grant
//! everything. So null is an error wherever absence has a meaning.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A value that may be left out (`#[serde(default)]`) and may not be null.
pub(crate) fn written<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer)?
        .ok_or_else(|| D::Error::custom("a word has nothing behind it: write its value, or leave the word out"))
}

/// The same where what is left out is `None`.
pub(crate) fn written_or_absent<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    written(deserializer).map(Some)
}
