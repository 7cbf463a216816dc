//! What happens to every request before and after its handler.
//!
//! The order is part of the security argument (outermost first):
//! 1. request id: every later step, panics included, can be found in the log;
//! 2. security headers: on every answer, errors included;
//! 3. problems: turns rejections and bare error statuses into RFC 9457 JSON;
//! 4. log and metrics: see the final status, never a body, a query or a person;
//! 5. panics: become a neutral 500 that the steps above still dress;
//! 6. body: read to its end before anything is decided, within limits ([`super::bodies`]);
//! 7. admission: above the limit of requests being answered the answer is 503 at once. Behind
//!    the body, so that bodies which trickle in take no place from requests that are complete;
//! 8. time: a request that takes too long is dropped with 504.
//!
//! Authentication is not a layer: handlers take a `Caller`, so a handler without one is
//! visible as public in its signature, and the access table test covers every route.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use super::bodies::{Bodies, whole_body};
use super::rejection::Rejection;
use crate::metrics::Metrics;

/// The header that carries the request id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything the API may load is its own; nothing may frame it.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// The documentation page is served from the binary; its styles are partly inline.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'";

/// The id of the request being served.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Requests in flight and the time each may take.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    slots: Arc<Semaphore>,
    time: Duration,
}

impl Admission {
    pub(crate) fn new(in_flight: usize, time: Duration) -> Self {
        Self { slots: Arc::new(Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS))), time }
    }
}

/// Puts all layers around `router`, in the order of the module's documentation.
pub(crate) fn dress(router: Router, admission: Admission, body_bytes: usize, metrics: Arc<Metrics>) -> Router {
    let bodies = Bodies::new(body_bytes, admission.time);
    router
        .layer(from_fn_with_state(admission.clone(), limit_time))
        .layer(from_fn_with_state(admission, admit))
        .layer(from_fn_with_state(bodies, whole_body))
        .layer(CatchPanicLayer::custom(neutral_panic))
        .layer(from_fn_with_state(metrics, observe))
        .layer(from_fn(render_problems))
        .layer(from_fn(secure_headers))
        .layer(from_fn(identify))
}

/// Accepts the caller's request id when it is a UUID and makes one otherwise: free text
/// would reach the log.
async fn identify(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = given.and_then(|text| Uuid::try_parse(text).ok()).unwrap_or_else(Uuid::new_v4).to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn secure_headers(request: Request, next: Next) -> Response {
    let docs = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let policy = if docs { DOCS_POLICY } else { API_POLICY };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn render_problems(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let options = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let status = response.status();
    if options && status == StatusCode::METHOD_NOT_ALLOWED {
        // What the path allows is public (the OpenAPI file says it): answer the question.
        let mut answer = StatusCode::NO_CONTENT.into_response();
        if let Some(allow) = response.headers().get(header::ALLOW) {
            answer.headers_mut().insert(header::ALLOW, allow.clone());
        }
        return answer;
    }
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let rejection = response.extensions_mut().remove::<Rejection>().unwrap_or_else(|| Rejection::of_status(status));
    let kept = keep_headers(response.headers());
    let body = serde_json::to_vec(&rejection.problem(id)).unwrap_or_default();
    let mut problem = Response::new(Body::from(body));
    *problem.status_mut() = rejection.status();
    *problem.headers_mut() = kept;
    problem.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    problem
}

/// The headers of an error answer that mean something to its reader.
fn keep_headers(from: &HeaderMap) -> HeaderMap {
    [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::CONNECTION]
        .into_iter()
        .filter_map(|name| from.get(&name).cloned().map(|value| (name, value)))
        .collect()
}

async fn observe(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known_method(request.method());
    // The matched pattern, not the path: a path can hold what a caller likes.
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let took = started.elapsed();
    metrics.request(method, &route, status, took);
    let code = response.extensions().get::<Rejection>().map_or("", Rejection::code);
    let milliseconds = took.as_secs_f64() * 1000.0;
    tracing::info!(method, route, status, code, milliseconds, request_id = id, "request");
    response
}

fn neutral_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    // The panic's message may hold data; the panic hook has logged its place.
    Rejection::internal().into_response()
}

async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    match admission.slots.try_acquire() {
        Ok(_slot) => next.run(request).await,
        Err(_) => Rejection::unavailable("overloaded", "Too many requests are being served.").into_response(),
    }
}

async fn limit_time(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    tokio::time::timeout(admission.time, next.run(request)).await.unwrap_or_else(|_| {
        Rejection::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "The request took too long and was stopped.")
            .remedy("Try again; nothing is half done: a release that was accepted is in the list of releases.")
            .into_response()
    })
}

/// Methods are an open set of free text: what this API does not know has one name.
fn known_method(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tower::ServiceExt;

    fn router(slots: usize) -> Router {
        let routes = Router::new()
            .route("/panic", get(async || -> Response { panic!("a message with data in it") }))
            .route("/slow", get(std::future::pending::<Response>));
        dress(routes, Admission::new(slots, Duration::from_millis(20)), 1000, Metrics::new())
    }

    async fn answer(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert!(response.headers().contains_key(REQUEST_ID));
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_becomes_a_neutral_500() {
        let (status, body) = answer(&router(8), "/panic").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("\"internal\"") && !body.contains("data in it"), "{body}");
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_cut_off() {
        assert_eq!(answer(&router(8), "/slow").await.0, StatusCode::GATEWAY_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up_and_takes_no_place_meanwhile() {
        let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let request = Request::builder().method("POST").uri("/slow").body(endless).unwrap();
        // No place at all: a request that needed one would be turned away at once.
        let response = router(0).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn above_the_limit_of_requests_in_flight_the_answer_is_503_at_once() {
        assert_eq!(answer(&router(0), "/slow").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
