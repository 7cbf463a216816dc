//! The routes of the development issuer and what guards them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, extract::RawQuery};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::{authorize, device, token_endpoint};

/// Longest form.
const BODY_LIMIT: usize = 16 * 1024;

pub(super) fn router(issuer: Arc<Issuer>, address: SocketAddr) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(key_set))
        .route("/authorize", get(authorize::ask).post(authorize::answer))
        .route("/token", post(token_endpoint::token))
        .route("/device_authorization", post(device::authorize))
        .route("/device", get(device::ask).post(device::answer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(issuer)
        // Outermost: a request under a foreign name must reach nothing.
        .layer(middleware::from_fn(move |request: Request, next: Next| guard(address, request, next)))
}

/// The raw query of a request, empty when there is none.
pub(super) fn query(RawQuery(query): RawQuery) -> String {
    query.unwrap_or_default()
}

async fn guard(address: SocketAddr, request: Request, next: Next) -> Response {
    let own = [address.to_string(), format!("localhost:{}", address.port())];
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| own.iter().any(|name| name.eq_ignore_ascii_case(host))) {
        return (StatusCode::MISDIRECTED_REQUEST, "this issuer answers under its loopback address only")
            .into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // RFC 6749, section 5.1; keys are the one thing that may be kept.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn discovery(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let url = issuer.url();
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "device_authorization_endpoint": format!("{url}/device_authorization"),
        "jwks_uri": format!("{url}/jwks"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "offline_access"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn key_set(State(issuer): State<Arc<Issuer>>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "max-age=300")], Json(issuer.key_set()))
}
