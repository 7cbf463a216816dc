//! What the operator builds for a tenant, and what Kubernetes makes of it, meets no objection.

use std::collections::BTreeMap;
use std::sync::Arc;

use oscar_blueprint::names::Zone;
use oscar_blueprint::{
    AccessKey, GatewayAccess, Installation, Issuer, LakeApiImage, Object, ObjectStore, Peer, ProbeTargets, Run,
    Running, Scratch, Secrets, TenantPlan, extract_job, probe_job, tenant_objects,
};
use oscar_crds::{ComputeSize, Delivery};
use oscar_permit::{DataPermit, DatasetName, PermitId, Sha256Digest, TenantName};
use serde_json::{Value, json};

use crate::evaluation::ask;
use crate::policy::{policies, settings};
use crate::request::{Admission, Request};

const OPERATOR: &str = "system:serviceaccount:oscar-host:oscar-operator";

fn installation(scratch: Scratch) -> Installation {
    let address = |text: &str| vec![text.parse().unwrap()];
    let peer = |namespace: &str| Peer::Pods {
        namespace: namespace.to_owned(),
        labels: BTreeMap::from([("app.kubernetes.io/name".to_owned(), namespace.to_owned())]),
    };
    Installation {
        lake_api: LakeApiImage {
            image: format!("registry.example/oscar/lake-api@sha256:{}", "1".repeat(64)),
            pull_secrets: vec!["registry".to_owned()],
        },
        gateway: peer("gateway"),
        monitoring: peer("monitoring"),
        operator: peer("oscar-host"),
        object_store: ObjectStore {
            endpoint: "https://s3.example.dk".to_owned(),
            region: "eu-north-1".to_owned(),
            addresses: vec!["192.0.2.10".parse().unwrap()],
            port: 443,
            pods: Peer::Nobody,
            person_index_bucket: "oscar-person-index".to_owned(),
        },
        probe: ProbeTargets {
            outside_tcp: address("203.0.113.10:443"),
            outside_udp: address("203.0.113.10:53"),
            resolvers: address("10.96.0.10:53"),
            metadata: address("169.254.169.254:80"),
            api_server: address("10.96.0.1:443"),
            kubelets: address("198.51.100.1:10250"),
            interval_minutes: 1,
        },
        scratch,
        pod_security_version: "v1.34".to_owned(),
        profiles: BTreeMap::new(),
    }
}

fn plan(scratch: Scratch) -> TenantPlan {
    let keys = |name: &str| BTreeMap::from([(format!("{name}.key"), "a".repeat(64))]);
    let access = |id: &str| AccessKey { id: id.to_owned(), secret: "secret".to_owned(), session_token: None };
    let permit = DataPermit::from_yaml(
        "{id: FSEID-1, tenant: acme, authority: A, legalBasis: B, purpose: ['DUO:0000007'], profile: sds, \
         persons: [{issuer: 'https://login.example.dk', subject: alice, role: analyst}], \
         datasets: [{dataset: contacts, tables: [{table: contact}]}], \
         validFrom: 2026-01-01T00:00:00Z, validUntil: 2027-01-01T00:00:00Z}",
    );
    TenantPlan {
        installation: Arc::new(installation(scratch)),
        name: TenantName::new("acme").unwrap(),
        uid: "5b1f0c2e-0000-0000-0000-000000000001".to_owned(),
        compute: ComputeSize::Small,
        running: Running::Yes,
        gateway: GatewayAccess::Open,
        bucket: "oscar-acme-5b1f0c2e".to_owned(),
        quota_bytes: 100 << 30,
        issuers: vec![Issuer {
            issuer: "https://login.example.dk".to_owned(),
            audience: "oscar-host".to_owned(),
            authorized_parties: Vec::new(),
            jwks: Some("{\"keys\":[]}".to_owned()),
        }],
        permits: vec![permit.unwrap()],
        secrets: Some(Secrets {
            workspace_keys: keys("journal"),
            intake_keys: keys("pseudonyms"),
            workspace_access: access("WORKSPACE"),
            intake_access: access("INTAKE"),
            certificate: "CERTIFICATE".to_owned(),
            certificate_key: "CERTIFICATE KEY".to_owned(),
        }),
        neighbours: Vec::new(),
        own_lake_api: None,
    }
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
    let mut objects = tenant_objects(plan).unwrap().objects;
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
