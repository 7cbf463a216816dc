//! The caller's own permits.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use oscar_access::HeldGrant;
use oscar_journal::TenantState;

use super::present;
use crate::api::permit::{Permit, Permits, Quota};
use crate::scope::Scope;
use crate::server::app::{App, Shared};
use crate::server::caller::Caller;
use crate::server::extract::{AcceptsJson, NoParameters, StrictQuery};
use crate::server::rejection::Rejection;

/// Who the caller is here, with the permits in force that name them.
#[utoipa::path(
    get, path = "/v1/permit", tag = "record", operation_id = "showPermits",
    responses((status = 200, description = "The caller's permits", body = Permits))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Result<Json<Permits>, Rejection> {
    let state = app.platform.journal.state();
    let mut permits = Vec::new();
    for grant in &caller.grants {
        permits.push(permit(&app, grant, &state).await);
    }
    Ok(Json(Permits { identity: present::person(&caller.identity), permits }))
}

async fn permit(app: &App, grant: &HeldGrant, state: &TenantState) -> Permit {
    let permit = &grant.permit;
    // Threshold and quota are shown where they can be told; the dominance rule never is.
    let profile =
        Scope::now(&app.platform, permit, state).await.and_then(|scope| scope.strictest_profile(&app.platform)).ok();
    let granted = || permit.datasets.iter().map(|grant| &grant.dataset);
    let quota = profile.as_ref().map(|profile| Quota {
        releases_used: state.submissions_used(&permit.id, granted()),
        releases: u64::from(profile.quotas.releases),
        cells_used: state.cells_used(&permit.id, granted()),
        cells: u64::from(profile.quotas.cells),
    });
    let datasets: BTreeMap<String, Vec<String>> = permit
        .datasets
        .iter()
        .map(|grant| (grant.dataset.to_string(), grant.tables.iter().map(|entry| entry.table.to_string()).collect()))
        .collect();
    Permit {
        id: permit.id.to_string(),
        role: grant.role.to_string(),
        authority: permit.authority.clone(),
        purpose: permit.purpose.clone(),
        profile: permit.profile.clone(),
        threshold: profile.map(|profile| profile.threshold),
        valid_from: permit.valid_from,
        valid_until: permit.valid_until,
        datasets,
        quota,
    }
}
