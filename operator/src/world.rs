//! All that the controllers look at, mirrored from the API server.
//!
//! ```text
//!  kind                 what is kept                         who asks for a reconcile
//!  our kinds            whole objects                        themselves, and their tenant
//!  objects we apply     digest, foreign managers (metadata)  any change: drift
//!  Services             the cluster's address
//!  Deployments          whether it serves, what fails
//!  Pods with a role     how it stands, its last words        probes and intake runs
//!  Jobs                 how it ended
//! ```
//!
//! Namespaces and network policies are watched without a selector: one that somebody else
//! has made carries no label of ours and must be seen all the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, Pod, ResourceQuota, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{Config, watcher};
use kube::{Client, Resource};
use oscar_blueprint::Kind;
use oscar_blueprint::names::{MANAGED_BY, ROLE_LABEL};

use crate::mirror::{Mirror, Place};
use crate::objects::Seen;
use crate::sight::{DeploymentSight, JobSight, PodSight};
use crate::trigger::Trigger;

/// The field manager of a tenant's objects.
pub const TENANT_MANAGER: &str = "oscar-operator/tenant";

/// The mirrors.
#[derive(Debug)]
pub struct World {
    /// Objects that we apply, by kind.
    pub objects: Arc<HashMap<Kind, Arc<Mirror<Seen>>>>,
    /// Addresses of Services.
    pub services: Arc<Mirror<IpAddr>>,
    /// Deployments.
    pub deployments: Arc<Mirror<DeploymentSight>>,
    /// Pods.
    pub pods: Arc<Mirror<PodSight>>,
    /// Jobs.
    pub jobs: Arc<Mirror<JobSight>>,
}

impl Default for World {
    fn default() -> Self {
        let kinds = [
            Kind::of::<Namespace>(),
            Kind::of::<NetworkPolicy>(),
            Kind::of::<ResourceQuota>(),
            Kind::of::<LimitRange>(),
            Kind::of::<ServiceAccount>(),
            Kind::of::<ConfigMap>(),
            Kind::of::<Service>(),
            Kind::of::<Deployment>(),
            Kind::of::<CronJob>(),
        ];
        Self {
            objects: Arc::new(kinds.into_iter().map(|kind| (kind, Arc::default())).collect()),
            services: Arc::default(),
            deployments: Arc::default(),
            pods: Arc::default(),
            jobs: Arc::default(),
        }
    }
}

impl World {
    /// What is not complete yet, in words.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let objects = self.objects.iter().map(|(kind, mirror)| (kind.plural, mirror.is_ready()));
        let others = [
            ("services' addresses", self.services.is_ready()),
            ("deployments' state", self.deployments.is_ready()),
            ("pods", self.pods.is_ready()),
            ("jobs", self.jobs.is_ready()),
        ];
        let missing = objects.chain(others).filter(|(_, ready)| !ready);
        missing.map(|(what, _)| format!("the first listing of {what}")).collect()
    }

    /// Waits until everything was listed once.
    pub async fn wait_until_ready(&self) {
        for mirror in self.objects.values() {
            mirror.wait_until_ready().await;
        }
        self.services.wait_until_ready().await;
        self.deployments.wait_until_ready().await;
        self.pods.wait_until_ready().await;
        self.jobs.wait_until_ready().await;
    }

    /// The watches that keep the mirrors fresh; each runs until it is dropped.
    #[must_use]
    pub fn watches(&self, client: &Client, trigger: &Trigger) -> Vec<BoxFuture<'static, ()>> {
        let ours = || Config::default().labels(&format!("app.kubernetes.io/managed-by={MANAGED_BY}"));
        let mut watches = vec![
            self.metadata::<Namespace>(client, Config::default(), trigger),
            self.metadata::<NetworkPolicy>(client, Config::default(), trigger),
            self.metadata::<ResourceQuota>(client, ours(), trigger),
            self.metadata::<LimitRange>(client, ours(), trigger),
            self.metadata::<ServiceAccount>(client, ours(), trigger),
            self.metadata::<ConfigMap>(client, ours(), trigger),
            self.metadata::<Service>(client, ours(), trigger),
            self.metadata::<Deployment>(client, ours(), trigger),
            self.metadata::<CronJob>(client, ours(), trigger),
        ];
        let roles = || Config::default().labels(ROLE_LABEL);
        watches.push(followed(&self.services, client, ours(), trigger, |service: &Service| {
            service.spec.as_ref()?.cluster_ip.as_ref()?.parse().ok()
        }));
        watches.push(followed(&self.deployments, client, ours(), trigger, |deployment| {
            Some(DeploymentSight::of(deployment))
        }));
        watches.push(followed(&self.pods, client, roles(), trigger, |pod: &Pod| Some(PodSight::of(pod))));
        watches.push(followed(&self.jobs, client, ours(), trigger, |job: &Job| Some(JobSight::of(job))));
        watches
    }

    fn metadata<K>(&self, client: &Client, config: Config, trigger: &Trigger) -> BoxFuture<'static, ()>
    where
        K: Resource<DynamicType = ()> + k8s_openapi::Resource + Clone + std::fmt::Debug + Send + Sync + 'static,
        K: serde::de::DeserializeOwned,
    {
        let mirror = self.objects.get(&Kind::of::<K>()).cloned().unwrap_or_default();
        let (trigger, api) = (trigger.clone(), Api::<PartialObjectMeta<K>>::all(client.clone()));
        Box::pin(async move {
            let stream = watcher(api, config).boxed();
            let keep = |object: &PartialObjectMeta<K>| {
                let metadata = &object.metadata;
                tenant_namespace(metadata)?;
                Some((place(metadata), Seen::of(metadata, TENANT_MANAGER)))
            };
            mirror.follow(stream, keep, |(namespace, name)| trigger.place(namespace, name)).await;
        })
    }
}

/// Follows whole objects of one kind, of which `keep` keeps a part.
fn followed<K, V>(
    mirror: &Arc<Mirror<V>>,
    client: &Client,
    config: Config,
    trigger: &Trigger,
    keep: impl Fn(&K) -> Option<V> + Send + Sync + 'static,
) -> BoxFuture<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    K: serde::de::DeserializeOwned,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    let (mirror, trigger, api) = (Arc::clone(mirror), trigger.clone(), Api::<K>::all(client.clone()));
    Box::pin(async move {
        let stream = watcher(api, config).boxed();
        let keep = |object: &K| {
            tenant_namespace(object.meta())?;
            Some((place(object.meta()), keep(object)?))
        };
        mirror.follow(stream, keep, |(namespace, name)| trigger.place(namespace, name)).await;
    })
}

fn place(metadata: &ObjectMeta) -> Place {
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// The namespace that an object lies in or is, when it is named like a tenant's.
fn tenant_namespace(metadata: &ObjectMeta) -> Option<&str> {
    let name = metadata.namespace.as_deref().or(metadata.name.as_deref())?;
    crate::trigger::tenant_of_namespace(name).map(|_| name)
}
