//! Alive, ready, metrics. No authentication and no persons: the chart lets only the
//! kubelet and the monitoring in.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::json;

use crate::metrics::Metrics;
use crate::world::World;

/// What the admin routes need.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The mirrors, whose completeness is readiness.
    pub world: Arc<World>,
}

/// `/health`, `/ready` and `/metrics`.
pub fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(json!({"status": "alive"})) }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

/// Ready, or what is missing. A candidate that waits for the Lease is ready too: it sees all.
async fn ready(State(admin): State<Admin>) -> Response {
    let missing = admin.world.missing();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": missing.is_empty(), "missing": missing}))).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    admin.metrics.text().map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |text| {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, media_type)], text).into_response()
        },
    )
}
