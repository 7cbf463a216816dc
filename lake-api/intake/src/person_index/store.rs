//! The hidden person index: one dense number per person, for the whole spoke.
//!
//! Pseudonyms differ between permits on purpose, so they cannot tell the ledger that the
//! same person stands behind two released cells. This index can, and only evidence and
//! ledger may read it. It maps `HMAC(index key, person key)`, cut to 128 bits, to the order
//! in which persons were first seen; no person number is in it.
//!
//! ```text
//!  segment-00000000000000000000.bin   magic, number of persons before it, keys…, SHA-256
//!  segment-00000000000000000001.bin   created with put-if-absent; never changed
//!  key.check                          tells whether a key is the one that all segments were made with
//! ```
//!
//! **One person never gets two numbers.** Numbers are the positions of keys in the segments,
//! read in order. Whoever wants to number new persons creates the next segment; when another
//! intake has created it first, the loser reads it and asks again for whoever is still
//! missing. A number is handed out only after its segment is durable, so a killed intake
//! loses nothing and another permit, tenant or process sees the same numbers. Whoever asks while
//! a segment is under way is served by the next one, all together. That the segments are the ones
//! which earlier intakes used is told by the marks that they left ([`IndexMark`]).

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use oscar_lake::{KeyPurpose, SecretKey};
use oscar_permit::Sha256Digest;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::map::{HashedKey, PersonMap};
use super::mark::IndexMark;
use crate::fast_hash::{FastHash, FastSet};
use crate::pseudonymise::{KeyCheckError, confirm};

const MAGIC: &[u8; 8] = b"OSCARPI1";
const HEADER: usize = 16;
const SEAL: usize = 32;
/// Far more lost races in a row than there can be intakes.
const ATTEMPTS: usize = 1000;

/// Why the person index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PersonIndexError {
    /// The store.
    #[error("the person index cannot be {action}; nothing was made visible: deliver again when its store is back")]
    Store {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: object_store::Error,
    },
    /// A segment that does not follow from the ones before.
    #[error("segment {0} of the person index is damaged; restore it from backup before anything is delivered")]
    Damaged(u64),
    /// What a tenant knows of the index.
    #[error(
        "how far the person index had come cannot be {action} in the lake; nothing was made visible: deliver again when the store is back"
    )]
    Mark {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: object_store::Error,
    },
    /// Another index than the one that rows were numbered with.
    #[error(
        "the person index is not the one that this tenant's rows were numbered with: it was restored from an older copy, made anew or is looked for in the wrong place; restore its newest copy or correct the place before anything is delivered, or everybody would be numbered a second time"
    )]
    Forgotten,
    /// 2^32 persons.
    #[error("the person index is full")]
    Full,
    /// Others were always faster.
    #[error("too many intakes number persons at the same time; deliver again")]
    Busy,
}

/// The index in its store. One per process; intakes share it.
#[derive(Debug)]
pub(crate) struct PersonIndexStore {
    store: Arc<dyn ObjectStore>,
    state: Mutex<State>,
    /// Keys that somebody has asked for since the last segment was begun.
    asked: parking_lot::Mutex<Vec<HashedKey>>,
}

#[derive(Debug, Default)]
struct State {
    map: PersonMap,
    /// For every segment the digest over the seals up to its own.
    history: Vec<Sha256Digest>,
}

impl State {
    fn segments(&self) -> u64 {
        self.history.len() as u64
    }
}

