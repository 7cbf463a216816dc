//! One release as the journal knows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use oscar_permit::{Identity, ReleaseId, Role, Sha256Digest};
use serde::{Deserialize, Serialize};

use super::{Moment, REQUIRED_VOTES, ReleaseState, TenantState, TransitionError, transition};
use crate::event::{Decision, Event, OutputFile, RestartCause, Submission, Verdict, VettingResult};
use crate::record::Actor;

/// A release. Votes are private: show [`ReleaseRecord::votes_visible_to`] and never this
/// value itself, whose serial form (for checkpoints) holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRecord {
    id: ReleaseId,
    requester: Identity,
    submission: Submission,
    state: ReleaseState,
    /// How often it was submitted.
    round: u32,
    submitted_at: DateTime<Utc>,
    /// Since when it is in this state.
    since: DateTime<Utc>,
    /// The record that changed it last.
    sequence: u64,
    vetted: Option<Vetted>,
    failure: Option<String>,
    /// How often its vetting was cut off in this round.
    #[serde(default)]
    interruptions: u32,
    votes: Vec<Vote>,
    published: Option<Published>,
    /// The last reason given for a withdrawal or recall, or the cause of a stop.
    closing_reason: Option<String>,
}

/// Vetting's answer and where it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vetted {
    /// The answer.
    pub result: VettingResult,
    /// The journal record that holds it.
    pub sequence: u64,
}

/// A steward's vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Who.
    pub reviewer: Identity,
    /// In which role.
    pub role: Role,
    /// What.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// On which content.
    pub content: Sha256Digest,
    /// When.
    pub time: DateTime<Utc>,
}

/// What went out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// One file per format.
    pub outputs: BTreeMap<String, OutputFile>,
    /// Digest of the signed receipt.
    pub receipt: Sha256Digest,
    /// When.
    pub time: DateTime<Utc>,
}

/// What one person may see of the votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VotesView<'r> {
    /// Not both are in: one's own vote at most, and not even how many there are.
    Hidden {
        /// The viewer's own vote.
        own: Option<&'r Vote>,
    },
    /// Both are in.
    Open(&'r [Vote]),
}

impl ReleaseRecord {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ReleaseId {
        &self.id
    }

    /// Who asked for it.
    #[must_use]
    pub const fn requester(&self) -> &Identity {
        &self.requester
    }

    /// What was asked for, last.
    #[must_use]
    pub const fn submission(&self) -> &Submission {
        &self.submission
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> ReleaseState {
        self.state
    }

    /// How often it was submitted: 1 the first time.
    #[must_use]
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// When it was submitted last.
    #[must_use]
    pub const fn submitted_at(&self) -> DateTime<Utc> {
        self.submitted_at
    }

    /// Since when it is in its state.
    #[must_use]
    pub const fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// The journal record that changed it last.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Vetting's last answer in this round.
    #[must_use]
    pub const fn vetted(&self) -> Option<&Vetted> {
        self.vetted.as_ref()
    }

    /// Digest of the content that was judged.
    #[must_use]
    pub fn content(&self) -> Option<Sha256Digest> {
        self.vetted.as_ref().and_then(|vetted| vetted.result.content)
    }

    /// How often the vetting was cut off in this round, by an end of the service.
    #[must_use]
    pub const fn interruptions(&self) -> u32 {
        self.interruptions
    }

    /// Code of the failure that ended vetting in this round.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What went out, when it did.
    #[must_use]
    pub const fn published(&self) -> Option<&Published> {
        self.published.as_ref()
    }

    /// Why it was withdrawn, stopped or recalled.
    #[must_use]
    pub fn closing_reason(&self) -> Option<&str> {
        self.closing_reason.as_deref()
    }

    /// The votes as `viewer` may see them: all when both are in, else the own one.
    #[must_use]
    pub fn votes_visible_to(&self, viewer: &Identity) -> VotesView<'_> {
        if self.votes.len() >= REQUIRED_VOTES {
            VotesView::Open(&self.votes)
        } else {
            VotesView::Hidden { own: self.votes.iter().find(|vote| vote.reviewer == *viewer) }
        }
    }

    pub(super) fn votes(&self) -> &[Vote] {
        &self.votes
    }

