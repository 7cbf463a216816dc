//! Offline verification: everything there is, with the public key alone.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, path::Path};
use oscar_permit::Sha256Digest;

use crate::checkpoint::{self, Checkpoint};
use crate::error::JournalError;
use crate::finding::{Finding, FindingKind};
use crate::key::VerifyingKey;
use crate::layout::{JOURNAL, Place, place};
use crate::read::{PARALLEL, fetch};
use crate::record::{Flaw, Head, Record};
use crate::state::TenantState;

/// What to verify against, besides the key.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The bytes of a checkpoint kept outside the store: whoever could cut off the end of
    /// the journal could also remove the checkpoints that knew it, but not this one.
    pub trusted_checkpoint: Option<Bytes>,
}

/// A sound journal in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records verified.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// Checkpoints verified.
    pub checkpoints: u64,
    /// The last record.
    pub head: Head,
}

/// Why a journal did not pass.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not sound: everything that was found, in the journal's order.
    #[error("the journal is not sound: {} finding(s), the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Unsound(Vec<Finding>),
    /// It could not be read to the end; that says nothing about its soundness.
    #[error("the journal's store does not answer as it should; try again")]
    Store(#[source] object_store::Error),
}

/// Reads the whole journal and reports every flaw: records changed, removed, reordered or
/// inserted, events that the state did not allow, checkpoints that do not fit, and an end
/// that is shorter than a checkpoint knows it.
///
/// # Errors
/// [`VerifyError::Unsound`] with all findings, or the store's failure.
pub async fn verify(
    store: &dyn ObjectStore,
    key: &VerifyingKey,
    options: &VerifyOptions,
) -> Result<VerifyReport, VerifyError> {
    let listed = list(store).await?;
    let trusted = options.trusted_checkpoint.as_ref().map(|bytes| Checkpoint::open(bytes, key));
    let trusted_at = trusted.as_ref().and_then(|opened| opened.as_ref().ok()).map(|known| known.head.sequence);
    let mut audit = Audit::new(key, listed.foreign);
    let mut objects = stream::iter(listed.records.iter().copied())
        .map(|sequence| async move { (sequence, fetch(store, sequence).await) })
        .buffered(PARALLEL);
    while let Some((sequence, fetched)) = objects.next().await {
        // Listed and gone a moment later is gone.
        if let Some(bytes) = fetched.map_err(store_error)? {
            audit.record(sequence, &bytes);
        }
        if listed.checkpoints.contains(&sequence) {
            audit.checkpoint(sequence, checkpoint::read(store, key, sequence).await)?;
        }
        if trusted_at == Some(sequence) {
            audit.remember_for_trusted();
        }
    }
    for sequence in listed.checkpoints.difference(&listed.records) {
        audit.checkpoint(*sequence, checkpoint::read(store, key, *sequence).await)?;
    }
    audit.finish(trusted)
}

#[derive(Debug, Default)]
struct Listed {
    records: BTreeSet<u64>,
    checkpoints: BTreeSet<u64>,
    foreign: usize,
}

async fn list(store: &dyn ObjectStore) -> Result<Listed, VerifyError> {
    let mut listed = Listed::default();
    let mut objects = store.list(Some(&Path::from(JOURNAL)));
    while let Some(object) = objects.try_next().await.map_err(VerifyError::Store)? {
        match place(&object.location) {
            Place::Record(sequence) => drop(listed.records.insert(sequence)),
            Place::Checkpoint(sequence) => drop(listed.checkpoints.insert(sequence)),
            Place::Foreign => listed.foreign += 1,
        }
    }
    Ok(listed)
}

fn store_error(error: JournalError) -> VerifyError {
    match error {
        JournalError::Store(source) => VerifyError::Store(source),
        other => VerifyError::Store(object_store::Error::Generic { store: "journal", source: Box::new(other) }),
    }
}

/// The running audit: what was seen last, and the state as long as it can be known.
struct Audit<'k> {
    key: &'k VerifyingKey,
    findings: Vec<Finding>,
    /// Number, digest of the bytes and time of the object seen last.
    last: Head,
    /// `None` after the first record that cannot be folded: what follows cannot be judged.
    state: Option<TenantState>,
    /// What the trusted checkpoint needs to be compared with.
    at_trusted: Option<(Sha256Digest, Option<Sha256Digest>)>,
    records: u64,
    events: u64,
    checkpoints: u64,
}