impl PersonIndexStore {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, state: Mutex::default(), asked: parking_lot::Mutex::default() }
    }

    /// Refuses another index key than the one that earlier persons were numbered with.
    pub(crate) async fn confirm_key(&self, key: &SecretKey) -> Result<(), KeyCheckError> {
        confirm(self.store.as_ref(), &Path::from("key.check"), KeyPurpose::PersonIndex, key).await
    }

    /// Refuses an index that does not hold every one of `marks` at its place.
    pub(crate) async fn confirm_marks(&self, marks: &[IndexMark]) -> Result<(), PersonIndexError> {
        if marks.is_empty() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        self.read_new_segments(&mut state).await?;
        let is_held = |mark: &IndexMark| {
            let place = mark.segments.checked_sub(1).and_then(|place| usize::try_from(place).ok());
            place.and_then(|place| state.history.get(place)) == Some(&mark.digest)
        };
        if marks.iter().all(is_held) { Ok(()) } else { Err(PersonIndexError::Forgotten) }
    }

    /// How far the index has come, as far as it was read; none where it holds nobody.
    pub(crate) async fn mark(&self) -> Option<IndexMark> {
        let state = self.state.lock().await;
        state.history.last().map(|digest| IndexMark { segments: state.segments(), digest: *digest })
    }

    /// The numbers of `keys`, in order; new persons are numbered first.
    pub(crate) async fn numbers(&self, keys: &[HashedKey]) -> Result<Vec<u32>, PersonIndexError> {
        self.asked.lock().extend_from_slice(keys);
        let mut state = self.state.lock().await;
        let mut wanted = std::mem::take(&mut *self.asked.lock());
        // Somebody else may have taken ours.
        wanted.extend_from_slice(keys);
        for _ in 0..ATTEMPTS {
            let known: Option<Vec<u32>> = state.map.get_all(keys).map(|(_, number)| number).collect();
            if let Some(numbers) = known {
                return Ok(numbers);
            }
            self.append_missing(&mut state, &wanted).await?;
        }
        Err(PersonIndexError::Busy)
    }

    /// One try to create the next segment. Afterwards the segment at that place has been
    /// read back into the map, whoever wrote it.
    async fn append_missing(&self, state: &mut State, keys: &[HashedKey]) -> Result<(), PersonIndexError> {
        // Numbers of other processes come first: on a fresh start this loads the whole index.
        self.read_new_segments(state).await?;
        let mut seen = FastSet::with_capacity_and_hasher(keys.len(), FastHash::default());
        let unknown = state.map.get_all(keys).filter(|(_, number)| number.is_none());
        let missing: Vec<HashedKey> = unknown.map(|(key, _)| *key).filter(|key| seen.insert(*key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let segment = encode(state.map.len() as u64, &missing);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let seal = seal_of(&segment);
        match self.store.put_opts(&location(state.segments()), segment.clone().into(), options).await {
            Ok(_) => append(state, &missing, seal),
            // Lost the race, or an earlier answer got lost: the next round reads what is there.
            Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(PersonIndexError::Store { action: "written", source }),
        }
    }

    async fn read_new_segments(&self, state: &mut State) -> Result<(), PersonIndexError> {
        loop {
            let read = |source| PersonIndexError::Store { action: "read", source };
            let bytes = match self.store.get(&location(state.segments())).await {
                Ok(found) => found.bytes().await.map_err(read)?,
                Err(object_store::Error::NotFound { .. }) => return Ok(()),
                Err(source) => return Err(read(source)),
            };
            let damaged = PersonIndexError::Damaged(state.segments());
            let keys = decode(&bytes, state.map.len() as u64).ok_or(damaged)?;
            append(state, &keys, seal_of(&bytes))?;
        }
    }
}

fn append(state: &mut State, keys: &[HashedKey], seal: &[u8]) -> Result<(), PersonIndexError> {
    for key in keys {
        if state.map.push(*key).is_none() {
            // A key that is there already would have two numbers.
            let damaged = state.map.get(key).is_some();
            return Err(if damaged { PersonIndexError::Damaged(state.segments()) } else { PersonIndexError::Full });
        }
    }
    let before: &[u8] = state.history.last().map_or(&[], |digest| digest.as_bytes());
    state.history.push(Sha256Digest::of([before, seal].concat()));
    Ok(())
}

fn location(segment: u64) -> Path {
    Path::from(format!("segment-{segment:020}.bin"))
}

/// The seal at the end of a segment.
fn seal_of(segment: &[u8]) -> &[u8] {
    segment.last_chunk::<SEAL>().map_or(&[], <[u8; SEAL]>::as_slice)
}

fn encode(before: u64, keys: &[HashedKey]) -> Bytes {
    let mut bytes = Vec::with_capacity(HEADER + keys.len() * 16 + SEAL);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&before.to_le_bytes());
    for key in keys {
        bytes.extend_from_slice(key);
    }
    let seal = Sha256::digest(&bytes);
    bytes.extend_from_slice(&seal);
    bytes.into()
}

