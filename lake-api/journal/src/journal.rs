//! The handle through which the platform reads and extends a journal.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use oscar_permit::Sha256Digest;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use uuid::Uuid;

use crate::append::{self, Put};
use crate::checkpoint;
use crate::error::{JournalError, RecordError, TransactError};
use crate::event::Event;
use crate::finding::{Finding, FindingKind};
use crate::group_commit::{self, Command, Waiting};
use crate::key::JournalKey;
use crate::read;
use crate::record::{Actor, Entry, Head, Record, Recorded};
use crate::state::{FoldError, TenantState, TransitionError};
use crate::turn::Turn;

/// How many calls of [`Journal::record`] may wait; more wait for a place in the queue.
const QUEUE: usize = 4096;

/// After so many lost races in a row a writer looks how far the journal has got, instead
/// of trying the next number at once: the look costs a request in which others win.
const CATCH_UP_EVERY: u32 = 8;

/// How a journal is run.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// How long a group commit waits for company; at most 100 ms.
    pub linger: Duration,
    /// A checkpoint is written after so many records.
    pub checkpoint_every: u64,
    /// How long an append fights for its place before it gives up.
    pub patience: Duration,
    /// The folder that the store writes to, when it is a local disk: records are then synced to it.
    pub local_folder: Option<PathBuf>,
    /// The clock.
    pub clock: fn() -> DateTime<Utc>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(10),
            checkpoint_every: 512,
            patience: Duration::from_secs(30),
            local_folder: None,
            clock: Utc::now,
        }
    }
}

/// State and head that belong together.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The last record that is folded in.
    pub head: Head,
    /// The state after it.
    pub state: Arc<TenantState>,
}

impl Snapshot {
    pub(crate) fn empty() -> Self {
        Self { head: Head::EMPTY, state: Arc::default() }
    }
}

/// A tenant's journal. Clones share one view and one queue.
#[derive(Debug, Clone)]
pub struct Journal {
    core: Arc<Core>,
    queue: mpsc::Sender<Command>,
}

impl Journal {
    /// Opens a journal (an empty store is an empty journal), with default options.
    ///
    /// # Errors
    /// When the store fails or the journal is not sound.
    pub async fn open(store: Arc<dyn ObjectStore>, key: Arc<JournalKey>) -> Result<Self, JournalError> {
        Self::open_with(store, key, JournalOptions::default()).await
    }

    /// Opens a journal. Must be called inside a Tokio runtime, which runs the group commit.
    ///
    /// # Errors
    /// When the store fails or the journal is not sound.
    pub async fn open_with(
        store: Arc<dyn ObjectStore>,
        key: Arc<JournalKey>,
        options: JournalOptions,
    ) -> Result<Self, JournalError> {
        let (snapshot, checkpoint) = read::load(store.as_ref(), &key.verifying_key()).await?;
        let core = Arc::new(Core {
            store,
            key,
            options,
            view: watch::Sender::new(snapshot),
            appending: Mutex::new(Turn::new()),
            checkpoint: AtomicU64::new(checkpoint),
        });
        let (queue, commands) = mpsc::channel(QUEUE);
        tokio::spawn(group_commit::run(Arc::clone(&core), commands));
        Ok(Self { core, queue })
    }

    /// The state as far as this process has seen it.
    #[must_use]
    pub fn state(&self) -> Arc<TenantState> {
        self.core.snapshot().state
    }

