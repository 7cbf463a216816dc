//! An API server of a few lines: it takes whatever is applied, remembers who wrote what, and
//! fails where it is told to.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A request that was to change something.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) method: Method,
    /// For example `/api/v1/namespaces/oscar-acme/configmaps/permits`.
    pub(crate) path: String,
    /// What was sent.
    pub(crate) body: Value,
}

/// Which status a request is answered with instead of success.
type Fails = fn(&Method, &str) -> Option<StatusCode>;

#[derive(Debug, Clone)]
struct Api {
    fails: Fails,
    /// The spec of the tenant of which statuses are written.
    spec: Value,
    writes: Arc<Mutex<Vec<Write>>>,
}

/// The server's client, and what was written.
pub(crate) async fn start(fails: Fails, spec: Value) -> (Client, Arc<Mutex<Vec<Write>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Api { fails, spec, writes: Arc::default() };
    let writes = Arc::clone(&api.writes);
    let routes = Router::new().fallback(answer).with_state(api);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    (Client::try_from(config).unwrap(), writes)
}

async fn answer(State(api): State<Api>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = uri.path();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if method != Method::GET {
        api.writes.lock().push(Write { method: method.clone(), path: path.to_owned(), body: body.clone() });
    }
    let failed = (api.fails)(&method, path);
    // Nothing is there before it is made.
    let failed = failed.or_else(|| (method == Method::GET).then_some(StatusCode::NOT_FOUND));
    let (code, answer) = match failed {
        Some(code) => {
            let status = json!({
                "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": "as it was told",
                "reason": if code == StatusCode::NOT_FOUND { "NotFound" } else { "Told" }, "code": code.as_u16(),
            });
            (code, status)
        }
        None => (StatusCode::OK, made(body, &api.spec)),
    };
    Response::builder().status(code).body(Body::from(answer.to_string())).unwrap()
}

/// An object as the server answers that has made it.
fn made(mut object: Value, spec: &Value) -> Value {
    object["metadata"]["resourceVersion"] = json!("1");
    if object["kind"] == "Tenant" {
        object["spec"] = spec.clone();
    }
    object
}
