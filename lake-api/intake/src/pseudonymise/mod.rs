//! Person keys become pseudonyms: normal forms, the keyed hash.

mod person_key;
mod pseudonymiser;

pub(crate) use person_key::PersonKeyForm;
pub use pseudonymiser::{KeyedPseudonymiser, Pseudonym, Pseudonymiser};
pub(crate) use pseudonymiser::{keyed, tag};
