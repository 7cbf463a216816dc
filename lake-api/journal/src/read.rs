//! Reading: from the newest checkpoint to the end, and later from the known head on.
//!
//! A listing says which objects exist; records are then fetched by number, because a
//! listing is no snapshot: while others append it may show a record and not the one
//! before. A number that is asked for, not there, and has a successor is a gap, and a
//! gap is an error.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use oscar_permit::Sha256Digest;

use crate::checkpoint;
use crate::error::JournalError;
use crate::finding::{Finding, FindingKind};
use crate::journal::Snapshot;
use crate::key::VerifyingKey;
use crate::layout::{CHECKPOINTS, JOURNAL, Place, place, record_path};
use crate::record::{Head, Record};

/// Requests in flight.
pub(crate) const PARALLEL: usize = 16;

/// Largest step in records when catching up.
const LARGEST_WINDOW: u64 = 64;

/// State and head from the store alone, and the number of the checkpoint it began with.
pub(crate) async fn load(store: &dyn ObjectStore, key: &VerifyingKey) -> Result<(Snapshot, u64), JournalError> {
    let newest = newest_checkpoint(store).await?;
    let start = match newest {
        0 => Snapshot::empty(),
        sequence => {
            let checkpoint = checkpoint::read(store, key, sequence).await?;
            let bytes = fetch(store, sequence).await?;
            let digest = bytes
                .map(Sha256Digest::of)
                .ok_or(JournalError::Unsound(Finding::at(sequence, FindingKind::Truncated)))?;
            if digest != checkpoint.head.digest {
                return Err(JournalError::Unsound(Finding::at(sequence, FindingKind::CheckpointHead)));
            }
            // Where the state is of another making, the records are read from the first one on.
            let (head, empty) = (checkpoint.head, Snapshot::empty());
            checkpoint.state.map_or(empty, |state| Snapshot { head, state: Arc::new(state) })
        }
    };
    let (last, begun_with) = (last_listed(store, newest).await?, start.head.sequence);
    Ok((follow(store, key, start, last).await?, begun_with))
}

/// Reads on from `snapshot` to the end. Every record up to `must_reach` has to be there.
pub(crate) async fn follow(
    store: &dyn ObjectStore,
    key: &VerifyingKey,
    mut snapshot: Snapshot,
    must_reach: u64,
) -> Result<Snapshot, JournalError> {
    let mut window = 1;
    loop {
        let first = snapshot.head.sequence + 1;
        let objects: Vec<(u64, Option<Bytes>)> = stream::iter(first..first.saturating_add(window))
            .map(|sequence| async move { Ok::<_, JournalError>((sequence, fetch(store, sequence).await?)) })
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        let successor = objects.iter().rev().find(|(_, bytes)| bytes.is_some()).map_or(0, |(sequence, _)| *sequence);
        for (sequence, bytes) in objects {
            // It may have been written between the request for it and the one for its successor.
            let bytes = match bytes {
                None if sequence < successor => fetch(store, sequence).await?,
                found => found,
            };
            match bytes {
                Some(bytes) => extend(&mut snapshot, key, sequence, &bytes)?,
                None if sequence <= must_reach.max(successor) => {
                    let kind = FindingKind::Missing { through: sequence };
                    return Err(JournalError::Unsound(Finding::at(sequence, kind)));
                }
                None => return Ok(snapshot),
            }
        }
        window = (window * 2).min(LARGEST_WINDOW);
    }
}

/// Verifies one record and folds it in.
pub(crate) fn extend(
    snapshot: &mut Snapshot,
    key: &VerifyingKey,
    sequence: u64,
    bytes: &Bytes,
) -> Result<(), JournalError> {
    let unsound = |flaw| JournalError::Unsound(Finding::flaw(sequence, flaw));
    let record = Record::open(bytes, sequence, key).map_err(unsound)?;
    record.follows(&snapshot.head).map_err(unsound)?;
    Arc::make_mut(&mut snapshot.state)
        .apply(&record)
        .map_err(|error| JournalError::Unsound(Finding::at(sequence, FindingKind::Illegal(error))))?;
    snapshot.head = Head { sequence, digest: Sha256Digest::of(bytes), time: record.time };
    Ok(())
}

/// The bytes of a record's object, or `None`.
pub(crate) async fn fetch(store: &dyn ObjectStore, sequence: u64) -> Result<Option<Bytes>, JournalError> {
    match async { store.get(&record_path(sequence)).await?.bytes().await }.await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(JournalError::Store(error)),
    }
}

async fn newest_checkpoint(store: &dyn ObjectStore) -> Result<u64, JournalError> {
    let mut newest = 0;
    let mut listing = store.list(Some(&Path::from(CHECKPOINTS)));
    while let Some(object) = listing.try_next().await.map_err(JournalError::Store)? {
        match place(&object.location) {
            Place::Checkpoint(sequence) => newest = newest.max(sequence),
            Place::Record(_) | Place::Foreign => return Err(JournalError::Unsound(FOREIGN)),
        }
    }
    Ok(newest)
}

async fn last_listed(store: &dyn ObjectStore, after: u64) -> Result<u64, JournalError> {
    let mut last = after;
    let mut listing = store.list_with_offset(Some(&Path::from(JOURNAL)), &record_path(after));
    while let Some(object) = listing.try_next().await.map_err(JournalError::Store)? {
        match place(&object.location) {
            Place::Record(sequence) => last = last.max(sequence),
            Place::Checkpoint(_) => {}
            Place::Foreign => return Err(JournalError::Unsound(FOREIGN)),
        }
    }
    Ok(last)
}

const FOREIGN: Finding = Finding { sequence: None, kind: FindingKind::Foreign };
