//! A tenant with everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use oscar_blueprint::{
    AccessKey, GatewayAccess, Installation, Issuer, LakeApiImage, Neighbour, Object, ObjectStore, Peer, ProbeTargets,
    Running, Scratch, Secrets, TenantPlan, Unknown, tenant_objects,
};
use oscar_crds::ComputeSize;
use oscar_permit::{DataPermit, TenantName};
use serde_json::Value;

pub(crate) fn peer(namespace: &str, label: &str) -> Peer {
    Peer::Pods {
        namespace: namespace.to_owned(),
        labels: BTreeMap::from([("app.kubernetes.io/name".to_owned(), label.to_owned())]),
    }
}

pub(crate) fn installation() -> Installation {
    let address = |text: &str| vec![text.parse().unwrap()];
    Installation {
        lake_api: LakeApiImage {
            image: format!("registry.example/oscar/lake-api@sha256:{}", "1".repeat(64)),
            pull_secrets: Vec::new(),
        },
        gateway: peer("gateway", "haproxy"),
        monitoring: peer("monitoring", "prometheus"),
        operator: peer("oscar-host", "oscar-operator"),
        object_store: ObjectStore {
            endpoint: "https://s3.example.dk".to_owned(),
            region: "eu-north-1".to_owned(),
            addresses: vec!["192.0.2.10".parse().unwrap(), "2001:db8::10".parse().unwrap()],
            port: 443,
            pods: Peer::Nobody,
            person_index_bucket: "oscar-person-index".to_owned(),
        },
        ca_bundle: None,
        probe: ProbeTargets {
            outside_tcp: address("203.0.113.10:443"),
            outside_udp: address("203.0.113.10:53"),
            resolvers: address("10.96.0.10:53"),
            metadata: address("169.254.169.254:80"),
            api_server: address("10.96.0.1:443"),
            kubelets: address("198.51.100.1:10250"),
            interval_minutes: 1,
        },
        scratch: Scratch::default(),
        pod_security_version: "v1.34".to_owned(),
        profiles: BTreeMap::from([("sds.yaml".to_owned(), "name: sds\n".to_owned())]),
    }
}

pub(crate) fn permit() -> DataPermit {
    DataPermit::from_yaml(
        "{id: FSEID-1, tenant: acme, authority: A, legalBasis: B, purpose: ['DUO:0000007'], profile: sds, \
         persons: [{issuer: 'https://login.example.dk', subject: alice, role: analyst}], \
         datasets: [{dataset: contacts, tables: [{table: contact}]}], \
         validFrom: 2026-01-01T00:00:00Z, validUntil: 2027-01-01T00:00:00Z}",
    )
    .unwrap()
}

pub(crate) fn secrets() -> Secrets {
    let keys = |names: &[&str], digit: &str| {
        names.iter().map(|name| (format!("{name}.key"), digit.repeat(64))).collect::<BTreeMap<_, _>>()
    };
    let access =
        |id: &str, secret: &str| AccessKey { id: id.to_owned(), secret: secret.to_owned(), session_token: None };
    Secrets {
        workspace_keys: keys(&["journal", "ledger", "draw"], "a"),
        intake_keys: keys(&["journal", "pseudonyms", "person-index"], "b"),
        workspace_access: access("WORKSPACE", "workspace-secret"),
        intake_access: access("INTAKE", "intake-secret"),
        certificate: "CERTIFICATE".to_owned(),
        certificate_key: "CERTIFICATE KEY".to_owned(),
    }
}

pub(crate) fn plan() -> TenantPlan {
    TenantPlan {
        installation: Arc::new(installation()),
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
            authorized_parties: vec!["oscar-cli".to_owned()],
            jwks: Some("{\"keys\":[]}".to_owned()),
        }],
        permits: vec![permit()],
        secrets: Some(secrets()),
        pull_secrets: Vec::new(),
        unknown: Unknown::default(),
        neighbours: vec![Neighbour {
            name: TenantName::new("beta").unwrap(),
            lake_api: Some("10.96.7.7:8443".parse().unwrap()),
            bucket: Some("oscar-beta-99999999".to_owned()),
        }],
        own_lake_api: Some("10.96.8.8:8443".parse().unwrap()),
    }
}

/// The objects of a plan.
pub(crate) fn objects(plan: &TenantPlan) -> Vec<Object> {
    tenant_objects(plan).unwrap().objects
}

/// The objects of one kind.
pub(crate) fn of_kind(plan: &TenantPlan, kind: &str) -> Vec<Value> {
    objects(plan).into_iter().filter(|object| object.kind.kind == kind).map(|object| object.json).collect()
}

/// One object.
pub(crate) fn one(plan: &TenantPlan, kind: &str, namespace: &str, name: &str) -> Value {
    objects(plan)
        .into_iter()
        .find(|object| {
            object.kind.kind == kind && object.namespace.as_deref() == Some(namespace) && object.name == name
        })
        .unwrap_or_else(|| panic!("no {kind} {namespace}/{name}"))
        .json
}
