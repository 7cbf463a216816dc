//! The metadata map of what the caller's permits name.

use axum::Json;
use axum::extract::{Path, State};
use oscar_permit::DatasetName;

use super::problems;
use crate::api::catalogue::{Catalogue, Dataset};
use crate::catalogue::{dataset, datasets};
use crate::server::app::Shared;
use crate::server::caller::Caller;
use crate::server::extract::{AcceptsJson, NoParameters, StrictQuery};
use crate::server::rejection::Rejection;

/// All datasets that the caller's permits name and that have been delivered.
#[utoipa::path(
    get, path = "/v1/catalogue", tag = "catalogue", operation_id = "showCatalogue",
    responses((status = 200, description = "The catalogue", body = Catalogue))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Result<Json<Catalogue>, Rejection> {
    let found = datasets(&app.platform, &caller.grants).await;
    found.map(|datasets| Json(Catalogue { datasets })).map_err(|error| problems::of_scope(&error))
}

/// One dataset.
#[utoipa::path(
    get, path = "/v1/catalogue/{dataset}", tag = "catalogue", operation_id = "showDataset",
    params(("dataset" = String, Path, description = "The dataset", max_length = 63)),
    responses((status = 200, description = "The dataset", body = Dataset))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    Path(name): Path<String>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Result<Json<Dataset>, Rejection> {
    let found = match DatasetName::new(name) {
        Ok(name) => dataset(&app.platform, &caller.grants, &name).await.map_err(|error| problems::of_scope(&error))?,
        Err(_) => None,
    };
    match found {
        Some(found) => Ok(Json(found)),
        None => Err(caller.unseen(&app, "dataset-not-visible").await),
    }
}
