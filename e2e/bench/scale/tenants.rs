//! Many suspended tenants: everything of a tenant but its pods.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use oscar_blueprint::names::{MANAGED_BY, TENANT_LABEL};
use oscar_crds::Tenant;
use oscar_crds::condition::{READY, STORAGE_READY};
use oscar_e2e::cluster::{HOME, tenant};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::Storage;

/// Requests at a time.
const AT_ONCE: usize = 8;

/// The kinds that the operator makes in tenants' namespaces.
const KINDS: [(&str, &str, &str); 11] = [
    ("", "v1", "Namespace"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("", "v1", "ResourceQuota"),
    ("", "v1", "LimitRange"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "Secret"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Service"),
    ("apps", "v1", "Deployment"),
    ("batch", "v1", "CronJob"),
    ("batch", "v1", "Job"),
];

/// The tenants of a run.
pub(crate) struct Tenants {
    client: Client,
    all: Vec<Tenant>,
}

impl Tenants {
    pub(crate) fn new(client: Client, count: usize, issuer: &str, storage: Storage) -> anyhow::Result<Self> {
        let all = (0..count).map(|number| {
            let mut made = tenant(&format!("scale-{number:04}"), issuer);
            made["spec"]["suspend"] = json!(true);
            // Buckets that exist must go; for others a certificate each would only be in the way.
            made["spec"]["deletionPolicy"] = json!(if storage == Storage::Real { "Erase" } else { "Retain" });
            serde_json::from_value(made)
        });
        Ok(Self { client, all: all.collect::<Result<_, _>>()? })
    }

    fn api(&self) -> Api<Tenant> {
        Api::all(self.client.clone())
    }

    pub(crate) async fn apply(&self) -> anyhow::Result<()> {
        let params = PatchParams::apply("scale");
        let applied = stream::iter(&self.all).map(|tenant| {
            let (api, params) = (self.api(), &params);
            async move { api.patch(&tenant.name_any(), params, &Patch::Apply(tenant)).await.map(drop) }
        });
        Ok(applied.buffer_unordered(AT_ONCE).try_collect().await?)
    }

    /// Whether the operator says of each that it has its storage and is suspended.
    pub(crate) async fn are_built(&self) -> anyhow::Result<bool> {
        let found = self.api().list(&ListParams::default()).await?;
        let built = found.iter().filter(|tenant| {
            let says = |kind: &str, reason: &str| {
                let conditions = tenant.status.iter().flat_map(|status| &status.conditions);
                conditions.into_iter().any(|condition| condition.type_ == kind && condition.reason == reason)
            };
            says(STORAGE_READY, "InOrder") && says(READY, "Suspended")
        });
        Ok(built.count() == self.all.len())
    }

    /// How many objects the operator keeps: those that it made, and the Tenants' statuses.
    pub(crate) async fn objects(&self) -> anyhow::Result<usize> {
        let ours = format!("app.kubernetes.io/managed-by={MANAGED_BY},{TENANT_LABEL}");
        let mut count = self.all.len();
        for (group, version, kind) in KINDS {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            let mut params = ListParams::default().labels(&ours).limit(500);
            loop {
                let page = api.list_metadata(&params).await?;
                count += page.items.len();
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => params = params.continue_token(&token),
                    None => break,
                }
            }
        }
        Ok(count)
    }

    /// Deletes them while the operator runs; when the last Tenant and the last namespace were gone.
    pub(crate) async fn remove(&self) -> anyhow::Result<(Instant, Instant)> {
        let deleted = stream::iter(&self.all).map(|tenant| {
            let api = self.api();
            async move { api.delete(&tenant.name_any(), &DeleteParams::background()).await.map(drop) }
        });
        deleted.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let few = ListParams::default().limit(1);
        while !self.api().list_metadata(&few).await?.items.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let gone = Instant::now();
        let of_tenants = few.labels(TENANT_LABEL);
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        while !namespaces.list_metadata(&of_tenants).await?.items.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let empty = Instant::now();
        // Keys of tenants that were retained, certificates of those that were erased.
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), HOME);
        let certificates: Api<ConfigMap> = Api::namespaced(self.client.clone(), HOME);
        clear(&secrets).await?;
        clear(&certificates).await?;
        Ok((gone, empty))
    }
}

/// Deletes what is named after tenants of a run.
async fn clear<K>(api: &Api<K>) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + Debug,
{
    let found = api.list_metadata(&ListParams::default().labels(TENANT_LABEL)).await?;
    let names = found.iter().filter_map(|object| object.metadata.name.clone()).filter(|name| name.contains("-scale-"));
    for name in names {
        api.delete(&name, &DeleteParams::default()).await?;
    }
    Ok(())
}
