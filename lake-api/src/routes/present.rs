//! From the platform's types to the API's.

use oscar_journal as journal;
use oscar_journal::{ReleaseRecord, VotesView};
use oscar_permit::Identity;
use oscar_query::GateRefusal;

use crate::api::permit::Person;
use crate::api::query::Refusal;
use crate::api::release::{Release, ReleaseState};
use crate::api::review::{Vote, VoteDecision, Votes};
use crate::release::{Findings, reasons_for_requester};

/// For whom a release is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The requester: neutral texts.
    Requester,
    /// Stewards and auditors: every rule that fired.
    Reviewer,
}

pub(crate) fn person(identity: &Identity) -> Person {
    Person { issuer: identity.issuer.clone(), subject: identity.subject.clone() }
}

pub(crate) fn refusal(refusal: &GateRefusal) -> Refusal {
    Refusal {
        code: refusal.code.as_str().to_owned(),
        message: refusal.message.to_owned(),
        remedy: refusal.remedy.to_owned(),
        place: refusal.place.clone(),
    }
}

/// One release; `findings` when one release is asked for.
pub(crate) fn release(record: &ReleaseRecord, findings: Option<&Findings>, audience: Audience) -> Release {
    let submission = record.submission();
    let state = state(record.state());
    let reasons = record.vetted().map(|vetted| vetted.result.reasons.clone()).unwrap_or_default();
    let published = record.published().filter(|_| state == ReleaseState::Released);
    let failure = record.failure().filter(|_| state == ReleaseState::Returned);
    Release {
        id: record.id().to_string(),
        state,
        next: next(state, failure).to_owned(),
        title: submission.title.clone(),
        purpose: submission.purpose_note.clone(),
        permit: submission.permit.to_string(),
        requester: person(record.requester()),
        sql: submission.sql.clone(),
        submitted_at: record.submitted_at(),
        updated_at: record.since(),
        versions: submission.versions.iter().map(|(table, version)| (table.to_string(), *version)).collect(),
        refusal: findings.and_then(|findings| findings.refusal.clone()),
        findings: match (findings, audience) {
            (None, _) => Vec::new(),
            (Some(findings), Audience::Requester) => findings.for_requester(),
            (Some(findings), Audience::Reviewer) => findings.for_reviewer(),
        },
        reason: failure.or(record.closing_reason()).map(str::to_owned),
        review_reasons: match audience {
            Audience::Requester => reasons_for_requester(&reasons),
            Audience::Reviewer => reasons,
        },
        outputs: published
            .map(|published| {
                published.outputs.iter().map(|(format, file)| (format.clone(), file.digest.to_string())).collect()
            })
            .unwrap_or_default(),
    }
}

pub(crate) const fn state(state: journal::ReleaseState) -> ReleaseState {
    match state {
        journal::ReleaseState::Draft => ReleaseState::Draft,
        journal::ReleaseState::Vetting => ReleaseState::Vetting,
        journal::ReleaseState::Refused => ReleaseState::Refused,
        journal::ReleaseState::InReview => ReleaseState::InReview,
        journal::ReleaseState::Returned => ReleaseState::Returned,
        journal::ReleaseState::Conflict => ReleaseState::Conflict,
        journal::ReleaseState::Approved => ReleaseState::Approved,
        journal::ReleaseState::Released => ReleaseState::Released,
        journal::ReleaseState::Rejected => ReleaseState::Rejected,
        journal::ReleaseState::Withdrawn => ReleaseState::Withdrawn,
        journal::ReleaseState::Recalled => ReleaseState::Recalled,
    }
}

/// What happens next, in words.
const fn next(state: ReleaseState, failure: Option<&str>) -> &'static str {
    match (state, failure) {
        (ReleaseState::Draft, _) => "Submit it.",
        (ReleaseState::Vetting, _) => "The platform computes and judges the result; ask again in a moment.",
        (ReleaseState::Refused, _) => "Change the statement as the findings say and submit it as a new release.",
        (ReleaseState::InReview, _) => "Two stewards look at the result.",
        (ReleaseState::Returned, Some(_)) => {
            "The platform could not compute the result; make the statement smaller and submit it as a new release."
        }
        (ReleaseState::Returned, None) => {
            "The stewards ask for a change: read their reasons in the votes, then submit a new release."
        }
        (ReleaseState::Conflict, _) => "The stewards disagree; the data controller settles it.",
        (ReleaseState::Approved, _) => "The platform publishes the result; ask again in a moment.",
        (ReleaseState::Released, _) => "Fetch content and receipt.",
        (ReleaseState::Rejected, _) => "The stewards said no; their reasons are in the votes.",
        (ReleaseState::Withdrawn, _) => "Nothing; the request was ended before anything was released.",
        (ReleaseState::Recalled, _) => "Stop using the result: it was called back.",
    }
}

pub(crate) fn votes(record: &ReleaseRecord, viewer: &Identity) -> Votes {
    match record.votes_visible_to(viewer) {
        VotesView::Hidden { own } => Votes { complete: false, yours: own.map(vote), votes: Vec::new() },
        VotesView::Open(votes) => Votes {
            complete: true,
            yours: votes.iter().find(|vote| vote.reviewer == *viewer).map(vote),
            votes: votes.iter().map(vote).collect(),
        },
    }
}

/// A vote without its voter: who voted what is in the journal, for auditors.
fn vote(vote: &journal::Vote) -> Vote {
    Vote {
        role: vote.role.to_string(),
        decision: match vote.decision {
            journal::Decision::Approve => VoteDecision::Approve,
            journal::Decision::Reject => VoteDecision::Reject,
            journal::Decision::Return => VoteDecision::Return,
        },
        reason: vote.reason.clone(),
        at: vote.time,
    }
}

pub(crate) const fn decision(decision: VoteDecision) -> journal::Decision {
    match decision {
        VoteDecision::Approve => journal::Decision::Approve,
        VoteDecision::Reject => journal::Decision::Reject,
        VoteDecision::Return => journal::Decision::Return,
    }
}