impl<'k> Audit<'k> {
    fn new(key: &'k VerifyingKey, foreign: usize) -> Self {
        let foreign = std::iter::repeat_n(Finding { sequence: None, kind: FindingKind::Foreign }, foreign);
        Self {
            key,
            findings: foreign.collect(),
            last: Head::EMPTY,
            state: Some(TenantState::default()),
            at_trusted: None,
            records: 0,
            events: 0,
            checkpoints: 0,
        }
    }

    fn record(&mut self, sequence: u64, bytes: &Bytes) {
        let expected = self.last.sequence + 1;
        let gap = sequence != expected;
        if gap {
            let kind = FindingKind::Missing { through: sequence - 1 };
            self.findings.push(Finding::at(expected, kind));
            self.state = None;
        }
        let digest = Sha256Digest::of(bytes);
        let opened = Record::open(bytes, sequence, self.key);
        let time = opened.as_ref().map_or(self.last.time, |record| record.time);
        match opened.and_then(|record| self.chained(&record, gap).map(|()| record)) {
            Ok(record) => self.fold(&record),
            Err(flaw) => {
                self.findings.push(Finding::flaw(sequence, flaw));
                self.state = None;
            }
        }
        self.records += 1;
        self.last = Head { sequence, digest, time };
    }

    /// After a gap there is nothing to be chained to; the gap itself is a finding.
    fn chained(&self, record: &Record, gap: bool) -> Result<(), Flaw> {
        if gap { Ok(()) } else { record.follows(&self.last) }
    }

    fn fold(&mut self, record: &Record) {
        self.events += record.entries.len() as u64;
        let Some(state) = &mut self.state else { return };
        if let Err(error) = state.apply(record) {
            self.findings.push(Finding::at(record.sequence, FindingKind::Illegal(error)));
            self.state = None;
        }
    }

    /// Compares a checkpoint of the store with the record that was just seen.
    fn checkpoint(&mut self, sequence: u64, read: Result<Checkpoint, JournalError>) -> Result<(), VerifyError> {
        self.checkpoints += 1;
        match read {
            Ok(checkpoint) if sequence == self.last.sequence => {
                let state = self.state.as_ref().and_then(checkpoint::digest_of);
                self.compare(&checkpoint, self.last.digest, state);
            }
            Ok(_) if sequence > self.last.sequence => {
                self.findings.push(Finding::at(sequence, FindingKind::Truncated));
            }
            // Its record is missing from the middle, which has been found already.
            Ok(_) => {}
            Err(JournalError::Unsound(finding)) => self.findings.push(finding),
            Err(other) => return Err(store_error(other)),
        }
        Ok(())
    }

    fn compare(&mut self, checkpoint: &Checkpoint, record: Sha256Digest, state: Option<Sha256Digest>) {
        let sequence = checkpoint.head.sequence;
        if checkpoint.head.digest != record {
            self.findings.push(Finding::at(sequence, FindingKind::CheckpointHead));
        } else if state.is_some_and(|digest| checkpoint.contradicts(digest)) {
            self.findings.push(Finding::at(sequence, FindingKind::CheckpointState));
        }
    }

    /// Keeps what the trusted checkpoint is compared with: it stands after the record just seen.
    fn remember_for_trusted(&mut self) {
        self.at_trusted = Some((self.last.digest, self.state.as_ref().and_then(checkpoint::digest_of)));
    }

    fn finish(mut self, trusted: Option<Result<Checkpoint, FindingKind>>) -> Result<VerifyReport, VerifyError> {
        match (trusted, self.at_trusted) {
            (None, _) => {}
            (Some(Ok(checkpoint)), Some((record, state))) => self.compare(&checkpoint, record, state),
            (Some(Ok(checkpoint)), None) => {
                self.findings.push(Finding::at(checkpoint.head.sequence, FindingKind::Truncated));
            }
            (Some(Err(kind)), _) => self.findings.push(Finding { sequence: None, kind }),
        }
        if self.findings.is_empty() {
            let Self { records, events, checkpoints, last, .. } = self;
            Ok(VerifyReport { records, events, checkpoints, head: last })
        } else {
            Err(VerifyError::Unsound(self.findings))
        }
    }
}
