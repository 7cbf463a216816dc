//! What all controllers share.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::Store;
use kube::{Client, Resource};
use oscar_blueprint::Installation;
use oscar_crds::{DataPermit, Extract, Tenant};
use oscar_permit::{Sha256Digest, TenantName};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::disturbance::Disturbances;
use super::failure::Failures;
use super::tenant::Announced;
use crate::jwks::JwksCache;
use crate::keys::{KeyStore, SpokeKeys};
use crate::metrics::Metrics;
use crate::objects::Applier;
use crate::settings::Settings;
use crate::storage::StorageProvider;
use crate::trigger::Trigger;
use crate::world::World;

/// Longest time for a look at a lake-api.
const LOOK: Duration = Duration::from_secs(2);

/// Everything a reconcile can reach.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The operator's own namespace, where permits, extracts and master keys are.
    pub namespace: String,
    /// What the operator is told.
    pub settings: Settings,
    /// The part of it that tenants' objects follow from, with the cluster's addresses of now.
    pub installation: RwLock<Arc<Installation>>,
    /// The mirrors.
    pub world: Arc<World>,
    /// All tenants.
    pub tenants: Store<DeserializeGuard<Tenant>>,
    /// All permits.
    pub permits: Store<DeserializeGuard<DataPermit>>,
    /// All extracts.
    pub extracts: Store<DeserializeGuard<Extract>>,
    /// Whether tenants, permits and extracts were listed once.
    pub listed: Vec<watch::Receiver<bool>>,
    /// Writes a tenant's objects.
    pub applier: Applier,
    /// Keeps buckets and identities.
    pub storage: Arc<dyn StorageProvider>,
    /// The master keys.
    pub keys: KeyStore,
    /// The installation's own keys.
    pub spoke: SpokeKeys,
    /// Issuers' keys.
    pub jwks: Arc<JwksCache>,
    /// Writes events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Asks for reconciles.
    pub trigger: Trigger,
    /// Failures in a row.
    pub failures: Failures,
    /// Firewalls that were open for a while.
    pub disturbances: Disturbances,
    /// Break-glass entries that people were told of.
    pub announced: Announced,
    /// The authority (PEM) that clients were told to trust.
    pub trusted: Mutex<Option<String>>,
    /// Looks at lake-apis.
    pub http: reqwest::Client,
}

impl Context {
    /// The client for looks at lake-apis: short, direct, no redirects.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .timeout(LOOK)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only([])
            .pool_max_idle_per_host(0)
            .build()
    }

    /// What tenants' objects follow from now.
    #[must_use]
    pub fn installation(&self) -> Arc<Installation> {
        Arc::clone(&self.installation.read())
    }

    /// Waits until tenants, permits and extracts were listed once: on a part of them a permit
    /// would look missing that is there.
    pub async fn mirrored(&self) {
        for listed in &self.listed {
            // It fails only when the watch is gone, and then the operator is ending.
            let _ = listed.clone().wait_for(|listed| *listed).await;
        }
    }

    /// Asks for a reconcile of every extract that `which` chooses.
    pub fn wake_extracts(&self, which: impl Fn(&Extract) -> bool) {
        for guard in self.extracts.state() {
            if let (Ok(extract), Some(name)) = (&guard.0, guard.meta().name.as_deref())
                && which(extract)
            {
                self.trigger.extract(name);
            }
        }
    }

    /// Asks for a reconcile of every permit that `which` chooses.
    pub fn wake_permits(&self, which: impl Fn(&DataPermit) -> bool) {
        for guard in self.permits.state() {
            if let (Ok(permit), Some(name)) = (&guard.0, guard.meta().name.as_deref())
                && which(permit)
            {
                self.trigger.permit(name);
            }
        }
    }

    /// The tenant of this name that is not being deleted.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<Tenant> {
        let found = self
            .tenants
            .find(|guard| guard.0.as_ref().is_ok_and(|tenant| tenant.metadata.name.as_deref() == Some(name)))?;
        let tenant = found.0.as_ref().ok()?;
        tenant.metadata.deletion_timestamp.is_none().then(|| tenant.clone())
    }

    /// Tells people; what cannot be told is logged, because nothing depends on it.
    pub async fn tell(&self, about: &ObjectReference, kind: EventType, reason: &str, note: &str) {
        let note: String = note.chars().take(1000).collect();
        // Events that differ in their notes alone would be counted as one, under the first note.
        let action = format!("Reconcile-{}", Sha256Digest::of(&note).to_string().chars().take(8).collect::<String>());
        let event = Event { type_: kind, reason: reason.to_owned(), note: Some(note), action, secondary: None };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(%error, reason, "an event could not be written");
        }
    }
}

/// The first eight hexadecimal digits of a UID: tells a tenant from its successor of the same name.
#[must_use]
pub fn tag_of(uid: &str) -> String {
    uid.chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

/// A tenant's name, from the name of its object.
#[must_use]
pub fn tenant_name(tenant: &Tenant) -> Option<TenantName> {
    TenantName::new(tenant.metadata.name.clone()?).ok()
}
