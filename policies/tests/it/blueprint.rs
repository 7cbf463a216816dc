//! What the operator builds for a tenant, and what Kubernetes makes of it, meets no objection.

use std::sync::Arc;

use oscar_blueprint::names::Zone;
use oscar_blueprint::{Installation, Object, Run, Scratch, TenantPlan, extract_job, probe_job};
use oscar_crds::Delivery;
use oscar_permit::{DatasetName, PermitId, Sha256Digest};
use serde_json::{Value, json};

use crate::evaluation::ask;
use crate::fixture;
use crate::policy::{policies, settings};
use crate::request::{Admission, Request};

const OPERATOR: &str = "system:serviceaccount:oscar-host:oscar-operator";

/// The tenant of the blueprint's own tests, on such scratch space.
fn plan(scratch: Scratch) -> TenantPlan {
    let mut installation = Installation { scratch, ..fixture::installation() };
    installation.lake_api.pull_secrets = vec!["registry".to_owned()];
    TenantPlan { installation: Arc::new(installation), ..fixture::plan() }
}

/// Everything of a tenant, an intake run and the probes that a change asks for.
fn objects(plan: &TenantPlan) -> Vec<Object> {
    let delivery = Delivery {
        folder: "contacts/2026-11".to_owned(),
        descriptor: "datapackage.json".to_owned(),
        digest: Some(format!("sha256:{}", "2".repeat(64))),
    };
    let run = Run {
        extract: "contacts-2026-11",
        delivery: &delivery,
        permit: &PermitId::new("FSEID-1").unwrap(),
        dataset: &DatasetName::new("contacts").unwrap(),
    };
    let mut objects = fixture::objects(plan);
    objects.push(Object::new(&extract_job(plan, run, "1")).unwrap());
    for zone in Zone::ALL {
        objects.push(Object::new(&probe_job(plan, zone, Sha256Digest::of("plan"), "7")).unwrap());
    }
    objects
}

fn request(operation: &str, user: &str, object: &Object) -> Request {
    let kind = object.kind;
    Request {
        operation: operation.to_owned(),
        user: user.to_owned(),
        resource: if kind.group.is_empty() {
            kind.plural.to_owned()
        } else {
            format!("{}.{}", kind.plural, kind.group)
        },
        version: kind.version.to_owned(),
        name: object.name.clone(),
        namespace: object.namespace.clone().unwrap_or_default(),
        ..Request::default()
    }
}

/// The namespace of an object, as it was built, with the label that Kubernetes adds.
fn namespace_of(objects: &[Object], object: &Object) -> Option<Value> {
    let name = object.namespace.as_deref()?;
    let mut namespace = objects.iter().find(|other| other.kind.kind == "Namespace" && other.name == name)?.json.clone();
    namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
    Some(namespace)
}

fn assert_allowed(what: &str, admission: &Admission) {
    let settings = settings();
    let mut asked = 0;
    for policy in policies() {
        let answer = ask(&policy, admission, Some(&settings));
        assert!(answer.allows(), "{what}: {}: {answer:?}", policy.name);
        asked += usize::from(answer != crate::evaluation::Answer::NotAsked);
    }
    assert!(asked > 0, "{what}: no policy looks at it");
}

fn plans() -> [TenantPlan; 2] {
    let disk = Scratch { gibibytes: 10, storage_class: Some("fast".to_owned()) };
    [plan(Scratch::default()), plan(disk)]
}

#[test]
fn the_operator_applies_repairs_and_deletes_all_that_it_builds() {
    for plan in plans() {
        let objects = objects(&plan);
        assert!(objects.len() > 30, "{}", objects.len());
        for object in &objects {
            let namespace = namespace_of(&objects, object);
            let with = |operation, before: Option<&Value>, after: Option<&Value>| Admission {
                request: request(operation, OPERATOR, object),
                namespace: namespace.clone(),
                object: after.cloned(),
                old_object: before.cloned(),
            };
            let json = &object.json;
            assert_allowed(&format!("create {object}"), &with("CREATE", None, Some(json)));
            assert_allowed(&format!("update {object}"), &with("UPDATE", Some(json), Some(json)));
            assert_allowed(&format!("delete {object}"), &with("DELETE", Some(json), None));
        }
    }
}

#[test]
fn controllers_make_the_pods_that_its_workloads_ask_for() {
    let mut pods = 0;
    for plan in plans() {
        let objects = objects(&plan);
        for object in &objects {
            let (template, controller) = match object.kind.kind {
                "Deployment" => ("/spec/template", "replicaset-controller"),
                "Job" => ("/spec/template", "job-controller"),
                "CronJob" => ("/spec/jobTemplate/spec/template", "job-controller"),
                _ => continue,
            };
            let mut pod = object.json.pointer(template).unwrap().clone();
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            pod["metadata"]["name"] = json!(format!("{}-x2x4z", object.name));
            pod["metadata"]["namespace"] = json!(object.namespace);
            let admission = Admission {
                request: Request {
                    resource: "pods".to_owned(),
                    name: String::new(),
                    ..request("CREATE", &format!("system:serviceaccount:kube-system:{controller}"), object)
                },
                namespace: namespace_of(&objects, object),
                object: Some(pod),
                old_object: None,
            };
            assert_allowed(&format!("pod of {object}"), &admission);
            pods += 1;
        }
    }
    assert_eq!(pods, 2 * 6, "a lake-api, two probes' CronJobs, an intake run and two probes' Jobs");
}
