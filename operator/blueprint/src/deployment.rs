//! The lake-api's Deployment and Service.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{Container, ContainerPort, HTTPGetAction, Probe, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use oscar_permit::Sha256Digest;

use crate::compute::Resources;
use crate::config_map::{CONFIG, JWKS, PERMITS, PROFILES};
use crate::names::{ADMIN_PORT, API_PORT, LAKE_API, ROLE_LABEL, Role, TENANT_LABEL, Zone, labels};
use crate::pod::{Mount, Pod};
use crate::secret::{KEYS, TLS};
use crate::service_config::{CONFIG_DIR, JWKS_DIR, KEYS_DIR, PERMITS_DIR, PROFILES_DIR, TLS_DIR};
use crate::tenant_plan::{Running, TenantPlan};

const ZONE: Zone = Zone::Workspace;

fn metadata(plan: &TenantPlan) -> ObjectMeta {
    ObjectMeta {
        name: Some(LAKE_API.to_owned()),
        namespace: Some(ZONE.namespace(&plan.name)),
        labels: Some(labels(&plan.name, ZONE)),
        ..ObjectMeta::default()
    }
}

fn selector(plan: &TenantPlan) -> BTreeMap<String, String> {
    BTreeMap::from([
        (TENANT_LABEL.to_owned(), plan.name.to_string()),
        (ROLE_LABEL.to_owned(), Role::LakeApi.as_str().to_owned()),
    ])
}

/// The lake-api; `at_start` is the digest of what it reads once, so a change rolls it out.
pub(crate) fn deployment(plan: &TenantPlan, at_start: Sha256Digest) -> Deployment {
    let replicas = match (plan.running, &plan.secrets) {
        (Running::Yes, Some(_)) => 1,
        (Running::Suspended, _) | (Running::Yes, None) => 0,
    };
    let pod = Pod {
        plan,
        zone: ZONE,
        role: Role::LakeApi,
        labels: BTreeMap::new(),
        annotations: BTreeMap::from([("host.oscar-project.com/config".to_owned(), at_start.to_string())]),
        container: container(plan),
        mounts: vec![
            Mount::ConfigMap(CONFIG, CONFIG_DIR),
            Mount::ConfigMap(PERMITS, PERMITS_DIR),
            Mount::ConfigMap(JWKS, JWKS_DIR),
            Mount::ConfigMap(PROFILES, PROFILES_DIR),
            Mount::Secret(KEYS, KEYS_DIR),
            Mount::Secret(TLS, TLS_DIR),
        ],
        scratch: true,
        restart: "Always",
        grace_seconds: 40,
    };
    Deployment {
        metadata: metadata(plan),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            revision_history_limit: Some(2),
            progress_deadline_seconds: Some(120),
            selector: LabelSelector { match_labels: Some(selector(plan)), ..LabelSelector::default() },
            // The new one is ready before the old one goes: the journal takes two writers.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: pod.template(),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn container(plan: &TenantPlan) -> Container {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    Container {
        name: LAKE_API.to_owned(),
        args: Some(vec!["serve".to_owned(), "--config".to_owned(), format!("{CONFIG_DIR}/serve.yaml")]),
        ports: Some(vec![port("https", API_PORT), port("admin", ADMIN_PORT)]),
        resources: Some(Resources::of(plan.compute, ZONE, &plan.installation.scratch).requirements()),
        startup_probe: Some(probe("/health", 1, 60)),
        readiness_probe: Some(probe("/ready", 2, 3)),
        liveness_probe: Some(probe("/health", 10, 6)),
        ..Container::default()
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(ADMIN_PORT)),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(2),
        failure_threshold: Some(failures),
        success_threshold: Some(1),
        ..Probe::default()
    }
}

/// The address that the gateway forwards to.
pub(crate) fn service(plan: &TenantPlan) -> Service {
    Service {
        metadata: metadata(plan),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector(plan)),
            ports: Some(vec![ServicePort {
                name: Some("https".to_owned()),
                port: i32::from(API_PORT),
                target_port: Some(IntOrString::Int(i32::from(API_PORT))),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