    /// State and head as far as this process has seen them.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.core.snapshot()
    }

    /// Yields whenever this process sees new records.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.core.view.subscribe()
    }

    /// Reads what other processes have appended.
    ///
    /// # Errors
    /// When the store fails or the new records are not sound.
    pub async fn refresh(&self) -> Result<Arc<TenantState>, JournalError> {
        let _turn = self.core.appending.lock().await;
        self.core.refresh().await.map(|snapshot| snapshot.state)
    }

    /// Appends what `decide` answers, all in one record. `decide` is asked on the newest
    /// state, again after every lost race, and once more on fresh state before its refusal
    /// is final; it must have no effect of its own. An empty answer records nothing.
    ///
    /// # Errors
    /// The refusal; an event that the state does not allow; or the journal's failure,
    /// after which the events may or may not be recorded.
    pub async fn transact<E>(
        &self,
        actor: Actor,
        mut decide: impl FnMut(&TenantState) -> Result<Vec<Event>, E>,
    ) -> Result<Vec<Recorded>, TransactError<E>> {
        let mut turn = self.core.appending.lock().await;
        turn.courtesy().await;
        let give_up = Instant::now() + self.core.options.patience;
        let mut lost = 0;
        loop {
            let snapshot = self.core.snapshot();
            let attempt = match decide(&snapshot.state) {
                Ok(events) if events.is_empty() => return Ok(Vec::new()),
                Ok(events) => {
                    let entries = events.into_iter().map(|event| Entry { actor: actor.clone(), event }).collect();
                    self.core.prepare(&snapshot, entries).map_err(TransactError::Illegal)
                }
                Err(refusal) => Err(TransactError::Decision(refusal)),
            };
            match attempt {
                Ok(prepared) => {
                    if let Some(recorded) = self.core.append(prepared, &mut turn).await? {
                        self.ask_for_checkpoint();
                        return Ok(recorded);
                    }
                    lost += 1;
                    if Instant::now() > give_up {
                        return Err(JournalError::Contention.into());
                    }
                    self.core.after_loss(lost).await?;
                }
                Err(refusal) => {
                    if self.core.refresh().await?.head.sequence == snapshot.head.sequence {
                        return Err(refusal);
                    }
                }
            }
        }
    }

    /// Appends one event that depends on nothing; returns when it is durable. Many calls
    /// share one record.
    ///
    /// # Errors
    /// See [`RecordError`]; after a failure of the store the event may or may not be recorded.
    pub async fn record(&self, actor: Actor, event: Event) -> Result<Recorded, RecordError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Box::new(Waiting { entry: Entry { actor, event }, reply });
        self.queue.send(Command::Record(waiting)).await.map_err(|_| RecordError::Stopped)?;
        answer.await.map_err(|_| RecordError::Stopped)?
    }

    /// Up to `limit` records after number `after`, oldest first, as far as this process has seen the journal.
    ///
    /// # Errors
    /// When the store fails or a record is not what it was.
    pub async fn records(&self, after: u64, limit: u64) -> Result<Vec<Record>, JournalError> {
        let last = self.core.snapshot().head.sequence.min(after.saturating_add(limit));
        let key = self.core.key.verifying_key();
        let record = |sequence| async move {
            let missing = || JournalError::Unsound(Finding::at(sequence, FindingKind::Missing { through: sequence }));
            let bytes = read::fetch(self.core.store.as_ref(), sequence).await?.ok_or_else(missing)?;
            Record::open(&bytes, sequence, &key).map_err(|flaw| JournalError::Unsound(Finding::flaw(sequence, flaw)))
        };
        stream::iter(after.saturating_add(1)..=last).map(record).buffered(read::PARALLEL).try_collect().await
    }

    /// Writes a checkpoint of the present view; returns the record number it stands after.
    ///
    /// # Errors
    /// When the store fails, or another checkpoint there says something else.
    pub async fn checkpoint(&self) -> Result<u64, JournalError> {
        self.core.write_checkpoint().await
    }

    /// Commits what waits, writes a checkpoint and takes no more events through
    /// [`Journal::record`], on any clone.
    ///
    /// # Errors
    /// When the checkpoint cannot be written; the records are safe all the same.
    pub async fn shutdown(&self) -> Result<(), JournalError> {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Command::Stop(reply)).await.is_err() || done.await.is_err() {
            return Ok(());
        }
        self.core.write_checkpoint().await.map(drop)
    }

    fn ask_for_checkpoint(&self) {
        if self.core.checkpoint_due() {
            // A full queue commits soon and asks itself.
            let _ = self.queue.try_send(Command::Checkpoint);
        }
    }
}

/// A record that the state allows, ready to be put.
#[derive(Debug)]
pub(crate) struct Prepared {
    record: Record,
    state: TenantState,
}

