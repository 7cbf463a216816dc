//! The one promise of the object store that everything rests on: of many writers that create
//! the same object at once, exactly one wins.
//!
//! The journal's sequence and the Delta log's versions are correct only if this holds. Some
//! S3 look-alikes accept `If-None-Match: *` and ignore it, so a tenant is not ready before the
//! race below has been run against its own bucket.

use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions};

use crate::Storage;

/// Writers in the race.
const RACERS: usize = 30;

/// Why a store must not be used.
#[derive(Debug, thiserror::Error)]
pub enum PutIfAbsentError {
    /// Not exactly one winner: the store does not honour put-if-absent.
    #[error(
        "{winners} of {RACERS} racing writers created the same object: this store does not honour conditional put \
         (If-None-Match: *); use one that does"
    )]
    Winners {
        /// How many writers were told that they had created the object.
        winners: usize,
    },
    /// The object is not what the winner wrote.
    #[error(
        "the object is not what the winning writer wrote: this store does not honour conditional put; use one that does"
    )]
    Content,
    /// The store could not be asked.
    #[error("the store could not be checked: {0}; check that it is reachable and that the credentials may write")]
    Store(#[from] Error),
}

impl Storage {
    /// Races 30 writers for one new object below `work/` and checks that exactly one wins, that
    /// all others learn that they lost, and that the object is the winner's.
    ///
    /// # Errors
    /// See [`PutIfAbsentError`]; after any of them the storage must not be used.
    pub async fn check_put_if_absent(&self) -> Result<(), PutIfAbsentError> {
        let store = self.store();
        let path = Path::from(format!("work/.put-if-absent/{}", uuid::Uuid::new_v4()));
        let race = (0..RACERS).map(|racer| {
            let (store, path) = (&store, &path);
            async move {
                let mode = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                match store.put_opts(path, racer.to_string().into(), mode).await {
                    Ok(_) => Ok(Some(racer)),
                    Err(Error::AlreadyExists { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        });
        let outcomes = join_all(race).await.into_iter().collect::<Result<Vec<_>, Error>>()?;
        let winners: Vec<usize> = outcomes.into_iter().flatten().collect();
        let content = store.get(&path).await?.bytes().await?;
        // The credentials of a service may lack the right to delete; an empty mark left in
        // `work/` harms nobody.
        if let Err(error) = store.delete(&path).await {
            tracing::warn!(%error, "the mark of the put-if-absent check could not be removed");
        }
        match winners.as_slice() {
            [winner] if content == winner.to_string() => Ok(()),
            [_] => Err(PutIfAbsentError::Content),
            _ => Err(PutIfAbsentError::Winners { winners: winners.len() }),
        }
    }
}
