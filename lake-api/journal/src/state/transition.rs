//! The one place that says which event may happen to a release, by whom, and where it leads.
//!
//! Journals are folded by it for as long as they exist: what it allowed once it must go on
//! allowing. A stricter rule for the future belongs where wishes become events (`review.rs`).

use oscar_permit::{Identity, Role};

use super::lifecycle::ReleaseState;
use super::release::ReleaseRecord;
use super::review::{MAX_REASON, REQUIRED_VOTES};
use crate::event::{Decision, Event, Submission, Verdict, VettingResult};
use crate::record::Actor;

/// Why an event is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The event belongs elsewhere.
    #[error("the event is not about this kind of thing")]
    Event,
    /// No such release.
    #[error("the release is not known; submit it first")]
    UnknownRelease,
    /// Not in this state.
    #[error("the release is {0}: this step is not possible there")]
    State(ReleaseState),
    /// Not by this actor.
    #[error("this actor may not take this step")]
    Actor,
    /// Somebody else's release.
    #[error("only the requester may take this step")]
    NotTheRequester,
    /// A vote on one's own request.
    #[error("the requester may not review or vote on the own release; another steward must")]
    OwnRelease,
    /// A second vote.
    #[error("each steward has one vote; another steward must give the second")]
    SecondVote,
    /// Two votes without the data controller.
    #[error("one of the two votes must be a controller steward's")]
    ControllerMissing,
    /// A vote on other bytes.
    #[error("the vote names other content than the release now has; look again, then vote")]
    OtherContent,
    /// No reason, or an endless one.
    #[error("a reason is needed, of at most {MAX_REASON} characters")]
    Reason,
    /// Digest and statement differ.
    #[error("the statement does not have the digest that goes with it")]
    SqlDigest,
    /// Content, ledger entry and verdict do not fit together.
    #[error("content and ledger entry must be there exactly when the verdict is not a refusal")]
    VettingResult,
    /// Judged against an older ledger.
    #[error("the ledger has grown since the release was judged; judge it again")]
    StaleLedger,
    /// Published with nothing.
    #[error("a publication needs at least one file")]
    NoOutput,
    /// A format that was not published.
    #[error("the release was not published in this format")]
    UnknownFormat,
    /// A delivery without a table.
    #[error("a delivery needs at least one table")]
    EmptyDelivery,
    /// A newer delivery is visible.
    #[error("a newer version of a table is already visible; deliver again on top of it")]
    Overtaken,
}

/// The state that `event`, caused by `actor`, leads to. `release` is `None` while the
/// journal does not know the release, which is the state DRAFT.
///
/// # Errors
/// Why the event is not allowed there.
pub fn transition(
    release: Option<&ReleaseRecord>,
    actor: &Actor,
    event: &Event,
) -> Result<ReleaseState, TransitionError> {
    let Some(known) = release else {
        return match event {
            Event::ReleaseSubmitted { submission, .. } => submit(None, actor, submission),
            _ => Err(TransitionError::UnknownRelease),
        };
    };
    let state = known.state();
    match event {
        Event::ReleaseSubmitted { submission, .. } => submit(Some(known), actor, submission),
        Event::VettingFinished { result, .. } => {
            by_platform(actor).and(only_in(state, &[ReleaseState::Vetting]))?;
            judged(result)
        }
        Event::VettingFailed { .. } => {
            by_platform(actor).and(only_in(state, &[ReleaseState::Vetting]))?;
            Ok(ReleaseState::Returned)
        }
        Event::VettingRestarted { .. } => {
            by_platform(actor)?;
            only_in(
                state,
                &[ReleaseState::Vetting, ReleaseState::InReview, ReleaseState::Conflict, ReleaseState::Approved],
            )?;
            Ok(ReleaseState::Vetting)
        }
        Event::VoteCast { decision, reason, content, .. } => {
            let (voter, role) = person(actor)?;
            only_in(state, &[ReleaseState::InReview])?;
            if known.content() != Some(*content) {
                return Err(TransitionError::OtherContent);
            }
            stated(reason)?;
            vote(known, voter, role, *decision)
        }
        Event::ReleasePublished { outputs, .. } => {
            by_platform(actor).and(only_in(state, &[ReleaseState::Approved]))?;
            if outputs.is_empty() { Err(TransitionError::NoOutput) } else { Ok(ReleaseState::Released) }
        }
        Event::ReleaseWithdrawn { reason, .. } => {
            let (who, _) = person(actor)?;
            if who != known.requester() {
                return Err(TransitionError::NotTheRequester);
            }
            end(state)?;
            if reason.chars().count() > MAX_REASON { Err(TransitionError::Reason) } else { Ok(ReleaseState::Withdrawn) }
        }
        Event::ReleaseStopped { .. } => {
            by_platform(actor).and(end(state))?;
            Ok(ReleaseState::Withdrawn)
        }
        Event::ReleaseRecalled { reason, .. } => {
            let (_, role) = person(actor)?;
            if !role.reviews() {
                return Err(TransitionError::Actor);
            }
            only_in(state, &[ReleaseState::Released])?;
            stated(reason)?;
            Ok(ReleaseState::Recalled)
        }
        Event::ReviewRead { .. } => read_review(known, actor),
        Event::ExportRead { format, .. } => {
            only_in(state, &[ReleaseState::Released])?;
            let published = known.published().is_some_and(|published| published.outputs.contains_key(format));
            if published { Ok(ReleaseState::Released) } else { Err(TransitionError::UnknownFormat) }
        }
        Event::DeliveryAccepted { .. }
        | Event::DeliveryRefused { .. }
        | Event::PermitApplied { .. }
        | Event::PermitProblem { .. }
        | Event::QueryChecked { .. }
        | Event::AccessDenied { .. }
        | Event::ServiceStarted { .. }
        | Event::ServiceStopped { .. } => Err(TransitionError::Event),
    }
}

