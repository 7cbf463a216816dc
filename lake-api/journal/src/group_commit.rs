//! Many events in one record: the queue behind [`crate::Journal::record`].
//!
//! The first event in an empty queue waits a moment for company, then all that have come
//! are put as one record. Nobody is answered before the record is durable, and if it is
//! not, everybody is told. An event that the state does not allow fails alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::error::{JournalError, RecordError};
use crate::journal::{Core, Snapshot};
use crate::record::{Entry, Recorded};
use crate::state::{Moment, TenantState, TransitionError};

/// Entries of one record at most: objects stay small enough to be read at once.
const LARGEST_GROUP: usize = 512;

/// No event waits longer than this for company.
const LONGEST_LINGER: Duration = Duration::from_millis(100);

/// An event and who waits for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) entry: Entry,
    pub(crate) reply: oneshot::Sender<Result<Recorded, RecordError>>,
}

/// What the group commit is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Append this event.
    Record(Box<Waiting>),
    /// Write a checkpoint if one is due.
    Checkpoint,
    /// Commit what waits, then end.
    Stop(oneshot::Sender<()>),
}

/// Runs until told to stop or until the last handle is gone.
pub(crate) async fn run(core: Arc<Core>, mut commands: mpsc::Receiver<Command>) {
    let mut stop = None;
    while stop.is_none() {
        let mut group = Vec::new();
        match commands.recv().await {
            None => break,
            Some(Command::Checkpoint) => {}
            Some(Command::Stop(reply)) => stop = Some(reply),
            Some(Command::Record(waiting)) => {
                group.push(*waiting);
                stop = gather(&core, &mut commands, &mut group).await;
            }
        }
        commit(&core, group).await;
        if core.checkpoint_due()
            && let Err(error) = core.write_checkpoint().await
        {
            // Start-up only takes longer without it; the next record asks again.
            tracing::warn!(%error, "no checkpoint written");
        }
    }
    // What came in behind the stop is committed too; then the queue closes.
    commands.close();
    let mut rest = Vec::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Record(waiting) => rest.push(*waiting),
            Command::Checkpoint | Command::Stop(_) => {}
        }
    }
    commit(&core, rest).await;
    if let Some(reply) = stop {
        let _ = reply.send(());
    }
}

/// Collects company for the first event. Returns the stop command when it comes.
async fn gather(
    core: &Core,
    commands: &mut mpsc::Receiver<Command>,
    group: &mut Vec<Waiting>,
) -> Option<oneshot::Sender<()>> {
    let leave = tokio::time::Instant::now() + core.options.linger.min(LONGEST_LINGER);
    while group.len() < LARGEST_GROUP {
        match tokio::time::timeout_at(leave, commands.recv()).await {
            Ok(Some(Command::Record(waiting))) => group.push(*waiting),
            Ok(Some(Command::Checkpoint)) => {}
            Ok(Some(Command::Stop(reply))) => return Some(reply),
            Ok(None) | Err(_) => break,
        }
    }
    None
}

async fn commit(core: &Core, mut group: Vec<Waiting>) {
    while !group.is_empty() {
        let rest = group.split_off(group.len().min(LARGEST_GROUP));
        commit_one(core, group).await;
        group = rest;
    }
}

/// Puts one group as one record and answers everybody in it.
async fn commit_one(core: &Core, group: Vec<Waiting>) {
    let mut turn = core.appending.lock().await;
    turn.courtesy().await;
    let give_up = Instant::now() + core.options.patience;
    let mut lost = 0;
    let mut fresh = false;
    loop {
        let snapshot = core.snapshot();
        let verdicts = judge(core, &snapshot, &group);
        if !fresh && verdicts.iter().any(Result::is_err) {
            // Nobody is refused on a state that may be out of date.
            match core.refresh().await {
                Ok(_) => fresh = true,
                Err(error) => return fail(group, error),
            }
            continue;
        }
        let allowed = group.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
        let entries: Vec<Entry> = allowed.map(|(waiting, _)| waiting.entry.clone()).collect();
        if entries.is_empty() {
            return answer(group, verdicts, Vec::new());
        }
        let put = match core.prepare(&snapshot, entries) {
            Ok(prepared) => core.append(prepared, &mut turn).await,
            // `judge` has just allowed them, on the same state.
            Err(_) => Err(JournalError::NotCanonical),
        };
        match put {
            Ok(Some(recorded)) => return answer(group, verdicts, recorded),
            Ok(None) if Instant::now() > give_up => return fail(group, JournalError::Contention),
            Ok(None) => {
                lost += 1;
                fresh = false;
                if let Err(error) = core.after_loss(lost).await {
                    return fail(group, error);
                }
            }
            Err(error) => return fail(group, error),
        }
    }
}

/// Which of the group's events the state allows, one after the other.
fn judge(core: &Core, snapshot: &Snapshot, group: &[Waiting]) -> Vec<Result<(), TransitionError>> {
    let mut state = TenantState::clone(&snapshot.state);
    let at = Moment { sequence: snapshot.head.sequence + 1, time: core.next_time(&snapshot.head) };
    group.iter().map(|waiting| state.apply_entry(at, &waiting.entry.actor, &waiting.entry.event)).collect()
}

fn answer(group: Vec<Waiting>, verdicts: Vec<Result<(), TransitionError>>, recorded: Vec<Recorded>) {
    let mut recorded = recorded.into_iter();
    for (waiting, verdict) in group.into_iter().zip(verdicts) {
        let result = match verdict {
            Ok(()) => recorded.next().ok_or(RecordError::Stopped),
            Err(error) => Err(RecordError::Illegal(error)),
        };
        // Whoever no longer waits has given up on the answer, not on the record.
        let _ = waiting.reply.send(result);
    }
}

fn fail(group: Vec<Waiting>, error: JournalError) {
    let error = Arc::new(error);
    for waiting in group {
        let _ = waiting.reply.send(Err(RecordError::Journal(Arc::clone(&error))));
    }
}
