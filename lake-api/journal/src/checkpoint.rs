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

/// The state after a record, signed. An auditor who keeps one notices any later change
/// or loss of the records up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// The record it stands after.
    pub head: Head,
    /// When it was made.
    pub time: DateTime<Utc>,
    /// SHA-256 of the canonical state.
    pub state_digest: Sha256Digest,
    /// The state.
    pub state: TenantState,
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
        let mut checkpoint = Self { head, time, state_digest, state, signature: String::new() };
        checkpoint.signature = key.sign(DOMAIN, &canonical_json(&checkpoint).ok()?);
        let bytes = canonical_json(&checkpoint).ok()?;
        Some((checkpoint, bytes))
    }

    /// Reads a checkpoint and checks form, signature and the state's digest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(bytes: &[u8], key: &VerifyingKey) -> Result<Self, FindingKind> {
        let mut unsigned: Self = serde_json::from_slice(bytes).map_err(|_| FindingKind::CheckpointForm)?;
        if canonical_json(&unsigned).map_err(|_| FindingKind::CheckpointForm)? != bytes {
            return Err(FindingKind::CheckpointForm);
        }
        let signature = std::mem::take(&mut unsigned.signature);
        let signed = canonical_json(&unsigned).map_err(|_| FindingKind::CheckpointForm)?;
        if !is_signed(key, DOMAIN, &signed, &signature) {
            return Err(FindingKind::CheckpointSignature);
        }
        if digest_of(&unsigned.state) != Some(unsigned.state_digest) {
            return Err(FindingKind::CheckpointState);
        }
        Ok(Self { signature, ..unsigned })
    }
}

/// SHA-256 of the canonical state.
pub(crate) fn digest_of(state: &TenantState) -> Option<Sha256Digest> {
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
            if theirs.head == ours.head && theirs.state_digest == ours.state_digest {
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
