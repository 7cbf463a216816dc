//! Person keys become pseudonyms: key material, normal forms, the keyed hash.

mod key_check;
mod key_provider;
mod person_key;
mod pseudonymiser;

pub(crate) use key_check::confirm;
pub use key_provider::{FileKeys, KeyError, KeyProvider, KeyPurpose, SecretKey};
pub(crate) use person_key::PersonKeyForm;
pub use pseudonymiser::{KeyedPseudonymiser, Pseudonym, Pseudonymiser};
pub(crate) use pseudonymiser::{keyed, tag};
