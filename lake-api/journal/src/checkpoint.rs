//! Signed snapshots of the state: a short start-up, and a witness of the journal's length.

use chrono::{DateTime, Utc};
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use oscar_permit::{Sha256Digest, canonical_json};
use serde::{Deserialize, Serialize};

use crate::error::JournalError;
use crate::finding::{Finding, FindingKind};
use crate::key::{JournalKey, VerifyingKey, is_signed};
use crate::layout::checkpoint_path;
use crate::record::Head;
use crate::state::TenantState;

const DOMAIN: &[u8] = b"oscar-journal-checkpoint-v1\0";

/// Which way of folding records into a state this program has. It is raised with every change after which the same
/// records give another state, or the same state another form: a checkpoint of another way is a witness of the
/// journal's length and order, and its state is neither used nor compared.
const FOLD: u32 = 1;

/// The state after a record, signed. An auditor who keeps one notices any later change
/// or loss of the records up to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The record it stands after.
    pub head: Head,
    /// When it was made.
    pub time: DateTime<Utc>,
    /// The state; `None` when the program that made the checkpoint folds records in another way.
    pub state: Option<TenantState>,
    /// SHA-256 of the canonical state, where it has the form that this program gives it.
    state_digest: Option<Sha256Digest>,
}

/// A checkpoint as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sealed<S> {
    /// Left out by programs from before it was counted. What their states lack had not happened yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<u32>,
    head: Head,
    time: DateTime<Utc>,
    state_digest: Sha256Digest,
    state: S,
    /// Ed25519 over the canonical bytes without this field, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    signature: String,
}

impl Checkpoint {
    /// Makes and signs a checkpoint; also returns its bytes.
    pub(crate) fn seal(
        head: Head,
        time: DateTime<Utc>,
        state: TenantState,
        key: &JournalKey,
    ) -> Option<(Self, Vec<u8>)> {
        let state_digest = digest_of(&state)?;
        let mut sealed = Sealed { fold: Some(FOLD), head, time, state_digest, state, signature: String::new() };
        sealed.signature = key.sign(DOMAIN, &canonical_json(&sealed).ok()?);
        let bytes = canonical_json(&sealed).ok()?;
        Some((Self { head, time, state: Some(sealed.state), state_digest: Some(state_digest) }, bytes))
    }

    /// Reads a checkpoint and checks form, signature and the state's digest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(bytes: &[u8], key: &VerifyingKey) -> Result<Self, FindingKind> {
        let form = |_| FindingKind::CheckpointForm;
        let mut sealed: Sealed<serde_json::Value> = serde_json::from_slice(bytes).map_err(form)?;
        if canonical_json(&sealed).map_err(|_| FindingKind::CheckpointForm)? != bytes {
            return Err(FindingKind::CheckpointForm);
        }
        let signature = std::mem::take(&mut sealed.signature);
        let signed = canonical_json(&sealed).map_err(|_| FindingKind::CheckpointForm)?;
        if !is_signed(key, DOMAIN, &signed, &signature) {
            return Err(FindingKind::CheckpointSignature);
        }
        if digest_of(&sealed.state) != Some(sealed.state_digest) {
            return Err(FindingKind::CheckpointState);
        }
        let Sealed { fold, head, time, state_digest, state, signature: _ } = sealed;
        let state: Option<TenantState> = match fold {
            None | Some(FOLD) => Some(serde_json::from_value(state).map_err(form)?),
            Some(_) => None,
        };
        let state_digest = Some(state_digest).filter(|_| fold == Some(FOLD));
        // A state of this program has one form only.
        if state_digest.is_some() && state.as_ref().and_then(digest_of) != state_digest {
            return Err(FindingKind::CheckpointState);
        }
        Ok(Self { head, time, state, state_digest })
    }

    /// Whether the state is another one than that which has this digest; never of one that cannot be compared.
    pub(crate) fn contradicts(&self, state: Sha256Digest) -> bool {
        self.state_digest.is_some_and(|own| own != state)
    }
}

/// SHA-256 of the canonical state.
pub(crate) fn digest_of(state: &impl Serialize) -> Option<Sha256Digest> {
    canonical_json(state).ok().map(Sha256Digest::of)
}

/// Writes a checkpoint; one that is already there must say the same.
pub(crate) async fn write(
    store: &dyn ObjectStore,
    key: &JournalKey,
    head: Head,
    time: DateTime<Utc>,
    state: &TenantState,
) -> Result<(), JournalError> {
    let (ours, bytes) = Checkpoint::seal(head, time, state.clone(), key).ok_or(JournalError::NotCanonical)?;
    let path = checkpoint_path(head.sequence);
    match store.put_opts(&path, bytes.into(), PutMode::Create.into()).await {
        Ok(_) => Ok(()),
        Err(object_store::Error::AlreadyExists { .. }) => {
            let theirs = read(store, &key.verifying_key(), head.sequence).await?;
            if theirs.head == ours.head && !ours.state_digest.is_some_and(|ours| theirs.contradicts(ours)) {
                Ok(())
            } else {
                Err(JournalError::Unsound(Finding::at(head.sequence, FindingKind::CheckpointState)))
            }
        }
        Err(error) => Err(JournalError::Store(error)),
    }
}

