//! How far the person index had come when a tenant's rows were numbered.
//!
//! The index lies in a store of its own. One that was restored from an older copy, made anew or
//! looked for in the wrong place would number persons a second time without a word, and the ledger
//! would take them for others. So every intake leaves in the tenant's lake, before its rows become
//! visible, how many segments the index had and a digest over all of them:
//!
//! ```text
//!  lake/_keys/person-index/<20-digit segments>-<digest>    created once, never changed
//! ```
//!
//! An index that grew holds every one of these marks at its place, whoever else it grew for. No
//! dataset can have the folder's name.

use object_store::path::Path;
use object_store::{ObjectStore, PutMode};
use oscar_permit::Sha256Digest;

use super::store::PersonIndexError;

const FOLDER: &str = "lake/_keys/person-index";

/// A state of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexMark {
    pub(crate) segments: u64,
    /// Over the seals of all segments, in their order.
    pub(crate) digest: Sha256Digest,
}

impl IndexMark {
    fn path(&self) -> Path {
        Path::from(format!("{FOLDER}/{:020}-{}", self.segments, self.digest))
    }

    fn parse(path: &Path) -> Option<Self> {
        let (segments, digest) = path.filename()?.split_once('-')?;
        Some(Self { segments: segments.parse().ok()?, digest: digest.parse().ok()? })
    }

    /// Leaves the mark in a tenant's store; it may be there already.
    pub(crate) async fn leave(&self, store: &dyn ObjectStore) -> Result<(), PersonIndexError> {
        match store.put_opts(&self.path(), self.digest.to_string().into_bytes().into(), PutMode::Create.into()).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(PersonIndexError::Mark { action: "kept", source }),
        }
    }

    /// Every mark that was left in a tenant's store.
    pub(crate) async fn all(store: &dyn ObjectStore) -> Result<Vec<Self>, PersonIndexError> {
        let found = store.list_with_delimiter(Some(&Path::from(FOLDER))).await;
        let found = found.map_err(|source| PersonIndexError::Mark { action: "read", source })?;
        let marks = found.objects.iter().map(|object| Self::parse(&object.location));
        marks.collect::<Option<_>>().ok_or(PersonIndexError::Forgotten)
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_mark_is_found_again_and_one_that_cannot_be_read_is_no_missing_one() {
        let store = InMemory::new();
        assert_eq!(IndexMark::all(&store).await.unwrap(), []);
        let mark = IndexMark { segments: 7, digest: Sha256Digest::of("all seven") };
        mark.leave(&store).await.unwrap();
        mark.leave(&store).await.unwrap();
        assert_eq!(IndexMark::all(&store).await.unwrap(), [mark]);
        store.put(&Path::from(format!("{FOLDER}/something")), "".into()).await.unwrap();
        assert!(matches!(IndexMark::all(&store).await, Err(PersonIndexError::Forgotten)));
    }
}