/// What the handle and the group commit share.
#[derive(Debug)]
pub(crate) struct Core {
    store: Arc<dyn ObjectStore>,
    key: Arc<JournalKey>,
    pub(crate) options: JournalOptions,
    view: watch::Sender<Snapshot>,
    /// Writers of one process take turns instead of racing each other through the store.
    pub(crate) appending: Mutex<Turn>,
    checkpoint: AtomicU64,
}

impl Core {
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.view.borrow().clone()
    }

    /// Reads to the end; the caller holds the turn.
    pub(crate) async fn refresh(&self) -> Result<Snapshot, JournalError> {
        let before = self.snapshot();
        let known = before.head.sequence;
        let after = read::follow(self.store.as_ref(), &self.key.verifying_key(), before, 0).await?;
        if after.head.sequence > known {
            self.view.send_replace(after.clone());
        }
        Ok(after)
    }

    /// The record time for a new record after `head`: time does not run backwards in the journal.
    pub(crate) fn next_time(&self, head: &Head) -> DateTime<Utc> {
        (self.options.clock)().trunc_subsecs(3).max(head.time)
    }

    /// Folds `entries` into a copy of the state; the first that is not allowed is the error.
    pub(crate) fn prepare(&self, snapshot: &Snapshot, entries: Vec<Entry>) -> Result<Prepared, TransitionError> {
        let record = Record {
            sequence: snapshot.head.sequence + 1,
            previous: snapshot.head.digest,
            time: self.next_time(&snapshot.head),
            nonce: Uuid::new_v4(),
            entries,
            signature: String::new(),
        };
        let mut state = TenantState::clone(&snapshot.state);
        state.apply(&record).map_err(|FoldError { source, .. }| source)?;
        Ok(Prepared { record, state })
    }

    /// Gets ready for the next race. The winner's record is folded in already; there may be
    /// more behind it, above all when this process has not looked for a while.
    pub(crate) async fn after_loss(&self, losses: u32) -> Result<(), JournalError> {
        append::pause_after_loss(losses).await;
        if losses % CATCH_UP_EVERY == 1 { self.refresh().await.map(drop) } else { Ok(()) }
    }

    /// Puts a prepared record; `None` when another writer took the number, whose record is
    /// then folded in. The caller holds the turn.
    pub(crate) async fn append(
        &self,
        prepared: Prepared,
        turn: &mut Turn,
    ) -> Result<Option<Vec<Recorded>>, JournalError> {
        let begun = Instant::now();
        let Prepared { mut record, state } = prepared;
        let bytes = record.seal(&self.key).ok_or(JournalError::NotCanonical)?;
        let digest = Sha256Digest::of(&bytes);
        let folder = self.options.local_folder.as_deref();
        match append::create(self.store.as_ref(), folder, record.sequence, bytes.into()).await? {
            Put::Lost(theirs) => {
                turn.lost();
                let mut snapshot = self.snapshot();
                read::extend(&mut snapshot, &self.key.verifying_key(), record.sequence, &theirs)?;
                self.view.send_replace(snapshot);
                Ok(None)
            }
            Put::Recorded => {
                turn.won(begun.elapsed());
                let Record { sequence, time, entries, .. } = record;
                self.view.send_replace(Snapshot { head: Head { sequence, digest, time }, state: Arc::new(state) });
                let recorded = (0..entries.len()).map(|index| Recorded { sequence, index, time, digest });
                Ok(Some(recorded.collect()))
            }
        }
    }

    pub(crate) fn checkpoint_due(&self) -> bool {
        let last = self.checkpoint.load(Ordering::Relaxed);
        self.snapshot().head.sequence.saturating_sub(last) >= self.options.checkpoint_every
    }

    pub(crate) async fn write_checkpoint(&self) -> Result<u64, JournalError> {
        let Snapshot { head, state } = self.snapshot();
        if head.sequence > self.checkpoint.load(Ordering::Relaxed) {
            let time = self.next_time(&head);
            checkpoint::write(self.store.as_ref(), &self.key, head, time, &state).await?;
            self.checkpoint.fetch_max(head.sequence, Ordering::Relaxed);
        }
        Ok(head.sequence)
    }
}
