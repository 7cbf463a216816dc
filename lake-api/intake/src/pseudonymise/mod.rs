//! Person keys become pseudonyms: normal forms, the keyed hash.

mod key_check;
mod person_key;
mod pseudonymiser;

pub use key_check::KeyCheckError;
pub(crate) use key_check::confirm;
pub(crate) use person_key::PersonKeyForm;
pub use pseudonymiser::{KeyedPseudonymiser, Pseudonymiser};
pub(crate) use pseudonymiser::{keyed, tag};
