//! Is this the key that earlier deliveries used?
//!
//! A lost key folder would be filled with new keys without a word: every pseudonym would change, and
//! the person index would number every person a second time, so that the ledger forgets
//! who was released before. So what a key was used for keeps a keyed hash of a constant beside it,
//! which tells nothing about the key and everything about whether it is the same.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use oscar_lake::{KeyPurpose, Pseudonym, SecretKey};

use super::pseudonymiser::{keyed, tag};

const CONSTANT: &[u8] = b"oscar key check\0";

/// Why a key is not used.
#[derive(Debug, thiserror::Error)]
pub enum KeyCheckError {
    /// Another key than the one that was used before.
    #[error(
        "the key for {0:?} is not the one that earlier deliveries used; restore it from a backup: a new key would make every person a new one"
    )]
    Changed(KeyPurpose),
    /// Whether it is the key that was used before cannot be told.
    #[error(
        "the key for {purpose:?} cannot be compared with the one used before; deliver again when the store is back"
    )]
    Store {
        /// Which key.
        purpose: KeyPurpose,
        /// Why it failed.
        #[source]
        source: object_store::Error,
    },
}

/// Compares the key with the one that was used first in `store`, which is remembered at `path`.
pub(crate) async fn confirm(
    store: &dyn ObjectStore,
    path: &Path,
    purpose: KeyPurpose,
    key: &SecretKey,
) -> Result<(), KeyCheckError> {
    let failed = |source| KeyCheckError::Store { purpose, source };
    let ours = Pseudonym::from_bits(tag(&keyed(key), CONSTANT)).letters();
    let first = match store.get(path).await {
        Ok(found) => Some(found.bytes().await.map_err(failed)?),
        Err(object_store::Error::NotFound { .. }) => {
            let bytes = ours.to_vec();
            match store.put_opts(path, bytes.into(), PutMode::Create.into()).await {
                Ok(_) => None,
                Err(object_store::Error::AlreadyExists { .. }) => {
                    Some(async { store.get(path).await?.bytes().await }.await.map_err(failed)?)
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(error) => return Err(failed(error)),
    };
    if first.is_none_or(|first| *first == ours) { Ok(()) } else { Err(KeyCheckError::Changed(purpose)) }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn the_first_key_is_remembered_and_another_is_refused() {
        let (store, path) = (InMemory::new(), Path::from("check"));
        let (one, two) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
        confirm(&store, &path, KeyPurpose::Pseudonyms, &one).await.unwrap();
        confirm(&store, &path, KeyPurpose::Pseudonyms, &one).await.unwrap();
        let error = confirm(&store, &path, KeyPurpose::Pseudonyms, &two).await.unwrap_err();
        assert!(matches!(error, KeyCheckError::Changed(KeyPurpose::Pseudonyms)));
    }
}
