//! The static check of a statement: the gate's own code, no data touched.

use axum::Json;
use axum::extract::State;
use oscar_journal::{CheckOutcome, Event};
use oscar_permit::Sha256Digest;
use oscar_query::CheckedQuery;

use super::releases::MAX_SQL;
use super::{present, problems};
use crate::api::problem::Problem;
use crate::api::query::{QueryCheck, QueryCheckRequest, StaticVerdict};
use crate::release::statement_reasons;
use crate::scope::{CheckError, Scope};
use crate::server::app::Shared;
use crate::server::caller::Caller;
use crate::server::extract::{AcceptsJson, NoParameters, StrictJson, StrictQuery};
use crate::server::rejection::Rejection;

/// Checks a statement as a release of it would be checked first. The check is recorded.
#[utoipa::path(
    post, path = "/v1/queries/check", tag = "queries", operation_id = "checkQuery",
    request_body = QueryCheckRequest,
    responses(
        (status = 200, description = "The gate's answer, a refusal included", body = QueryCheck),
        (status = 403, description = "The step belongs to another role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not possible in the present state", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn check(
    State(app): State<Shared>,
    caller: Caller,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
    StrictJson(body): StrictJson<QueryCheckRequest>,
) -> Result<Json<QueryCheck>, Rejection> {
    problems::check_length("sql", &body.sql, MAX_SQL)?;
    let grant = caller.query_grant(&app, body.permit.as_deref()).await?;
    let state = app.platform.journal.state();
    let scope = Scope::now(&app.platform, &grant.permit, &state).await.map_err(|error| problems::of_scope(&error))?;
    let answer = match scope.check(&body.sql).await {
        Ok(checked) => admissible(grant.permit.id.to_string(), &checked),
        Err(CheckError::Refused(refusal)) => QueryCheck {
            verdict: StaticVerdict::Refused,
            permit: grant.permit.id.to_string(),
            plan_hash: None,
            tables: Vec::new(),
            columns: Vec::new(),
            literals: 0,
            review_reasons: Vec::new(),
            refusal: Some(present::refusal(&refusal)),
        },
        Err(CheckError::Stopped) => return Err(Rejection::internal()),
    };
    let event = Event::QueryChecked {
        permit: grant.permit.id.clone(),
        sql_digest: Sha256Digest::of(&body.sql),
        outcome: match answer.verdict {
            StaticVerdict::Admissible => CheckOutcome::Accepted,
            StaticVerdict::Review => CheckOutcome::Review,
            StaticVerdict::Refused => CheckOutcome::Refused,
        },
        code: answer.refusal.as_ref().map(|refusal| refusal.code.clone()),
    };
    app.record(caller.actor(&grant), event).await?;
    Ok(Json(answer))
}

fn admissible(permit: String, checked: &CheckedQuery) -> QueryCheck {
    let review_reasons = statement_reasons(checked);
    QueryCheck {
        verdict: if review_reasons.is_empty() { StaticVerdict::Admissible } else { StaticVerdict::Review },
        permit,
        plan_hash: Some(checked.plan_hash.to_string()),
        tables: checked.tables.iter().map(ToString::to_string).collect(),
        columns: checked.output.iter().map(|column| column.name.clone()).collect(),
        literals: checked.literals,
        review_reasons,
        refusal: None,
    }
}
