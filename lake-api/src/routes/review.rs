//! The reviewer pack and the votes.

use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use oscar_journal::{ReleaseRecord, ReleaseState};
use oscar_permit::Sha256Digest;

use super::{present, problems, releases};
use crate::api::problem::Problem;
use crate::api::review::{ReviewPack, VoteRequest, Votes};
use crate::server::app::Shared;
use crate::server::caller::Caller;
use crate::server::extract::{AcceptsJson, NoParameters, StrictJson, StrictQuery};
use crate::server::rejection::Rejection;

const MAX_REASON: usize = 2000;

/// What a steward needs to judge a release. The reading is recorded.
#[utoipa::path(
    get, path = "/v1/releases/{id}/review", tag = "review", operation_id = "showReviewPack",
    params(("id" = String, Path, description = "The release", max_length = 64)),
    responses(
        (status = 200, description = "The reviewer pack", body = ReviewPack),
        (status = 403, description = "The step belongs to another role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not possible in the present state", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn pack(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Result<Json<ReviewPack>, Rejection> {
    let (record, grant) = caller.release(&app, &id).await?;
    if !grant.role.reviews() || *record.requester() == caller.identity {
        return Err(Rejection::role("The reviewer pack is for stewards who did not ask for the release."));
    }
    let content = record.content().filter(|_| under_review(&record)).ok_or_else(nothing_to_review)?;
    let findings = app.releases.findings(&record).await.map_err(|error| problems::of_service(&error))?;
    let table = findings.review_table().ok_or_else(Rejection::internal)?;
    let hidden_cells = serde_json::to_value(&findings.hidden).map_err(|_| Rejection::internal())?;
    // Before anything is shown: from now on the ledger reckons with it, and auditors know of it.
    let again = app.platform.journal.state().is_seen(record.id())
        && app.reviews.take(&caller.identity, Instant::now()).is_err();
    if !again {
        let noted = app.releases.note_review(record.id(), caller.actor(&grant)).await;
        noted.map_err(|error| problems::of_service(&error))?;
    }
    Ok(Json(ReviewPack {
        release: releases::detailed(&app, &caller, &record).await?,
        content: content.to_string(),
        table,
        findings: findings.for_reviewer(),
        hidden_cells,
    }))
}

/// What was decided or taken back is shown to nobody: what was released is in its content.
fn under_review(record: &ReleaseRecord) -> bool {
    matches!(record.state(), ReleaseState::InReview | ReleaseState::Conflict)
}

fn nothing_to_review() -> Rejection {
    Rejection::conflict("state", "The release has no content to review.")
        .remedy("GET the release: its field next says what happens now.")
}

/// The votes: one's own at once, the others' when both are in.
#[utoipa::path(
    get, path = "/v1/releases/{id}/votes", tag = "review", operation_id = "listVotes",
    params(("id" = String, Path, description = "The release", max_length = 64)),
    responses((status = 200, description = "The votes as the caller may see them", body = Votes))
)]
pub(crate) async fn votes(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Result<Json<Votes>, Rejection> {
    let (record, _) = caller.release(&app, &id).await?;
    Ok(Json(present::votes(&record, &caller.identity)))
}

/// Votes on a release under review.
#[utoipa::path(
    post, path = "/v1/releases/{id}/votes", tag = "review", operation_id = "castVote",
    params(("id" = String, Path, description = "The release", max_length = 64)),
    request_body = VoteRequest,
    responses(
        (status = 201, description = "The vote counts", body = Votes),
        (status = 403, description = "The step belongs to another role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not possible in the present state", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cast(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
    StrictJson(body): StrictJson<VoteRequest>,
) -> Result<(http::StatusCode, Json<Votes>), Rejection> {
    problems::check_text("reason", &body.reason, MAX_REASON)?;
    let content = digest(&body.content)?;
    let (record, grant) = caller.release(&app, &id).await?;
    // Before the content is compared: others must not learn by it which content is voted on.
    if !grant.role.reviews() || *record.requester() == caller.identity {
        return Err(Rejection::role("Votes are for stewards who did not ask for the release."));
    }
    let actor = caller.actor(&grant);
    let voted = app.releases.vote(record.id(), actor, present::decision(body.decision), &body.reason, content).await;
    let record = voted.map_err(|error| problems::of_service(&error))?;
    Ok((http::StatusCode::CREATED, Json(present::votes(&record, &caller.identity))))
}

/// A digest in exactly the form in which the reviewer pack shows it.
fn digest(text: &str) -> Result<Sha256Digest, Rejection> {
    text.parse().ok().filter(|digest: &Sha256Digest| digest.to_string() == text).ok_or_else(|| {
        Rejection::unprocessable("digest", "The field content is not a SHA-256 digest.")
            .remedy("Take it from the reviewer pack.")
    })
}
