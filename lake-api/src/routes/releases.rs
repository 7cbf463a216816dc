//! Submitting, listing, showing and withdrawing releases.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oscar_journal::ReleaseRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{present, problems};
use crate::api::problem::Problem;
use crate::api::release::{Release, ReleasePage, ReleaseRequest, ReleaseState, WithdrawRequest};
use crate::release::{Request, ServiceError, Submitted};
use crate::routes::present::Audience;
use crate::server::app::Shared;
use crate::server::caller::Caller;
use crate::server::extract::{AcceptsJson, NoParameters, StrictJson, StrictQuery, single_header};
use crate::server::rejection::Rejection;

/// Longest statement that is taken; the gate has a limit of its own below it.
pub(crate) const MAX_SQL: usize = 64 * 1024;
const MAX_TITLE: usize = 200;
const MAX_PURPOSE: usize = 4000;
const MAX_REASON: usize = 2000;
const DEFAULT_PAGE: u32 = 20;
const MAX_PAGE: u32 = 100;

/// Asks for a release. The answer comes at once; vetting goes on in the background.
#[utoipa::path(
    post, path = "/v1/releases", tag = "releases", operation_id = "submitRelease",
    params(("Idempotency-Key" = Option<String>, Header, max_length = 128, pattern = "^[A-Za-z0-9._-]{1,128}$",
        description = "The same key with the same request is the same release")),
    request_body = ReleaseRequest,
    responses(
        (status = 202, description = "Taken; the header Location says where to ask", body = Release,
            headers(("Location" = String, description = "The release"))),
        (status = 200, description = "The same request was taken before", body = Release),
        (status = 403, description = "The step belongs to another role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not possible in the present state", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn submit(
    State(app): State<Shared>,
    caller: Caller,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
    headers: HeaderMap,
    StrictJson(body): StrictJson<ReleaseRequest>,
) -> Result<Response, Rejection> {
    let key = idempotency_key(&headers)?;
    let ReleaseRequest { sql, title, purpose, permit } = body;
    problems::check_text("title", &title, MAX_TITLE)?;
    problems::check_text("purpose", &purpose, MAX_PURPOSE)?;
    problems::check_text("sql", &sql, MAX_SQL)?;
    let grant = caller.query_grant(&app, permit.as_deref()).await?;
    let request =
        Request { requester: &caller.identity, grant: &grant, sql, title, purpose, idempotency_key: key.as_deref() };
    let submitted = app.releases.submit(request).await.map_err(|error| problems::of_service(&error))?;
    let (status, record) = match submitted {
        Submitted::New(record) => (StatusCode::ACCEPTED, record),
        Submitted::Known(record) => (StatusCode::OK, record),
    };
    let mut response = (status, Json(present::release(&record, None, Audience::Requester))).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/releases/{}", record.id())) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Rejection> {
    let Some(key) = single_header(headers, "idempotency-key")? else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=128).contains(&key.len()) && key.chars().all(plain) {
        Ok(Some(key.to_owned()))
    } else {
        Err(Rejection::bad_request("idempotency-key", "The header Idempotency-Key has a wrong form.")
            .remedy("Use 1 to 128 letters, digits, '.', '_' and '-'."))
    }
}

/// Which releases to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Only those in this state.
    state: Option<ReleaseState>,
    /// How many at most; 20 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The field `next` of the page before.
    #[param(max_length = 100, pattern = "^[0-9]{1,18}~[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    after: Option<String>,
}

