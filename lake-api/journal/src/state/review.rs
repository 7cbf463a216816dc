//! What persons may do with releases: decisions that turn a wish into events.
//!
//! Called inside [`crate::Journal::transact`], on the newest state:
//!
//! ```text
//! journal.transact(actor, |state| state.cast_vote(&actor, &release, decision, &reason, content)).await
//! ```
//!
//! Each answers with events that the state allows, or with a reason for people. The
//! transition is checked once more when the events are appended.

use oscar_permit::{Identity, PersonNumber, Quotas, ReleaseId, Sha256Digest};

use super::{TenantState, TransitionError, transition};
use crate::event::{Decision, Event, StopCause, Submission, VettingResult};
use crate::record::{Actor, Entry};

/// How many stewards must vote.
pub const REQUIRED_VOTES: usize = 2;

/// Longest reason, in characters.
pub const MAX_REASON: usize = 2000;

/// Why a step is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// The state does not allow it.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// A person number in a text that would stay in the journal for ever.
    #[error("the text holds something that looks like a person number; leave it out")]
    PersonNumber,
    /// A reason that the platform gives.
    #[error("the reason is one that the platform gives; say it in other words")]
    ReservedReason,
    /// All submissions under the permit or on a dataset are used up.
    #[error(
        "the number of releases under the permit, or on one of its datasets, is used up, refused ones included; ask the authority for more"
    )]
    ReleasesUsedUp,
    /// All cells under the permit or on a dataset are used up.
    #[error(
        "the number of released cells under the permit, or on one of its datasets, would be exceeded; ask for fewer cells"
    )]
    CellsUsedUp,
    /// Too many cells at once.
    #[error("the release has more cells than the profile allows at once; ask for coarser groups")]
    TooManyCells,
}

impl TenantState {
    /// Submits a release, or submits it again after it was returned.
    ///
    /// # Errors
    /// When it is not the requester's move, a text holds a person number, or the quota is used up.
    pub fn submit(
        &self,
        actor: &Actor,
        release: &ReleaseId,
        submission: Submission,
        quotas: &Quotas,
    ) -> Result<Vec<Event>, ReviewError> {
        let used = self.submissions_used(&submission.permit, submission.datasets());
        free_of_person_numbers(&[&submission.title, &submission.purpose_note, &submission.sql])?;
        let event = Event::ReleaseSubmitted { release: release.clone(), submission: Box::new(submission) };
        let events = self.allowed(actor, event)?;
        if used >= u64::from(quotas.releases) { Err(ReviewError::ReleasesUsedUp) } else { Ok(events) }
    }

    /// Journals vetting's answer; a refusal is journalled whatever the quota says.
    ///
    /// # Errors
    /// [`TransitionError::StaleLedger`] when the ledger has grown since (judge again), or
    /// when a quota of cells would be exceeded.
    pub fn finish_vetting(
        &self,
        actor: &Actor,
        release: &ReleaseId,
        result: VettingResult,
        quotas: &Quotas,
    ) -> Result<Vec<Event>, ReviewError> {
        let leaves = result.ledger.is_some();
        let cells = result.cells;
        if leaves && result.ledger_epoch != self.ledger_epoch() {
            return Err(TransitionError::StaleLedger.into());
        }
        let events =
            self.allowed(actor, Event::VettingFinished { release: release.clone(), result: Box::new(result) })?;
        let asked = self.release(release).map(|known| known.submission());
        let more = Some((release, cells));
        let used = asked.map_or(0, |asked| self.cells_with(&asked.permit, asked.datasets(), more));
        if leaves && cells > u64::from(quotas.cells_per_release) {
            Err(ReviewError::TooManyCells)
        } else if leaves && used > u64::from(quotas.cells) {
            Err(ReviewError::CellsUsedUp)
        } else {
            Ok(events)
        }
    }

    /// Votes on a release.
    ///
    /// # Errors
    /// Not in review, not a steward, the requester, a second vote, other content, no reason
    /// or one with a person number, or two votes without the data controller's.
    pub fn cast_vote(
        &self,
        actor: &Actor,
        release: &ReleaseId,
        decision: Decision,
        reason: &str,
        content: Sha256Digest,
    ) -> Result<Vec<Event>, ReviewError> {
        let reason = reason.trim().to_owned();
        free_of_person_numbers(&[&reason])?;
        self.allowed(actor, Event::VoteCast { release: release.clone(), decision, reason, content })
    }

    /// Looks at content under review: the ledger reckons with it from now on (see [`TenantState::ledger`]).
    ///
    /// # Errors
    /// Not under review, not a steward, or the requester.
    pub fn read_review(&self, actor: &Actor, release: &ReleaseId) -> Result<Vec<Event>, ReviewError> {
        self.allowed(actor, Event::ReviewRead { release: release.clone() })
    }

    /// Takes a request back.
    ///
    /// # Errors
    /// Not the requester's, or already at an end.
    pub fn withdraw(&self, actor: &Actor, release: &ReleaseId, reason: &str) -> Result<Vec<Event>, ReviewError> {
        let reason = reason.trim().to_owned();
        free_of_person_numbers(&[&reason])?;
        if StopCause::is_code(&reason) {
            return Err(ReviewError::ReservedReason);
        }
        self.allowed(actor, Event::ReleaseWithdrawn { release: release.clone(), reason })
    }

    /// Calls a published release back.
    ///
    /// # Errors
    /// Not a steward, no reason, or not published.
    pub fn recall(&self, actor: &Actor, release: &ReleaseId, reason: &str) -> Result<Vec<Event>, ReviewError> {
        let reason = reason.trim().to_owned();
        free_of_person_numbers(&[&reason])?;
        self.allowed(actor, Event::ReleaseRecalled { release: release.clone(), reason })
    }

    /// Whether an entry of the audit trail must be kept from `viewer` for now: somebody
    /// else's vote on a release that not both stewards have voted on.
    #[must_use]
    pub fn vote_is_hidden(&self, entry: &Entry, viewer: &Identity) -> bool {
        let Event::VoteCast { release, .. } = &entry.event else { return false };
        let undecided = self.release(release).is_none_or(|known| known.votes().len() < REQUIRED_VOTES);
        undecided && entry.actor.identity() != Some(viewer)
    }

    fn allowed(&self, actor: &Actor, event: Event) -> Result<Vec<Event>, ReviewError> {
        let known = event.release().and_then(|release| self.release(release));
        transition(known.map(AsRef::as_ref), actor, &event)?;
        Ok(vec![event])
    }
}

/// Checked where a person's words come in and not in the fold: a recogniser that learns
/// more must not make an old journal unreadable.
fn free_of_person_numbers(texts: &[&str]) -> Result<(), ReviewError> {
    if texts.iter().any(|text| PersonNumber::occurs_in(text)) { Err(ReviewError::PersonNumber) } else { Ok(()) }
}
