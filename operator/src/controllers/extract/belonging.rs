//! An extract's beginning and end: whose it is, and that nothing of it runs on without it.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::{Api, DeleteParams, ListParams};
use kube::core::{PartialObjectMeta, Resource};
use kube::{Client, ResourceExt};
use oscar_blueprint::extract_cron_name;
use oscar_blueprint::names::EXTRACT_LABEL;
use oscar_crds::{Extract, Tenant};
use serde_json::json;

use super::runs::intake_of;
use super::{ExtractError, FINALIZER, patch};
use crate::controllers::claim::{Claim, claim, owners_with};
use crate::controllers::context::Context;

/// Gives the extract its tenant as owner and the finalizer, where they are missing; what others
/// have put there stays.
pub(super) async fn own(context: &Context, extract: &Extract, tenant: Option<&Tenant>) -> Result<(), ExtractError> {
    match beginning(extract, tenant) {
        Some(metadata) => patch(context, extract, &json!({"metadata": metadata})).await,
        None => Ok(()),
    }
}

/// What is to be changed of the metadata, if anything is.
fn beginning(extract: &Extract, tenant: Option<&Tenant>) -> Option<serde_json::Value> {
    let owners = extract.metadata.owner_references.as_deref().unwrap_or_default();
    let noted = extract.status.as_ref().and_then(|status| status.tenant_uid.as_deref());
    let is_free = |tenant: &&Tenant| claim(owners, noted, &tenant.uid().unwrap_or_default()) == Claim::Free;
    let owner = tenant.filter(is_free);
    let mut finalizers = extract.finalizers().to_vec();
    let has_finalizer = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    if owner.is_none() && has_finalizer {
        return None;
    }
    if !has_finalizer {
        finalizers.push(FINALIZER.to_owned());
    }
    let owners = owner.map_or_else(|| owners.to_vec(), |tenant| owners_with(owners, tenant));
    Some(json!({
        "resourceVersion": extract.resource_version(), "finalizers": finalizers, "ownerReferences": owners,
    }))
}

/// Ends an extract's runs and, when none is left, lets it go; whether it has.
pub(super) async fn clear(context: &Context, extract: &Extract) -> Result<bool, ExtractError> {
    if !extract.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(true);
    }
    if let Some(namespace) = intake_of(extract)
        && are_left(&context.client, &namespace, &extract.name_any()).await?
    {
        return Ok(false);
    }
    let finalizers: Vec<&String> = extract.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    let metadata = json!({"resourceVersion": extract.resource_version(), "finalizers": finalizers});
    patch(context, extract, &json!({"metadata": metadata})).await?;
    Ok(true)
}

/// Ends the schedule and the runs of an extract; whether there were any. The API server is
/// asked itself: a run that a schedule began a moment ago is in no mirror yet. The schedule
/// goes first, and while it is there no look at the runs is the last one.
async fn are_left(client: &Client, namespace: &str, extract: &str) -> Result<bool, ExtractError> {
    let schedules: Api<CronJob> = Api::namespaced(client.clone(), namespace);
    let found = schedules.get_metadata_opt(&extract_cron_name(extract)).await.map_err(failed)?;
    let has_schedule = found.is_some();
    end(&schedules, found).await?;
    let runs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let listed = runs.list_metadata(&ListParams::default().labels(&format!("{EXTRACT_LABEL}={extract}"))).await;
    let listed = listed.map_err(failed)?.items;
    let has_run = !listed.is_empty();
    for run in listed {
        end(&runs, Some(run)).await?;
    }
    Ok(has_schedule || has_run)
}

