//! An issuer that does whatever a test wants, and counts who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use oscar_access::{IssuerConfig, KeyRefresh};

/// How a route answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Json(Value),
    Text(String),
    Status(u16),
    Redirect(String),
    /// Bytes without an end.
    Endless,
    /// A connection that stays open and silent.
    Silent,
}

struct Routes {
    discovery: Mutex<Answer>,
    keys: Mutex<Answer>,
    tokens: Mutex<Answer>,
    discovery_count: AtomicUsize,
    key_count: AtomicUsize,
}

pub(crate) struct FakeIssuer {
    pub(crate) url: String,
    routes: Arc<Routes>,
    server: JoinHandle<()>,
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeIssuer {
    /// An honest issuer with these keys.
    pub(crate) async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        let routes = Arc::new(Routes {
            discovery: Mutex::new(Answer::Json(discovery)),
            keys: Mutex::new(Answer::Json(json!({"keys": keys}))),
            tokens: Mutex::new(Answer::Status(404)),
            discovery_count: AtomicUsize::new(0),
            key_count: AtomicUsize::new(0),
        });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery_route))
            .route("/jwks", get(key_route))
            .route("/token", post(token_route))
            .with_state(Arc::clone(&routes));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, routes, server }
    }

    pub(crate) fn answer_discovery(&self, answer: Answer) {
        *self.routes.discovery.lock() = answer;
    }

    pub(crate) fn answer_keys(&self, answer: Answer) {
        *self.routes.keys.lock() = answer;
    }

    pub(crate) fn answer_tokens(&self, answer: Answer) {
        *self.routes.tokens.lock() = answer;
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        self.answer_keys(Answer::Json(json!({"keys": keys})));
    }

    /// How often the keys were asked for.
    pub(crate) fn key_count(&self) -> usize {
        self.routes.key_count.load(Ordering::SeqCst)
    }

    /// How often anything was asked for.
    pub(crate) fn count(&self) -> usize {
        self.key_count() + self.routes.discovery_count.load(Ordering::SeqCst)
    }

    /// A configuration that fetches whenever it may.
    pub(crate) fn config(&self) -> IssuerConfig {
        let key_refresh = KeyRefresh { cooldown_seconds: 0, timeout_seconds: 1, ..KeyRefresh::default() };
        IssuerConfig { key_refresh, ..IssuerConfig::new(&self.url, "oscar-host") }
    }
}

async fn discovery_route(State(routes): State<Arc<Routes>>) -> Response {
    routes.discovery_count.fetch_add(1, Ordering::SeqCst);
    let answer = routes.discovery.lock().clone();
    answer.response().await
}

async fn key_route(State(routes): State<Arc<Routes>>) -> Response {
    routes.key_count.fetch_add(1, Ordering::SeqCst);
    let answer = routes.keys.lock().clone();
    answer.response().await
}

async fn token_route(State(routes): State<Arc<Routes>>) -> Response {
    let answer = routes.tokens.lock().clone();
    answer.response().await
}

impl Answer {
    async fn response(self) -> Response {
        match self {
            Self::Json(value) => axum::Json(value).into_response(),
            Self::Text(text) => text.into_response(),
            Self::Status(status) => http::StatusCode::from_u16(status).unwrap().into_response(),
            Self::Redirect(to) => Redirect::temporary(&to).into_response(),
            Self::Endless => {
                let chunk: Result<Bytes, std::convert::Infallible> = Ok(Bytes::from_static(&[b' '; 8192]));
                Body::from_stream(futures::stream::repeat(chunk)).into_response()
            }
            Self::Silent => std::future::pending().await,
        }
    }
}
