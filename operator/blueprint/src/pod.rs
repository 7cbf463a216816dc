//! What all pods of a tenant have in common: nothing of the node, nothing of the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EphemeralVolumeSource, HostAlias,
    LocalObjectReference, PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate, PodDNSConfig, PodSecurityContext,
    PodSpec, PodTemplateSpec, SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::config_map::{AUTHORITIES, AUTHORITIES_FILE};
use crate::names::{Role, Zone, pod_labels};
use crate::secret::{STORAGE, pull_secret_name};
use crate::service_account::account;
use crate::service_config::{AUTHORITIES_DIR, SCRATCH_DIR, STORAGE_DIR};
use crate::tenant_plan::TenantPlan;

/// The user of every process: `nonroot` of common minimal images.
const NONROOT: i64 = 65_532;
/// Owner may read and the group that the kubelet gives the volume; nobody else.
const PRIVATE: i32 = 0o440;

/// A file from a Secret or a `ConfigMap` in the pod.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mount {
    Secret(&'static str, &'static str),
    ConfigMap(&'static str, &'static str),
}

/// A pod of one container.
#[derive(Debug)]
pub(crate) struct Pod<'p> {
    pub(crate) plan: &'p TenantPlan,
    pub(crate) zone: Zone,
    pub(crate) role: Role,
    /// Labels besides those of every pod of the role.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) container: Container,
    pub(crate) mounts: Vec<Mount>,
    /// Whether it gets the zone's scratch space.
    pub(crate) scratch: bool,
    pub(crate) restart: &'static str,
    pub(crate) grace_seconds: i64,
}

impl Pod<'_> {
    /// The template.
    pub(crate) fn template(self) -> PodTemplateSpec {
        let Self { plan, zone, role, mut labels, annotations, mut container, mounts, scratch, restart, grace_seconds } =
            self;
        let installation = &plan.installation;
        container.image = Some(installation.lake_api.image.clone());
        container.image_pull_policy = Some("IfNotPresent".to_owned());
        container.security_context = Some(container_security());
        container.termination_message_policy = Some("File".to_owned());
        // The identity is a file and no variable: it is replaced while the program runs.
        let authorities = installation.ca_bundle.as_ref().map(|_| Mount::ConfigMap(AUTHORITIES, AUTHORITIES_DIR));
        let mounts = mounts.into_iter().chain([Mount::Secret(STORAGE, STORAGE_DIR)]).chain(authorities);
        let (mut volumes, mut volume_mounts): (Vec<Volume>, Vec<VolumeMount>) =
            mounts.map(|mount| (mount.volume(), mount.mount())).unzip();
        if authorities.is_some() {
            // The client of the object store reads its roots from there, and so do its workers.
            let path = format!("{AUTHORITIES_DIR}/{AUTHORITIES_FILE}");
            let variable = EnvVar { name: "SSL_CERT_FILE".to_owned(), value: Some(path), value_from: None };
            container.env.get_or_insert_default().push(variable);
        }
        if scratch {
            volumes.push(scratch_volume(plan));
            volume_mounts.push(VolumeMount {
                name: "scratch".to_owned(),
                mount_path: SCRATCH_DIR.to_owned(),
                ..VolumeMount::default()
            });
            container.env.get_or_insert_default().push(EnvVar {
                name: "TMPDIR".to_owned(),
                value: Some(SCRATCH_DIR.to_owned()),
                value_from: None,
            });
        }
        container.volume_mounts = Some(volume_mounts);
        labels.extend(pod_labels(&plan.name, zone, role));
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(labels),
                annotations: (!annotations.is_empty()).then_some(annotations),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                service_account_name: Some(account(zone).to_owned()),
                automount_service_account_token: Some(false),
                // Environment variables would name every service of the namespace.
                enable_service_links: Some(false),
                host_network: Some(false),
                host_pid: Some(false),
                host_ipc: Some(false),
                // No resolver at all: a DNS tunnel has no entrance. Names come from hostAliases.
                dns_policy: Some("None".to_owned()),
                dns_config: Some(PodDNSConfig {
                    nameservers: Some(vec!["127.0.0.1".to_owned()]),
                    ..PodDNSConfig::default()
                }),
                host_aliases: host_aliases(plan),
                security_context: Some(pod_security()),
                image_pull_secrets: pull_secrets(&installation.lake_api.pull_secrets),
                restart_policy: Some(restart.to_owned()),
                termination_grace_period_seconds: Some(grace_seconds),
                containers: vec![container],
                volumes: Some(volumes),
                ..PodSpec::default()
            }),
        }
    }
}

impl Mount {
    fn volume(self) -> Volume {
        match self {
            Self::Secret(name, _) => Volume {
                name: name.to_owned(),
                secret: Some(SecretVolumeSource {
                    secret_name: Some(name.to_owned()),
                    default_mode: Some(PRIVATE),
                    optional: Some(false),
                    items: None,
                }),
                ..Volume::default()
            },
            Self::ConfigMap(name, _) => Volume {
                name: name.to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: name.to_owned(),
                    default_mode: Some(PRIVATE),
                    optional: Some(false),
                    items: None,
                }),
                ..Volume::default()
            },
        }
    }

    fn mount(self) -> VolumeMount {
        let (Self::Secret(name, path) | Self::ConfigMap(name, path)) = self;
        VolumeMount {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(NONROOT),
        run_as_group: Some(NONROOT),
        fs_group: Some(NONROOT),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// The store's name, when its endpoint has one.
fn host_aliases(plan: &TenantPlan) -> Option<Vec<HostAlias>> {
    let store = &plan.installation.object_store;
    let host = store.host();
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let alias =
        |address: &std::net::IpAddr| HostAlias { ip: address.to_string(), hostnames: Some(vec![host.to_owned()]) };
    Some(store.addresses.iter().map(alias).collect())
}

fn pull_secrets(names: &[String]) -> Option<Vec<LocalObjectReference>> {
    let references = || names.iter().map(|name| LocalObjectReference { name: pull_secret_name(name) }).collect();
    (!names.is_empty()).then(references)
}

/// Space that ends with the pod: on the node's disk, or a volume of a storage class.
fn scratch_volume(plan: &TenantPlan) -> Volume {
    let scratch = &plan.installation.scratch;
    let size = Quantity(format!("{}Gi", scratch.gibibytes));
    let name = "scratch".to_owned();
    match &scratch.storage_class {
        None => Volume {
            name,
            empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(size), medium: None }),
            ..Volume::default()
        },
        Some(class) => Volume {
            name,
            ephemeral: Some(EphemeralVolumeSource {
                volume_claim_template: Some(PersistentVolumeClaimTemplate {
                    metadata: None,
                    spec: PersistentVolumeClaimSpec {
                        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
                        storage_class_name: Some(class.clone()),
                        resources: Some(VolumeResourceRequirements {
                            requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                            limits: None,
                        }),
                        ..PersistentVolumeClaimSpec::default()
                    },
                }),
            }),
            ..Volume::default()
        },
    }
}