/// Deletes an object and, before it is gone itself, what it has made: a run is there as long
/// as its pods are.
async fn end<K>(api: &Api<K>, object: Option<PartialObjectMeta<K>>) -> Result<(), ExtractError>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let Some(object) = object.filter(|object| object.metadata.deletion_timestamp.is_none()) else { return Ok(()) };
    match api.delete(&object.name_any(), &DeleteParams::foreground()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

fn failed(source: kube::Error) -> ExtractError {
    ExtractError::Api { what: "the end of the runs", source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use axum::extract::{Path, State};
    use axum::routing::{delete, get};
    use axum::{Json, Router};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
    use parking_lot::Mutex;
    use serde_json::Value;
    use tokio::net::TcpListener;

    use super::*;

    const RUNS: &str = "/apis/batch/v1/namespaces/oscar-acme-intake/jobs";
    const SCHEDULE: &str = "/apis/batch/v1/namespaces/oscar-acme-intake/cronjobs/extract-nightly";

    type Stored = Arc<Mutex<BTreeSet<String>>>;

    fn object(kind: &str, name: &str) -> Value {
        json!({"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": name}})
    }

    /// An API server with these runs and, among them, the schedule.
    async fn api_server(stored: Stored) -> Client {
        let list = async |State(stored): State<Stored>| {
            let names = stored.lock();
            let runs: Vec<Value> =
                names.iter().filter(|name| *name != "schedule").map(|name| object("Job", name)).collect();
            Json(json!({"apiVersion": "batch/v1", "kind": "JobList", "metadata": {}, "items": runs}))
        };
        let remove = async |State(stored): State<Stored>, Path(name): Path<String>| {
            assert!(stored.lock().remove(&name));
            Json(object("Job", &name))
        };
        let read = async |State(stored): State<Stored>| {
            let not_found = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
            if stored.lock().contains("schedule") {
                (http::StatusCode::OK, Json(object("CronJob", "extract-nightly")))
            } else {
                (http::StatusCode::NOT_FOUND, Json(not_found))
            }
        };
        // A run that is begun while the schedule is being deleted.
        let unschedule = async |State(stored): State<Stored>| {
            assert!(stored.lock().remove("schedule"));
            stored.lock().insert("extract-nightly-2".to_owned());
            Json(object("CronJob", "extract-nightly"))
        };
        let routes = Router::new()
            .route(RUNS, get(list))
            .route(&format!("{RUNS}/{{name}}"), delete(remove))
            .route(SCHEDULE, get(read).delete(unschedule))
            .with_state(stored);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap()
    }

    #[tokio::test]
    async fn an_extract_is_not_let_go_while_its_schedule_or_a_run_is_there() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let stored: Stored =
            Arc::new(Mutex::new(["schedule", "extract-nightly-1"].map(str::to_owned).into_iter().collect()));
        let client = api_server(Arc::clone(&stored)).await;
        assert!(are_left(&client, "oscar-acme-intake", "nightly").await.unwrap());
        assert_eq!(*stored.lock(), BTreeSet::new(), "also the run that was begun meanwhile");
        stored.lock().insert("extract-nightly-3".to_owned());
        assert!(are_left(&client, "oscar-acme-intake", "nightly").await.unwrap(), "and one that came later");
        assert!(!are_left(&client, "oscar-acme-intake", "nightly").await.unwrap());
    }

    fn extract() -> Extract {
        let example = include_str!("../../../crds/examples/extract.yaml");
        let mut extract: Extract = serde_saphyr::from_str(example).unwrap();
        extract.metadata.finalizers = Some(vec!["example.com/theirs".to_owned()]);
        extract.metadata.owner_references = Some(vec![OwnerReference {
            kind: "Decision".to_owned(),
            uid: "d-1".to_owned(),
            ..OwnerReference::default()
        }]);
        extract
    }

    fn tenant() -> Tenant {
        let example = include_str!("../../../crds/examples/tenant.yaml");
        let tenant: Tenant = serde_saphyr::from_str(example).unwrap();
        Tenant { metadata: ObjectMeta { uid: Some("t-1".to_owned()), ..tenant.metadata }, ..tenant }
    }

    #[test]
    fn the_finalizer_and_the_owner_come_beside_those_of_others() {
        let (mut extract, tenant) = (extract(), tenant());
        let metadata = beginning(&extract, Some(&tenant)).unwrap();
        assert_eq!(metadata["finalizers"], json!(["example.com/theirs", FINALIZER]));
        let kinds: Vec<&str> = metadata["ownerReferences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|owner| owner["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["Decision", "Tenant"]);
        extract.status = Some(oscar_crds::ExtractStatus { tenant_uid: Some("t-0".to_owned()), ..Default::default() });
        let metadata = beginning(&extract, Some(&tenant)).unwrap();
        assert_eq!(metadata["ownerReferences"].as_array().unwrap().len(), 1, "an earlier tenant's is not adopted");
        extract.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        assert_eq!(beginning(&extract, Some(&tenant)), None);
    }
}
