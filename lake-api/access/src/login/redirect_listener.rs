//! The loopback port that a browser is sent back to.
//!
//! Everything on this machine can send requests to it, so an answer counts only with the
//! `state` of this login; others are turned away and the wait goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::{LoginError, registered};

/// How long a person may take to log in, in minutes.
const PATIENCE_MINUTES: u64 = 5;

/// How long the last page may take to reach the browser.
const FAREWELL: Duration = Duration::from_secs(2);

/// A port that waits for one redirect.
pub(super) struct RedirectListener {
    redirect_uri: String,
    answer: oneshot::Receiver<Result<String, LoginError>>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

struct Expected {
    issuer: String,
    state: String,
    answer: Mutex<Option<oneshot::Sender<Result<String, LoginError>>>>,
}

impl RedirectListener {
    pub(super) async fn start(issuer: &str, state: &str) -> Result<Self, LoginError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(LoginError::Listen)?;
        let address = listener.local_addr().map_err(LoginError::Listen)?;
        let (sender, answer) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let expected =
            Arc::new(Expected { issuer: issuer.to_owned(), state: state.to_owned(), answer: Mutex::new(Some(sender)) });
        let router = Router::new().route("/callback", get(callback)).with_state(expected);
        let serve = axum::serve(listener, router).with_graceful_shutdown(async {
            // An error means that the login was given up, which is the end too.
            let _ = stopped.await;
        });
        let server = tokio::spawn(serve.into_future());
        Ok(Self { redirect_uri: format!("http://{address}/callback"), answer, stop, server })
    }

    pub(super) fn redirect_uri(&self) -> String {
        self.redirect_uri.clone()
    }

    /// Waits for the code, then lets the browser have its page and closes the port.
    pub(super) async fn code(self) -> Result<String, LoginError> {
        let Self { redirect_uri: _, answer, stop, mut server } = self;
        let patience = Duration::from_secs(PATIENCE_MINUTES * 60);
        let answer = tokio::time::timeout(patience, answer).await;
        drop(stop);
        if tokio::time::timeout(FAREWELL, &mut server).await.is_err() {
            server.abort();
        }
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LoginError::Answer),
            Err(_) => Err(LoginError::TimedOut(PATIENCE_MINUTES)),
        }
    }
}

async fn callback(State(expected): State<Arc<Expected>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let parameters: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let get = |name: &str| parameters.get(name).map(AsRef::as_ref);
    // RFC 9207: an answer that names another issuer belongs to another login.
    let foreign = get("iss").is_some_and(|issuer: &str| issuer != expected.issuer);
    if get("state") != Some(expected.state.as_str()) || foreign {
        return page(StatusCode::BAD_REQUEST, "This answer does not belong to the login that is waiting.");
    }
    let answer = match (get("code"), get("error")) {
        (Some(code), None) => Ok(code.to_owned()),
        (_, Some(error)) => Err(LoginError::Refused(registered(error))),
        (None, None) => Err(LoginError::Answer),
    };
    let text = if answer.is_ok() {
        "You are logged in. You may close this window."
    } else {
        "The login did not succeed. See the command line."
    };
    let first = expected.answer.lock().take();
    if first.is_some_and(|sender| sender.send(answer).is_ok()) {
        page(StatusCode::OK, text)
    } else {
        page(StatusCode::BAD_REQUEST, "This login is over already.")
    }
}

fn page(status: StatusCode, text: &str) -> Response {
    let html =
        format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>OSCAR</title><p>{text}</p></html>");
    let mut response = (status, Html(html)).into_response();
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
