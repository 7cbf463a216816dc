//! Submission: from a request to a journalled release that waits for vetting.
//!
//! The permit, the contracts and the table versions are pinned here. The quota is decided
//! inside the journal's transaction, so two submissions that race cannot both take the
//! last place; a statement that the gate refuses is journalled and counted all the same.

use std::sync::Arc;

use oscar_access::HeldGrant;
use oscar_journal::{Actor, Event, ReleaseRecord, ReviewError, Submission, TenantState, TransactError};
use oscar_permit::{Identity, Quotas, ReleaseId, Sha256Digest};

use super::error::ServiceError;
use super::id::release_id;
use super::service::ReleaseService;
use crate::scope::{CheckError, Scope};

/// What a requester asks for.
#[derive(Debug)]
pub(crate) struct Request<'r> {
    pub(crate) requester: &'r Identity,
    pub(crate) grant: &'r HeldGrant,
    pub(crate) sql: String,
    pub(crate) title: String,
    pub(crate) purpose: String,
    pub(crate) idempotency_key: Option<&'r str>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// A new release.
    New(Arc<ReleaseRecord>),
    /// The release that the same request made before.
    Known(Arc<ReleaseRecord>),
}

/// Why the transaction did not append.
#[derive(Debug, thiserror::Error)]
enum NotAppended {
    #[error("the release is there already")]
    Known,
    #[error(transparent)]
    Review(#[from] ReviewError),
}

impl ReleaseService {
    /// Journals the request and starts vetting.
    pub(crate) async fn submit(self: &Arc<Self>, request: Request<'_>) -> Result<Submitted, ServiceError> {
        let platform = &self.platform;
        let id = release_id(request.requester, request.idempotency_key)
            .map_err(|_| ServiceError::Internal("a release id could not be made"))?;
        let state = platform.journal.refresh().await.map_err(ServiceError::journal)?;
        if let Some(known) = state.release(&id) {
            return same_request(known, &request);
        }
        let scope = Scope::now(platform, &request.grant.permit, &state).await?;
        let (submission, quotas) = self.pin(&request, &scope).await?;
        let actor = Actor::person(request.requester.clone(), request.grant.role);
        let appended =
            platform.journal.transact(actor.clone(), |state| decide(state, &actor, &id, &submission, &quotas)).await;
        let state = platform.journal.state();
        let record = state.release(&id).cloned().ok_or(ServiceError::NotHere);
        match appended {
            Ok(_) => {
                self.start_vetting(&id);
                record.map(Submitted::New)
            }
            Err(TransactError::Decision(NotAppended::Known)) => same_request(&record?, &request),
            Err(TransactError::Decision(NotAppended::Review(error))) => Err(error.into()),
            Err(TransactError::Illegal(error)) => Err(ReviewError::Transition(error).into()),
            Err(TransactError::Journal(error)) => Err(ServiceError::journal(error)),
        }
    }

    /// Pins everything the release will be computed from and judged by.
    async fn pin(&self, request: &Request<'_>, scope: &Scope) -> Result<(Submission, Quotas), ServiceError> {
        let platform = &self.platform;
        let (plan_hash, versions, profile) = match scope.check(&request.sql).await {
            Ok(checked) => {
                let versions = scope.versions_of(&checked.tables)?.0;
                (checked.plan_hash, versions, scope.profile(platform, &checked.tables)?)
            }
            // There is no plan to name; the vetting task refuses it with the gate's reasons.
            Err(CheckError::Refused(_)) => {
                (Sha256Digest::of([]), scope.versions.clone(), scope.strictest_profile(platform)?)
            }
            Err(CheckError::Stopped) => return Err(ServiceError::Internal("the static check was stopped")),
        };
        let submission = Submission {
            permit: request.grant.permit.id.clone(),
            permit_digest: request.grant.digest,
            title: request.title.trim().to_owned(),
            purpose_note: request.purpose.trim().to_owned(),
            sql_digest: Sha256Digest::of(&request.sql),
            sql: request.sql.clone(),
            plan_hash,
            versions,
            contracts: scope.contracts.clone(),
            profile_digest: profile
                .digest()
                .map_err(|_| ServiceError::Internal("the profile has no canonical form"))?,
        };
        Ok((submission, profile.quotas))
    }
}

fn decide(
    state: &TenantState,
    actor: &Actor,
    id: &ReleaseId,
    submission: &Submission,
    quotas: &Quotas,
) -> Result<Vec<Event>, NotAppended> {
    // A returned release could be submitted again under its id; a repeated request must not do that.
    if state.release(id).is_some() {
        return Err(NotAppended::Known);
    }
    Ok(state.submit(actor, id, submission.clone(), quotas)?)
}

/// The same key with the same request is a repetition; with another it is a mistake.
fn same_request(known: &Arc<ReleaseRecord>, request: &Request<'_>) -> Result<Submitted, ServiceError> {
    let submission = known.submission();
    let same = known.requester() == request.requester
        && submission.permit == request.grant.permit.id
        && submission.sql == request.sql
        && submission.title == request.title.trim()
        && submission.purpose_note == request.purpose.trim();
    if same { Ok(Submitted::Known(Arc::clone(known))) } else { Err(ServiceError::KeyReused) }
}
