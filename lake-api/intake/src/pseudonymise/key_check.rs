//! Is this the key that earlier deliveries used?
//!
//! A lost key folder would be filled with new keys without a word: every pseudonym would change, and
//! the person index would number every person a second time, so that the ledger forgets
//! who was released before. So what a key was used for keeps a keyed hash of a constant beside it,
//! which tells nothing about the key and everything about whether it is the same.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::pseudonymiser::{Pseudonym, keyed, tag};
use super::{KeyError, KeyPurpose, SecretKey};

const CONSTANT: &[u8] = b"oscar key check\0";

/// Compares the key with the one that was used first in `store`, which is remembered at `path`.
pub(crate) async fn confirm(
    store: &dyn ObjectStore,
    path: &Path,
    purpose: KeyPurpose,
    key: &SecretKey,
) -> Result<(), KeyError> {
    let failed = |source| KeyError::Store { purpose, source };
    let ours = Pseudonym::from_bits(tag(&keyed(key), CONSTANT));
    let first = match store.get(path).await {
        Ok(found) => Some(found.bytes().await.map_err(failed)?),
        Err(object_store::Error::NotFound { .. }) => {
            let bytes = ours.as_str().as_bytes().to_vec();
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
    if first.is_none_or(|first| first == ours.as_str().as_bytes()) { Ok(()) } else { Err(KeyError::Changed(purpose)) }
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
        assert!(matches!(error, KeyError::Changed(KeyPurpose::Pseudonyms)));
    }
}