fn decode(bytes: &[u8], before: u64) -> Option<Vec<HashedKey>> {
    let (content, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
    if Sha256::digest(content).as_slice() != seal {
        return None;
    }
    let (header, keys) = content.split_at_checked(HEADER)?;
    let (magic, count) = header.split_at_checked(8)?;
    if magic != MAGIC || count != before.to_le_bytes() {
        return None;
    }
    let (keys, rest) = keys.as_chunks::<16>();
    (rest.is_empty() && !keys.is_empty()).then(|| keys.to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use object_store::memory::InMemory;

    use super::*;

    fn key(n: u32) -> HashedKey {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.to_le_bytes());
        key[4..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9).to_le_bytes());
        key
    }

    #[tokio::test]
    async fn numbers_are_dense_and_survive_a_restart() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let index = PersonIndexStore::new(Arc::clone(&store));
        assert_eq!(index.numbers(&[key(5), key(6), key(5)]).await.unwrap(), [0, 1, 0]);
        assert_eq!(index.numbers(&[key(7), key(6)]).await.unwrap(), [2, 1]);
        let again = PersonIndexStore::new(store);
        assert_eq!(again.numbers(&[key(8), key(7), key(6), key(5)]).await.unwrap(), [3, 2, 1, 0]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn racing_intakes_never_give_a_person_two_numbers() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let tasks: Vec<_> = (0..8u32)
            .map(|task| {
                let index = PersonIndexStore::new(Arc::clone(&store));
                tokio::spawn(async move {
                    let mut all = Vec::new();
                    for round in 0..40u32 {
                        // Every two neighbours share half of their persons.
                        let keys: Vec<_> = (0..20).map(|n| key(round * 100 + task * 10 + n)).collect();
                        all.extend(keys.iter().copied().zip(index.numbers(&keys).await.unwrap()));
                    }
                    all
                })
            })
            .collect();
        let mut numbers = std::collections::HashMap::new();
        for task in tasks {
            for (key, number) in task.await.unwrap() {
                assert_eq!(*numbers.entry(key).or_insert(number), number);
            }
        }
        let distinct: HashSet<_> = numbers.values().collect();
        assert_eq!(distinct.len(), numbers.len());
        assert_eq!(distinct.into_iter().max().copied(), Some(u32::try_from(numbers.len()).unwrap() - 1));
    }

    #[tokio::test]
    async fn an_index_that_grew_holds_its_marks_and_an_older_or_other_one_does_not() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let index = PersonIndexStore::new(Arc::clone(&store));
        assert_eq!(index.mark().await, None);
        let mut marks = Vec::new();
        for n in 1..4 {
            index.numbers(&[key(n)]).await.unwrap();
            marks.push(index.mark().await.unwrap());
        }
        let read_again = PersonIndexStore::new(Arc::clone(&store));
        read_again.confirm_marks(&marks).await.unwrap();
        assert_eq!(read_again.mark().await, Some(marks[2]), "read or written, the mark is the same");

        let older = Arc::new(InMemory::new());
        for segment in 0..2 {
            let bytes = store.get(&location(segment)).await.unwrap().bytes().await.unwrap();
            older.put(&location(segment), bytes.into()).await.unwrap();
        }
        let index = PersonIndexStore::new(Arc::clone(&older) as Arc<dyn ObjectStore>);
        index.confirm_marks(&marks[..2]).await.unwrap();
        assert!(matches!(index.confirm_marks(&marks).await, Err(PersonIndexError::Forgotten)));
        // Not even when it has grown as long again, for somebody else.
        index.numbers(&[key(9)]).await.unwrap();
        assert!(matches!(index.confirm_marks(&marks).await, Err(PersonIndexError::Forgotten)));
        let other = PersonIndexStore::new(Arc::new(InMemory::new()));
        assert!(matches!(other.confirm_marks(&marks[..1]).await, Err(PersonIndexError::Forgotten)));
        other.confirm_marks(&[]).await.unwrap();
    }

    #[tokio::test]
    async fn a_changed_segment_is_an_error_and_not_a_new_start() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        PersonIndexStore::new(Arc::clone(&store)).numbers(&[key(1)]).await.unwrap();
        let mut bytes = store.get(&location(0)).await.unwrap().bytes().await.unwrap().to_vec();
        bytes[20] ^= 1;
        store.put(&location(0), bytes.into()).await.unwrap();
        let error = PersonIndexStore::new(store).numbers(&[key(2)]).await.unwrap_err();
        assert!(matches!(error, PersonIndexError::Damaged(0)));
    }
}
