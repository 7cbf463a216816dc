//! The end of a door that somebody had opened, against an API server that fails in part.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::core::{DeserializeGuard, ObjectMeta};
use oscar_blueprint::Kind;
use oscar_blueprint::names::BREAK_GLASS;
use oscar_operator::controllers::tenant;
use oscar_operator::objects::Seen;
use oscar_operator::world::{TENANT_MANAGER, World};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tenant::{acme, context};

const NAMESPACE: &str = "/api/v1/namespaces/oscar-acme";

/// A workspace with an entry and one pod.
#[derive(Debug)]
struct Workspace {
    metadata: Value,
    /// Whether pods can be deleted.
    deletes: bool,
    /// What was done, in order.
    done: Vec<String>,
}

type Stored = Arc<Mutex<Workspace>>;

async fn answer(State(stored): State<Stored>, method: Method, uri: Uri, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (mut workspace, [_, _, until]) = (stored.lock(), BREAK_GLASS);
    let (code, answer) = match (method, uri.path()) {
        (Method::GET, NAMESPACE) => (StatusCode::OK, json!({"metadata": workspace.metadata})),
        (Method::PATCH, NAMESPACE) if body["kind"].is_null() => {
            let shut = body["metadata"]["annotations"][until] == "";
            if shut {
                workspace.metadata["annotations"][until] = json!("");
            } else {
                workspace.metadata["annotations"] = json!({});
            }
            workspace.done.push(if shut { "shut" } else { "taken off" }.to_owned());
            (StatusCode::OK, json!({"metadata": workspace.metadata}))
        }
        (Method::GET, path) if path == format!("{NAMESPACE}/pods") => {
            (StatusCode::OK, json!({"metadata": {}, "items": [{"metadata": {"name": "lake-api-1"}}]}))
        }
        (Method::DELETE, path) if path == format!("{NAMESPACE}/pods/lake-api-1") && workspace.deletes => {
            workspace.done.push("made anew".to_owned());
            (StatusCode::OK, json!({"metadata": {"name": "lake-api-1"}}))
        }
        // Whatever else a reconcile wants: the door comes before it.
        _ => (StatusCode::FORBIDDEN, json!({"status": "Failure", "message": "no", "reason": "Forbidden", "code": 403})),
    };
    Response::builder().status(code).body(Body::from(answer.to_string())).unwrap()
}

/// What an operator that has just started does at its first look.
async fn first_look(stored: &Stored) -> Vec<String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(answer).with_state(Arc::clone(stored));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap();
    let (tenant, world) = (acme(), Arc::new(World::default()));
    let metadata: ObjectMeta = serde_json::from_value(stored.lock().metadata.clone()).unwrap();
    let seen = Seen::of(&metadata, TENANT_MANAGER);
    world.objects[&Kind::of::<Namespace>()].insert((String::new(), "oscar-acme".to_owned()), seen);
    let looked = tenant::reconcile(Arc::new(DeserializeGuard(Ok(tenant))), context(client, world));
    assert!(Box::pin(looked).await.is_err(), "nothing else is there");
    server.abort();
    std::mem::take(&mut stored.lock().done)
}

fn workspace(until: &str) -> Stored {
    let [by, why, end] = BREAK_GLASS;
    let owner =
        json!({"apiVersion": "v1", "kind": "Tenant", "name": "acme", "uid": acme().metadata.uid, "controller": true});
    let annotations = json!({by: "grace", why: "Incident 4711", end: until});
    let metadata =
        json!({"name": "oscar-acme", "resourceVersion": "1", "ownerReferences": [owner], "annotations": annotations});
    Arc::new(Mutex::new(Workspace { metadata, deletes: true, done: Vec::new() }))
}

#[tokio::test]
async fn a_door_whose_time_is_over_is_shut_and_pods_are_new_before_the_entry_goes() {
    let stored = workspace("2026-01-01T00:00:00Z");
    assert_eq!(first_look(&stored).await, ["shut", "made anew", "taken off"]);
    assert!(first_look(&stored).await.is_empty());
}

#[tokio::test]
async fn pods_that_could_not_be_made_anew_are_by_whoever_is_the_operator_next() {
    let stored = workspace("2026-01-01T00:00:00Z");
    stored.lock().deletes = false;
    assert_eq!(first_look(&stored).await, ["shut"]);
    // Another process: it knows nothing but the entry.
    stored.lock().deletes = true;
    assert_eq!(first_look(&stored).await, ["shut", "made anew", "taken off"]);
}

#[tokio::test]
async fn a_member_who_shuts_her_door_herself_keeps_no_session() {
    let stored = workspace("");
    assert_eq!(first_look(&stored).await, ["shut", "made anew", "taken off"]);
}
