//! A break-glass entry is shut and taken off a namespace, only as long as it is the one that
//! was judged: whoever opens the door anew meanwhile is judged anew.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams};
use oscar_blueprint::Kind;
use oscar_blueprint::names::BREAK_GLASS;
use serde_json::{Map, Value, json};

use super::apply::{Applier, ApplyError};
use super::seen::{Entry, Seen};

impl Applier {
    /// Takes the end out of an entry, with which it opens nothing; who and why stay. Returns
    /// the entry that is left, `None` when it was another one.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn shut_entry(&self, namespace: &str, entry: &Entry) -> Result<Option<Entry>, ApplyError> {
        let shut = Entry { until: String::new(), ..entry.clone() };
        let [_, _, until] = BREAK_GLASS;
        let done = self.change_entry(namespace, entry, json!({until: ""})).await?;
        Ok(done.then_some(shut))
    }

    /// Takes an entry off a namespace; whether it was there.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn clear_entry(&self, namespace: &str, entry: &Entry) -> Result<bool, ApplyError> {
        let nothing: Map<String, Value> = BREAK_GLASS.iter().map(|key| ((*key).to_owned(), Value::Null)).collect();
        self.change_entry(namespace, entry, nothing.into()).await
    }

    async fn change_entry(&self, namespace: &str, entry: &Entry, annotations: Value) -> Result<bool, ApplyError> {
        let kind = Kind::of::<Namespace>();
        let failed = |source| ApplyError::Api { object: format!("Namespace {namespace}"), source: Box::new(source) };
        let api = self.api(kind, None);
        let Some(found) = api.get_metadata_opt(namespace).await.map_err(failed)? else { return Ok(false) };
        if Seen::of(&found.metadata, self.manager).entry.as_ref() != Some(entry) {
            return Ok(false);
        }
        let version = found.metadata.resource_version;
        let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version, "annotations": annotations}}));
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        let answer = api.patch(namespace, &params, &patch).await.map_err(failed)?;
        if let Some(mirror) = self.mirrors.get(&kind) {
            mirror.insert((String::new(), namespace.to_owned()), Seen::of(&answer.metadata, self.manager));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::extract::State;
    use axum::routing::get;
    use axum::{Json, Router};
    use parking_lot::Mutex;
    use tokio::net::TcpListener;

    use super::*;

    type Stored = Arc<Mutex<Value>>;

    /// An API server that has one namespace and merges what it is sent.
    async fn api_server(stored: Stored) -> kube::Client {
        let patch = async |State(stored): State<Stored>, Json(patch): Json<Value>| {
            let mut namespace = stored.lock();
            assert_eq!(patch["metadata"]["resourceVersion"], namespace["metadata"]["resourceVersion"]);
            for (key, value) in patch["metadata"]["annotations"].as_object().unwrap() {
                let annotations = namespace["metadata"]["annotations"].as_object_mut().unwrap();
                let _ = annotations.remove(key);
                if !value.is_null() {
                    annotations.insert(key.clone(), value.clone());
                }
            }
            Json(namespace.clone())
        };
        let read = async |State(stored): State<Stored>| Json(stored.lock().clone());
        let routes = Router::new().route("/api/v1/namespaces/oscar-acme", get(read).patch(patch)).with_state(stored);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        kube::Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap()
    }

    fn namespace(annotations: &[(&str, &str)]) -> Value {
        let annotations: Map<String, Value> =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "oscar-acme", "resourceVersion": "7", "annotations": annotations}})
    }

    #[tokio::test]
    async fn an_entry_is_shut_first_and_leaves_its_mark_until_it_is_taken_off() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let [by, why, until] = BREAK_GLASS;
        let stored: Stored =
            Arc::new(Mutex::new(namespace(&[(by, "grace"), (why, "Incident"), (until, "2026-11-20T15:30:00Z")])));
        let applier = Applier::new(api_server(Arc::clone(&stored)).await, "oscar-operator/tenant", Arc::default());
        let entry =
            Entry { by: "grace".to_owned(), why: "Incident".to_owned(), until: "2026-11-20T15:30:00Z".to_owned() };
        let shut = applier.shut_entry("oscar-acme", &entry).await.unwrap().unwrap();
        let left = json!({by: "grace", why: "Incident", until: ""});
        assert_eq!(stored.lock()["metadata"]["annotations"], left);
        assert!(!applier.clear_entry("oscar-acme", &entry).await.unwrap(), "it is another one by now");
        assert_eq!(stored.lock()["metadata"]["annotations"], left);
        assert!(applier.clear_entry("oscar-acme", &shut).await.unwrap());
        assert_eq!(stored.lock()["metadata"]["annotations"], json!({}));
        assert_eq!(applier.shut_entry("oscar-acme", &shut).await.unwrap(), None);
    }
}
