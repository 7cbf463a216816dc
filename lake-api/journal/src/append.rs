//! Writing one record, with every outcome of a put told apart.
//!
//! A put may time out after the store took it, or be repeated by a client that retries.
//! So an error is never taken at its word: the object is read back, and its random nonce
//! says whether it is ours (recorded), another's (the race is lost) or absent (put the
//! same bytes under the same number again: whichever arrives, it is the same record).

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use object_store::{ObjectStore, PutMode};

use crate::error::JournalError;
use crate::layout::record_path;
use crate::read::fetch;

/// Tries before a failing store is reported; the waits between them add up to about one second.
const TRIES: u32 = 5;

/// What became of a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Put {
    /// The record is ours.
    Recorded,
    /// Another record has the number: these are its bytes.
    Lost(Bytes),
}

/// Creates the object of record `sequence`.
pub(crate) async fn create(
    store: &dyn ObjectStore,
    local_folder: Option<&FilePath>,
    sequence: u64,
    bytes: Bytes,
) -> Result<Put, JournalError> {
    let path = record_path(sequence);
    let mut tries = 0;
    loop {
        let put = store.put_opts(&path, bytes.clone().into(), PutMode::Create.into()).await;
        let Err(failure) = put else { return confirmed(local_folder, sequence).await };
        // An error of this read tells nothing either: the put is tried again.
        match fetch(store, sequence).await {
            Ok(Some(found)) if found == bytes => return confirmed(local_folder, sequence).await,
            Ok(Some(theirs)) => return Ok(Put::Lost(theirs)),
            Ok(None) | Err(_) => {}
        }
        tries += 1;
        if tries == TRIES {
            return Err(JournalError::Store(failure));
        }
        tracing::warn!(sequence, tries, "the store did not take a journal record; trying again");
        wait(tries).await;
    }
}

/// Before the store is tried again: 0 to 2^tries × 16 ms, at random.
async fn wait(tries: u32) {
    pause(16u64.saturating_mul(1 << tries.min(5))).await;
}

/// Before the next race for a number. Short, because who has just won pauses not at all:
/// losers that held back would lose again.
pub(crate) async fn pause_after_loss(losses: u32) {
    pause(u64::from(losses.min(8)) * 2).await;
}

async fn pause(longest_milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=longest_milliseconds))).await;
}

/// On a local disk a new file survives a kill at once but a loss of power only after a
/// sync of file and folder, which the store does not do. The record before is synced
/// too: another process may have written it and not come to this point.
async fn confirmed(local_folder: Option<&FilePath>, sequence: u64) -> Result<Put, JournalError> {
    let Some(folder) = local_folder.map(FilePath::to_path_buf) else { return Ok(Put::Recorded) };
    let synced = tokio::task::spawn_blocking(move || sync(&folder, sequence)).await;
    synced.map_err(std::io::Error::other).flatten().map_err(JournalError::Sync)?;
    Ok(Put::Recorded)
}

fn sync(folder: &FilePath, sequence: u64) -> std::io::Result<()> {
    let file = |number: u64| -> PathBuf { folder.join(record_path(number).as_ref()) };
    if sequence > 1 {
        std::fs::File::open(file(sequence - 1))?.sync_all()?;
    }
    let newest = file(sequence);
    std::fs::File::open(&newest)?.sync_all()?;
    newest.parent().map_or(Ok(()), |parent| std::fs::File::open(parent)?.sync_all())
}
