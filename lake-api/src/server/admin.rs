//! The admin listener: alive, ready, metrics. It has no authentication, so it listens on
//! loopback unless the operator says otherwise, and tells nothing about persons or data.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Serialize;

use super::readiness::Readiness;
use crate::metrics::Metrics;

/// What the admin routes need.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) metrics: Arc<Metrics>,
}

#[derive(Debug, Serialize)]
struct Alive {
    status: &'static str,
}

/// `/health`, `/ready` and `/metrics`.
pub(crate) fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(Alive { status: "alive" }) }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

async fn ready(State(admin): State<Admin>) -> Response {
    let report = admin.readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
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