fn submit(
    known: Option<&ReleaseRecord>,
    actor: &Actor,
    submission: &Submission,
) -> Result<ReleaseState, TransitionError> {
    let (who, role) = person(actor)?;
    if !role.queries() {
        return Err(TransitionError::Actor);
    }
    if let Some(release) = known {
        if who != release.requester() {
            return Err(TransitionError::NotTheRequester);
        }
        only_in(release.state(), &[ReleaseState::Returned])?;
    }
    if oscar_permit::Sha256Digest::of(&submission.sql) == submission.sql_digest {
        Ok(ReleaseState::Vetting)
    } else {
        Err(TransitionError::SqlDigest)
    }
}

fn judged(result: &VettingResult) -> Result<ReleaseState, TransitionError> {
    let complete = result.content.is_some() && result.ledger.is_some();
    let bare = result.content.is_none() && result.ledger.is_none();
    match result.verdict {
        Verdict::Auto if complete => Ok(ReleaseState::Approved),
        Verdict::Review if complete => Ok(ReleaseState::InReview),
        Verdict::Refused if bare => Ok(ReleaseState::Refused),
        Verdict::Auto | Verdict::Review | Verdict::Refused => Err(TransitionError::VettingResult),
    }
}

/// Looking moves nothing.
fn read_review(release: &ReleaseRecord, actor: &Actor) -> Result<ReleaseState, TransitionError> {
    let (reader, role) = person(actor)?;
    if !role.reviews() {
        return Err(TransitionError::Actor);
    }
    if reader == release.requester() {
        return Err(TransitionError::OwnRelease);
    }
    only_in(release.state(), &[ReleaseState::InReview, ReleaseState::Conflict])?;
    Ok(release.state())
}

/// No vote alone moves a release: the state changes when both are in.
fn vote(
    release: &ReleaseRecord,
    voter: &Identity,
    role: Role,
    decision: Decision,
) -> Result<ReleaseState, TransitionError> {
    if !role.reviews() {
        return Err(TransitionError::Actor);
    }
    if voter == release.requester() {
        return Err(TransitionError::OwnRelease);
    }
    let earlier = release.votes();
    if earlier.iter().any(|vote| vote.reviewer == *voter) {
        return Err(TransitionError::SecondVote);
    }
    if earlier.len() + 1 < REQUIRED_VOTES {
        return Ok(ReleaseState::InReview);
    }
    let mut roles = earlier.iter().map(|vote| vote.role).chain([role]);
    if !roles.any(|role| role == Role::ControllerSteward) {
        return Err(TransitionError::ControllerMissing);
    }
    let all = |wanted: Decision| decision == wanted && earlier.iter().all(|vote| vote.decision == wanted);
    let any = |wanted: Decision| decision == wanted || earlier.iter().any(|vote| vote.decision == wanted);
    Ok(if all(Decision::Approve) {
        ReleaseState::Approved
    } else if all(Decision::Reject) {
        ReleaseState::Rejected
    } else if any(Decision::Return) {
        // A wish for a change contradicts nobody: nothing leaves, and what comes back is judged anew.
        ReleaseState::Returned
    } else {
        ReleaseState::Conflict
    })
}

fn person(actor: &Actor) -> Result<(&Identity, Role), TransitionError> {
    match actor {
        Actor::Person { identity, role } => Ok((identity, *role)),
        Actor::Service { .. } | Actor::Anonymous {} => Err(TransitionError::Actor),
    }
}

const fn by_platform(actor: &Actor) -> Result<(), TransitionError> {
    match actor {
        Actor::Service { .. } => Ok(()),
        Actor::Person { .. } | Actor::Anonymous {} => Err(TransitionError::Actor),
    }
}

fn only_in(state: ReleaseState, allowed: &[ReleaseState]) -> Result<(), TransitionError> {
    if allowed.contains(&state) { Ok(()) } else { Err(TransitionError::State(state)) }
}

const fn end(state: ReleaseState) -> Result<(), TransitionError> {
    if state.can_be_ended() { Ok(()) } else { Err(TransitionError::State(state)) }
}

fn stated(reason: &str) -> Result<(), TransitionError> {
    let length = reason.trim().chars().count();
    if length == 0 || reason.chars().count() > MAX_REASON { Err(TransitionError::Reason) } else { Ok(()) }
}
