//! Whose a permit becomes, against an API server that takes every write.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::response::Response;
use axum::{Router, serve};
use kube::core::DeserializeGuard;
use kube::runtime::{reflector, watcher};
use kube::{Client, Resource};
use oscar_crds::{DataPermit, Tenant};
use oscar_operator::controllers::data_permit;
use oscar_operator::world::World;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tenant::{acme, context};

/// The permit as it is, and which tenants' UIDs were written into it, in order.
type Stored = Arc<Mutex<(Value, Vec<String>)>>;

async fn answer(State(stored): State<Stored>, method: Method, uri: Uri, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (permit, written) = &mut *stored.lock();
    if (&method, uri.path().ends_with("/status")) == (&Method::PATCH, true) {
        permit["status"] = body["status"].clone();
        permit["metadata"]["resourceVersion"] = json!("2");
        written.push(format!("noted {}", body["status"]["tenantUid"].as_str().unwrap()));
    } else if method == Method::PATCH {
        assert_eq!(body["metadata"]["resourceVersion"], permit["metadata"]["resourceVersion"]);
        permit["metadata"]["ownerReferences"] = body["metadata"]["ownerReferences"].clone();
        written.push("owned".to_owned());
    }
    Response::new(Body::from(permit.to_string()))
}

fn store<K>(object: K) -> reflector::Store<DeserializeGuard<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(object))));
    store
}

/// What is written at a look at a permit, with the tenant acme of this UID there.
async fn look(stored: &Stored, uid: &str) -> Vec<String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(answer).with_state(Arc::clone(stored));
    let server = tokio::spawn(async move { serve(listener, routes).await });
    let client = Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap();
    let mut tenant: Tenant = acme();
    tenant.metadata.uid = Some(uid.to_owned());
    let permit: DataPermit = serde_json::from_value(stored.lock().0.clone()).unwrap();
    let mut context = Arc::into_inner(context(client, Arc::new(World::default()))).unwrap();
    (context.tenants, context.permits) = (store(tenant), store(permit.clone()));
    data_permit::reconcile(Arc::new(DeserializeGuard(Ok(permit))), Arc::new(context)).await.unwrap();
    server.abort();
    std::mem::take(&mut stored.lock().1)
}

#[tokio::test]
async fn a_permit_whose_tenant_was_deleted_and_left_it_behind_is_not_a_later_tenants() {
    let mut permit: Value = serde_saphyr::from_str(include_str!("../../crds/examples/data-permit.yaml")).unwrap();
    permit["metadata"]["resourceVersion"] = json!("1");
    permit["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Decision", "name": "d", "uid": "d-1"}]);
    let stored: Stored = Arc::new(Mutex::new((permit, Vec::new())));
    assert_eq!(look(&stored, "t-1").await, ["noted t-1", "owned"], "whose it is stands there before it is");
    let owners = stored.lock().0["metadata"]["ownerReferences"].as_array().unwrap().clone();
    assert_eq!(owners.iter().map(|owner| owner["uid"].as_str().unwrap()).collect::<Vec<_>>(), ["d-1", "t-1"]);
    // What `kubectl delete tenant acme --cascade=orphan` does.
    stored.lock().0["metadata"]["ownerReferences"].as_array_mut().unwrap().truncate(1);
    assert_eq!(look(&stored, "t-2").await, ["noted t-1"]);
    let ready = stored.lock().0["status"]["conditions"][0].clone();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("TenantReplaced")));
    assert!(ready["message"].as_str().unwrap().contains("a permit of its own"));
}
