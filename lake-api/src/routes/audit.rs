//! The journal for auditors.

use axum::Json;
use axum::extract::State;
use oscar_permit::Role;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::audit::{AuditEntry, AuditPage};
use crate::api::problem::Problem;
use crate::audit_view::shown;
use crate::server::app::Shared;
use crate::server::caller::Caller;
use crate::server::extract::{AcceptsJson, StrictQuery};
use crate::server::rejection::Rejection;

const DEFAULT_PAGE: u64 = 50;
const MAX_PAGE: u64 = 200;
/// The largest whole number that every JSON reader keeps exactly (RFC 8259, section 6).
const MAX_SEQUENCE: u64 = 9_007_199_254_740_991;

/// Which part of the journal.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParameters {
    /// The field `next` of the page before: records after this number.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    after: Option<u64>,
    /// How many records at most; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
}

/// The journal, oldest first: who did what, when, as far as the caller is the auditor of it.
#[utoipa::path(
    get, path = "/v1/audit", tag = "record", operation_id = "readAudit",
    params(AuditParameters),
    responses(
        (status = 200, description = "One page of the journal", body = AuditPage),
        (status = 403, description = "The step belongs to another role", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(app): State<Shared>,
    caller: Caller,
    StrictQuery(AuditParameters { after, limit }): StrictQuery<AuditParameters>,
    _: AcceptsJson,
) -> Result<Json<AuditPage>, Rejection> {
    if caller.grants_with(Role::audits).next().is_none() {
        return Err(Rejection::role("The journal is for auditors."));
    }
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Rejection::bad_request("query-parameter", "The parameter limit must be 1 to 200."));
    }
    let after = after.unwrap_or(0);
    if after > MAX_SEQUENCE {
        return Err(Rejection::bad_request("query-parameter", "The parameter after is no number of a record."));
    }
    let journal = &app.platform.journal;
    let records = journal.records(after, limit).await.map_err(|error| {
        tracing::error!(%error, "the journal cannot be read");
        Rejection::unavailable("storage-unavailable", "The platform's storage does not answer.")
    })?;
    let (snapshot, permits) = (journal.snapshot(), app.permits.permits());
    let last = records.last().map(|record| record.sequence);
    let mut entries = Vec::new();
    for record in records {
        for entry in record.entries {
            let Some(event) = shown(&entry, &snapshot.state, &permits, &caller) else { continue };
            entries.push(AuditEntry {
                sequence: record.sequence,
                time: record.time,
                actor: serde_json::to_value(&entry.actor).map_err(|_| Rejection::internal())?,
                event,
            });
        }
    }
    let next = last.filter(|last| *last < snapshot.head.sequence);
    Ok(Json(AuditPage { entries, next }))
}
