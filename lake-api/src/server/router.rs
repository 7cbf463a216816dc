//! All routes in one place, with the OpenAPI description that follows from them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::Shared;
use super::docs;
use super::extract::{AcceptsJson, NoParameters, StrictQuery};
use super::layers::{Admission, dress};
use super::openapi::{Base, complete};
use super::rejection::Rejection;
use crate::metrics::Metrics;
use crate::routes::{audit, catalogue, content, keys, permit, queries, releases, review};

/// The routes with their description.
fn described() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    let (router, api) = OpenApiRouter::with_openapi(Base::openapi())
        .routes(routes!(catalogue::list))
        .routes(routes!(catalogue::show))
        .routes(routes!(queries::check))
        .routes(routes!(releases::list, releases::submit))
        .routes(routes!(releases::show))
        .routes(routes!(releases::withdraw))
        .routes(routes!(content::content))
        .routes(routes!(content::receipt))
        .routes(routes!(review::pack))
        .routes(routes!(review::votes, review::cast))
        .routes(routes!(permit::show))
        .routes(routes!(audit::read))
        .routes(routes!(keys::show))
        .split_for_parts();
    (router, complete(api))
}

/// The OpenAPI 3.1 description as pretty JSON with a final newline, as it is committed.
///
/// # Errors
/// When the description is not JSON, which a test would have found.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let (_, api) = described();
    serde_json::to_string_pretty(&api).map(|text| text + "\n")
}

/// The API with all its layers.
pub(crate) fn api(
    app: Shared,
    body_bytes: usize,
    admission: Admission,
    metrics: Arc<Metrics>,
) -> Result<Router, serde_json::Error> {
    let (described, _) = described();
    let description = Bytes::from(openapi_json()?);
    let description = Router::new().route("/v1/openapi.json", get(serve_description)).with_state(description);
    let router = described
        .with_state(app)
        .merge(description)
        .merge(docs::routes())
        .fallback(|| async { Rejection::not_found() })
        // The layers hold the body to the limit that is configured.
        .layer(DefaultBodyLimit::disable());
    Ok(dress(router, admission, body_bytes, metrics))
}

async fn serve_description(
    State(description): State<Bytes>,
    StrictQuery(NoParameters {}): StrictQuery<NoParameters>,
    _: AcceptsJson,
) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description).into_response()
}