/// Reads the checkpoint after a record; one that does not verify is an error, never ignored.
pub(crate) async fn read(
    store: &dyn ObjectStore,
    key: &VerifyingKey,
    sequence: u64,
) -> Result<Checkpoint, JournalError> {
    let bytes = async { store.get(&checkpoint_path(sequence)).await?.bytes().await }.await;
    let checkpoint = Checkpoint::open(&bytes.map_err(JournalError::Store)?, key)
        .map_err(|kind| JournalError::Unsound(Finding::at(sequence, kind)))?;
    if checkpoint.head.sequence == sequence {
        Ok(checkpoint)
    } else {
        Err(JournalError::Unsound(Finding::at(sequence, FindingKind::CheckpointForm)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::event::Event;
    use crate::record::Actor;
    use crate::{Journal, VerifyOptions, verify};

    /// The same checkpoint by a program that folds in another way, and whose state this one cannot read.
    fn of_another_program(fold: Option<u32>, head: Head, key: &JournalKey) -> Vec<u8> {
        sealed(fold, head, serde_json::json!({"of": "another program"}), key)
    }

    fn sealed(fold: Option<u32>, head: Head, state: serde_json::Value, key: &JournalKey) -> Vec<u8> {
        let state_digest = digest_of(&state).unwrap();
        let mut sealed = Sealed { fold, head, time: head.time, state_digest, state, signature: String::new() };
        sealed.signature = key.sign(DOMAIN, &canonical_json(&sealed).unwrap());
        canonical_json(&sealed).unwrap()
    }

    #[tokio::test]
    async fn a_checkpoint_of_a_program_that_folds_otherwise_bears_witness_of_the_records_alone() {
        for fold in [Some(0), Some(FOLD + 1)] {
            let (store, key) = (Arc::new(InMemory::new()), Arc::new(JournalKey::from_seed(&[7; 32])));
            let journal = Journal::open(store.clone(), Arc::clone(&key)).await.unwrap();
            let started = || Event::ServiceStarted { build: "a".into() };
            for _ in 0..3 {
                let service = Actor::service("release-service");
                journal.transact(service, |_| Ok::<_, Infallible>(vec![started()])).await.unwrap();
            }
            let head = journal.snapshot().head;
            let bytes = of_another_program(fold, head, &key);
            let opened = Checkpoint::open(&bytes, &key.verifying_key()).unwrap();
            assert!(opened.state.is_none() && opened.head == head);
            store.put(&checkpoint_path(head.sequence), bytes.clone().into()).await.unwrap();

            let again = Journal::open(store.clone(), Arc::clone(&key)).await.unwrap();
            assert_eq!(again.snapshot().head, head);
            assert_eq!(again.state(), journal.state());
            assert_eq!(again.checkpoint().await.unwrap(), head.sequence, "another one's stays as it is");
            let trusted = VerifyOptions { trusted_checkpoint: Some(bytes.into()) };
            assert_eq!(verify(&*store, &key.verifying_key(), &trusted).await.unwrap().checkpoints, 1);

            // That the journal was cut off behind it is seen all the same.
            store.delete(&crate::layout::record_path(head.sequence)).await.unwrap();
            assert!(verify(&*store, &key.verifying_key(), &trusted).await.is_err());
            assert!(Journal::open(store, key).await.is_err());
        }
    }

    /// A restart after an upgrade must not read years of records.
    #[test]
    fn a_state_from_before_the_way_was_counted_is_used_and_not_compared() {
        let key = JournalKey::from_seed(&[7; 32]);
        let head = Head { sequence: 1, digest: Sha256Digest::of("record"), time: DateTime::UNIX_EPOCH };
        let state = serde_json::to_value(TenantState::default()).unwrap();
        let bytes = sealed(None, head, state, &key);
        let opened = Checkpoint::open(&bytes, &key.verifying_key()).unwrap();
        assert_eq!(opened.state, Some(TenantState::default()));
        assert!(!opened.contradicts(Sha256Digest::of("another state")));
        let (own, _) = Checkpoint::seal(head, head.time, TenantState::default(), &key).unwrap();
        assert!(own.contradicts(Sha256Digest::of("another state")));
    }

    #[test]
    fn a_state_of_this_program_has_one_form() {
        let key = JournalKey::from_seed(&[7; 32]);
        let head = Head { sequence: 1, digest: Sha256Digest::of("record"), time: DateTime::UNIX_EPOCH };
        let bytes = of_another_program(Some(FOLD), head, &key);
        assert_eq!(Checkpoint::open(&bytes, &key.verifying_key()), Err(FindingKind::CheckpointForm));
    }
}