/// Lists releases, newest first: analysts see their own, stewards and auditors those of their permit.
#[utoipa::path(
    get, path = "/v1/releases", tag = "releases", operation_id = "listReleases",
    params(ListParameters),
    responses((status = 200, description = "One page", body = ReleasePage))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    StrictQuery(parameters): StrictQuery<ListParameters>,
    _: AcceptsJson,
) -> Result<Json<ReleasePage>, Rejection> {
    let limit = parameters.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Rejection::bad_request("query-parameter", "The parameter limit must be 1 to 100."));
    }
    let after = parameters.after.as_deref().map(Cursor::parse).transpose()?;
    let state = app.platform.journal.state();
    let mut seen: Vec<(Cursor, &Arc<ReleaseRecord>, Audience)> = state
        .releases()
        .values()
        .filter(|record| parameters.state.is_none_or(|wanted| present::state(record.state()) == wanted))
        .filter_map(|record| Some((Cursor::of(record), record, audience(&caller, record)?)))
        .filter(|(cursor, _, _)| after.as_ref().is_none_or(|after| cursor < after))
        .collect();
    seen.sort_unstable_by(|(left, _, _), (right, _, _)| right.cmp(left));
    let limit = limit as usize;
    let next = if seen.len() > limit { seen.get(limit - 1).map(|(cursor, _, _)| cursor.text()) } else { None };
    let releases =
        seen.iter().take(limit).map(|(_, record, audience)| present::release(record, None, *audience)).collect();
    Ok(Json(ReleasePage { releases, next }))
}

/// For whom a release is shown to the caller; `None` when it is not shown.
pub(crate) fn audience(caller: &Caller, record: &ReleaseRecord) -> Option<Audience> {
    let role = caller.sees(record)?.role;
    // A steward who asks for a release is its requester: no reviewer's view on one's own.
    let reviewer = (role.reviews() || role.audits()) && *record.requester() != caller.identity;
    Some(if reviewer { Audience::Reviewer } else { Audience::Requester })
}

/// A place in the list: time of submission and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    milliseconds: i64,
    id: String,
}

impl Cursor {
    fn of(record: &ReleaseRecord) -> Self {
        Self { milliseconds: record.submitted_at().timestamp_millis(), id: record.id().to_string() }
    }

    fn text(&self) -> String {
        format!("{}~{}", self.milliseconds, self.id)
    }

    fn parse(text: &str) -> Result<Self, Rejection> {
        let parsed = text.split_once('~').and_then(|(time, id)| {
            let id = oscar_permit::ReleaseId::new(id).ok()?.to_string();
            let digits = time.bytes().all(|byte| byte.is_ascii_digit());
            Some(Self { milliseconds: time.parse().ok().filter(|_| digits)?, id })
        });
        parsed.ok_or_else(|| Rejection::bad_request("query-parameter", "The parameter after is not a page's next."))
    }
}

/// Shows one release.
#[utoipa::path(
    get, path = "/v1/releases/{id}", tag = "releases", operation_id = "showRelease",
    params(("id" = String, Path, description = "The release", max_length = 64)),
    responses((status = 200, description = "The release", body = Release))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Result<Json<Release>, Rejection> {
    let (record, _) = caller.release(&app, &id).await?;
    detailed(&app, &caller, &record).await.map(Json)
}

/// One release with what vetting found, as far as the caller may know it.
pub(crate) async fn detailed(app: &Shared, caller: &Caller, record: &ReleaseRecord) -> Result<Release, Rejection> {
    let audience = audience(caller, record).ok_or_else(Rejection::not_found)?;
    let findings = match app.releases.findings(record).await {
        Ok(findings) => Some(findings),
        // Not vetted yet: there is nothing to show.
        Err(ServiceError::NotHere) => None,
        Err(error) => return Err(problems::of_service(&error)),
    };
    Ok(present::release(record, findings.as_ref(), audience))
}

/// Takes a request back before it is released.
#[utoipa::path(
    post, path = "/v1/releases/{id}/withdraw", tag = "releases", operation_id = "withdrawRelease",
    params(("id" = String, Path, description = "The release", max_length = 64)),
    request_body = WithdrawRequest,
    responses(
        (status = 200, description = "Withdrawn", body = Release),
        (status = 403, description = "The step belongs to another role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not possible in the present state", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn withdraw(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
    StrictJson(body): StrictJson<WithdrawRequest>,
) -> Result<Json<Release>, Rejection> {
    problems::check_text("reason", &body.reason, MAX_REASON)?;
    let (record, grant) = caller.release(&app, &id).await?;
    let actor = caller.actor(&grant);
    let withdrawn = app.releases.withdraw(record.id(), actor, &body.reason).await;
    let record = withdrawn.map_err(|error| problems::of_service(&error))?;
    detailed(&app, &caller, &record).await.map(Json)
}