    fn new(id: &ReleaseId, requester: &Identity, submission: &Submission, at: Moment) -> Self {
        Self {
            id: id.clone(),
            requester: requester.clone(),
            submission: submission.clone(),
            state: ReleaseState::Draft,
            round: 0,
            submitted_at: at.time,
            since: at.time,
            sequence: at.sequence,
            vetted: None,
            failure: None,
            interruptions: 0,
            votes: Vec::new(),
            published: None,
            closing_reason: None,
        }
    }

    /// A new round or a new vetting begins with nothing: votes are about bytes that are gone.
    fn reset(&mut self) {
        self.vetted = None;
        self.failure = None;
        self.votes.clear();
    }

    /// Takes over what the event says; the transition has been allowed before.
    fn absorb(&mut self, at: Moment, actor: &Actor, event: &Event, next: ReleaseState) {
        match event {
            Event::ReleaseSubmitted { submission, .. } => {
                self.reset();
                self.interruptions = 0;
                self.submission = (**submission).clone();
                self.round += 1;
                self.submitted_at = at.time;
            }
            Event::VettingFinished { result, .. } => {
                self.vetted = Some(Vetted { result: (**result).clone(), sequence: at.sequence });
            }
            Event::VettingFailed { code, .. } => self.failure = Some(code.clone()),
            // The attempt is the same one: whoever still works on it may answer.
            Event::VettingRestarted { cause: RestartCause::Interrupted, .. } if self.state == ReleaseState::Vetting => {
                self.interruptions += 1;
                return;
            }
            Event::VettingRestarted { cause, .. } => {
                self.reset();
                self.interruptions += u32::from(*cause == RestartCause::Interrupted);
            }
            Event::VoteCast { decision, reason, content, .. } => {
                if let Actor::Person { identity, role } = actor {
                    self.votes.push(Vote {
                        reviewer: identity.clone(),
                        role: *role,
                        decision: *decision,
                        reason: reason.clone(),
                        content: *content,
                        time: at.time,
                    });
                }
            }
            Event::ReleasePublished { outputs, receipt, .. } => {
                self.published = Some(Published { outputs: outputs.clone(), receipt: *receipt, time: at.time });
            }
            Event::ReleaseWithdrawn { reason, .. } | Event::ReleaseRecalled { reason, .. } => {
                self.closing_reason = Some(reason.clone());
            }
            Event::ReleaseStopped { cause, .. } => self.closing_reason = Some(cause.code().to_owned()),
            // A reading does not change since when the state holds, nor what a step rests on.
            Event::ReviewRead { .. }
            | Event::ExportRead { .. }
            | Event::DeliveryAccepted { .. }
            | Event::DeliveryRefused { .. }
            | Event::PermitApplied { .. }
            | Event::PermitProblem { .. }
            | Event::QueryChecked { .. }
            | Event::AccessDenied { .. }
            | Event::ServiceStarted { .. }
            | Event::ServiceStopped { .. } => return,
        }
        if self.state != next || matches!(event, Event::VettingRestarted { .. }) {
            self.since = at.time;
        }
        self.state = next;
        self.sequence = at.sequence;
    }
}

impl TenantState {
    /// Checks the transition, then updates release, ledger and usage together.
    pub(super) fn apply_to_release(&mut self, at: Moment, actor: &Actor, event: &Event) -> Result<(), TransitionError> {
        let id = event.release().ok_or(TransitionError::Event)?;
        let known = self.releases.get(id);
        let next = transition(known.map(AsRef::as_ref), actor, event)?;
        self.check_ledger_epoch(event)?;
        let mut release = match (known, event, actor.identity()) {
            (Some(release), _, _) => ReleaseRecord::clone(release),
            (None, Event::ReleaseSubmitted { submission, .. }, Some(requester)) => {
                ReleaseRecord::new(id, requester, submission, at)
            }
            (None, _, _) => return Err(TransitionError::UnknownRelease),
        };
        release.absorb(at, actor, event, next);
        self.count(&release, event);
        self.keep_ledger(&release, event, at);
        self.releases.insert(id.clone(), Arc::new(release));
        Ok(())
    }

    /// An answer that adds to the ledger must have been judged against all of it.
    fn check_ledger_epoch(&self, event: &Event) -> Result<(), TransitionError> {
        let Event::VettingFinished { result, .. } = event else { return Ok(()) };
        match result.verdict {
            Verdict::Auto | Verdict::Review if result.ledger_epoch != self.ledger_epoch => {
                Err(TransitionError::StaleLedger)
            }
            Verdict::Auto | Verdict::Review | Verdict::Refused => Ok(()),
        }
    }
}
