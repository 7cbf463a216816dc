//! What persons do with releases: withdraw, review and vote. The decision is the journal's, taken
//! on its newest state.

use std::sync::Arc;

use oscar_journal::{Actor, Decision, Event, ReleaseRecord, ReleaseState, ReviewError, TenantState, TransactError};
use oscar_permit::{ReleaseId, Sha256Digest};

use super::error::ServiceError;
use super::service::ReleaseService;

impl ReleaseService {
    /// Takes a request back.
    pub(crate) async fn withdraw(
        &self,
        id: &ReleaseId,
        actor: Actor,
        reason: &str,
    ) -> Result<Arc<ReleaseRecord>, ServiceError> {
        self.by_person(id, &actor, |state| state.withdraw(&actor, id, reason)).await
    }

    /// Notes that a steward looks at content under review.
    pub(crate) async fn note_review(&self, id: &ReleaseId, actor: Actor) -> Result<(), ServiceError> {
        self.by_person(id, &actor, |state| state.read_review(&actor, id)).await.map(drop)
    }

    /// Votes on a release; the vote that completes an approval starts the publication.
    pub(crate) async fn vote(
        self: &Arc<Self>,
        id: &ReleaseId,
        actor: Actor,
        decision: Decision,
        reason: &str,
        content: Sha256Digest,
    ) -> Result<Arc<ReleaseRecord>, ServiceError> {
        let record = self.by_person(id, &actor, |state| state.cast_vote(&actor, id, decision, reason, content)).await?;
        if record.state() == ReleaseState::Approved {
            self.start_vetting(id);
        }
        Ok(record)
    }

    async fn by_person(
        &self,
        id: &ReleaseId,
        actor: &Actor,
        decide: impl FnMut(&TenantState) -> Result<Vec<Event>, ReviewError>,
    ) -> Result<Arc<ReleaseRecord>, ServiceError> {
        match self.platform.journal.transact(actor.clone(), decide).await {
            Ok(_) => self.platform.journal.state().release(id).cloned().ok_or(ServiceError::NotHere),
            Err(TransactError::Decision(error)) => Err(error.into()),
            Err(TransactError::Illegal(error)) => Err(ReviewError::Transition(error).into()),
            Err(TransactError::Journal(error)) => Err(ServiceError::journal(error)),
        }
    }
}
