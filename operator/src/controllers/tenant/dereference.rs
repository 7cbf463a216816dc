//! Step one: everything that a tenant's objects depend on, fetched or looked up.
//!
//! A store or an issuer that is away is no end: what was known before still serves, and the
//! firewall is kept whatever else is missing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use oscar_blueprint::names::{API_PORT, LAKE_API, PROBE, Role, Zone};
use oscar_blueprint::{Kind, Neighbour, PullSecret};
use oscar_crds::{DataPermit, Tenant};
use oscar_permit::TenantName;

use super::isolation::{Measurement, Pending};
use super::lake_api::{LakeApiReport, Silence};
use crate::authority;
use crate::controllers::claim::Claim;
use crate::controllers::context::{Context, tag_of};
use crate::controllers::data_permit::claim_of;
use crate::jwks::Keys;
use crate::keys::{KeysError, TenantKeys};
use crate::pki::PkiError;
use crate::pull_secrets::{PullSecretError, pull_secrets};
use crate::ring::tried_by;
use crate::sight::{DeploymentSight, PodSight};
use crate::storage::{Access, Ensured, Made, StorageError, TenantStorage};

/// Why the step failed.
#[derive(Debug, thiserror::Error)]
pub enum DereferenceError {
    /// The object has no name or no UID, which the API server does not let happen.
    #[error("the tenant has no {0}")]
    Anonymous(&'static str),
    /// The name is none.
    #[error("the tenant's name is not a tenant's name: {0}")]
    Name(#[from] oscar_permit::IdError),
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The tenant's name.
    pub(crate) name: TenantName,
    /// Its UID.
    pub(crate) uid: String,
    /// The permits that name it and belong to it.
    pub(crate) permits: Vec<DataPermit>,
    /// Bucket and identities.
    pub(crate) storage: Result<Ensured, StorageError>,
    /// Its keys; with the identities of before when the store is away.
    pub(crate) keys: Result<TenantKeys, KeysError>,
    /// Why there is no new certificate; an old one may still serve.
    pub(crate) certificate_fault: Option<PkiError>,
    /// With what its images are pulled.
    pub(crate) pull_secrets: Result<Vec<PullSecret>, PullSecretError>,
    /// The issuers' keys, in the order of the spec.
    pub(crate) issuer_keys: Vec<Keys>,
    /// Other tenants.
    pub(crate) neighbours: Vec<Neighbour>,
    /// The address of its own lake-api.
    pub(crate) own_lake_api: Option<IpAddr>,
    /// Policies in its namespaces that are not ours.
    pub(crate) foreign_policies: Vec<(Zone, String)>,
    /// Measurements of its firewall.
    pub(crate) measurements: Vec<Measurement>,
    /// Probes that have not ended.
    pub(crate) pending_probes: Vec<Pending>,
    /// When its firewall was last found to be other than it should be.
    pub(crate) disturbed: BTreeMap<Zone, Timestamp>,
    /// Its Deployment.
    pub(crate) deployment: Option<DeploymentSight>,
    /// Its lake-api's pods.
    pub(crate) pods: BTreeMap<String, PodSight>,
    /// What the lake-api says of itself.
    pub(crate) lake_api: Result<LakeApiReport, Silence>,
}

/// Looks everything up.
///
/// # Errors
/// See [`DereferenceError`].
pub(crate) async fn dereference(context: &Context, tenant: &Tenant) -> Result<Found, DereferenceError> {
    let name = TenantName::new(tenant.metadata.name.clone().ok_or(DereferenceError::Anonymous("name"))?)?;
    let uid = tenant.metadata.uid.clone().ok_or(DereferenceError::Anonymous("UID"))?;
    let (keys, storage, certificate_fault) = secrets(context, tenant, &name, &uid).await;
    let (measurements, pending_probes) = probes(context, &name);
    let pods = lake_api_pods(context, &name);
    let secrets_at_home = Api::namespaced(context.client.clone(), &context.namespace);
    Ok(Found {
        permits: permits(context, name.as_str(), &uid),
        storage,
        keys,
        certificate_fault,
        pull_secrets: pull_secrets(&secrets_at_home, &context.installation().lake_api.pull_secrets).await,
        issuer_keys: tenant.spec.issuers.iter().map(|issuer| context.jwks.get(&issuer.issuer)).collect(),
        neighbours: neighbours(context, &name),
        own_lake_api: context.world.services.get(&Zone::Workspace.namespace(&name), LAKE_API),
        foreign_policies: foreign_policies(context, &name),
        measurements,
        pending_probes,
        disturbed: disturbed(context, &name),
        deployment: context.world.deployments.get(&Zone::Workspace.namespace(&name), LAKE_API),
        lake_api: LakeApiReport::fetch(&context.http, &pods).await,
        pods,
        name,
        uid,
    })
}

/// What the store is to hold for a tenant; `users`: whether its identities may be users', where nothing is recorded.
#[must_use]
pub(crate) fn tenant_storage(
    context: &Context,
    tenant: &Tenant,
    name: &TenantName,
    uid: &str,
    made: Option<Made>,
    users: bool,
) -> TenantStorage {
    // A Secret of before buckets were recorded there: the status names the bucket.
    let named = || tenant.status.as_ref()?.bucket.clone().map(|bucket| Made { bucket, users });
    TenantStorage {
        made: made.or_else(named),
        tenant: name.clone(),
        tag: tag_of(uid),
        landing_retention_days: tenant.spec.storage.landing_retention_days,
        person_index_bucket: context.installation().object_store.person_index_bucket.clone(),
    }
}

/// Keys, bucket, identities and certificate. Changes are kept before anything uses them.
async fn secrets(
    context: &Context,
    tenant: &Tenant,
    name: &TenantName,
    uid: &str,
) -> (Result<TenantKeys, KeysError>, Result<Ensured, StorageError>, Option<PkiError>) {
    let tag = tag_of(uid);
    let has_bucket = tenant.status.as_ref().is_some_and(|status| status.bucket.is_some());
    let mut keys = match context.keys.tenant(name, &tag, has_bucket).await {
        Ok(keys) => keys,
        Err(error) => {
            let without =
                StorageError::Call { what: "reading the tenant's identities", why: error.to_string(), transient: true };
            return (Err(error), Err(without), None);
        }
    };
    let before = keys.clone();
    let users = keys.access.as_ref().is_none_or(Access::is_of_users);
    let wanted = tenant_storage(context, tenant, name, uid, keys.made.clone(), users);
    let storage = context.storage.ensure(&wanted, keys.access.as_ref()).await;
    if let Ok(Ensured { bucket, users, access, guarantees: _ }) = &storage {
        keys.made = Some(Made { bucket: bucket.clone(), users: *users });
        keys.access = Some(access.clone());
    }
    let certificate_fault = certificate(context, name, &mut keys).await.err();
    if keys != before
        && let Err(error) = context.keys.keep(name, &tag, &keys).await
    {
        return (Err(error), storage, certificate_fault);
    }
    (Ok(keys), storage, certificate_fault)
}

/// Gives the keys a certificate that serves, when they have none.
async fn certificate(context: &Context, name: &TenantName, keys: &mut TenantKeys) -> Result<(), PkiError> {
    let now = Timestamp::now();
    let settings = &context.settings.certificates;
    let unavailable = |error: anyhow::Error| PkiError::Form("the Secret oscar-ca", format!("{error:#}"));
    let authority = authority::current(context).await.map_err(unavailable)?;
    let mut names = vec![format!("{LAKE_API}.{}.svc", Zone::Workspace.namespace(name))];
    names.extend(settings.domain.as_ref().map(|domain| format!("{name}.{domain}")));
    let serves = keys
        .certificate
        .as_ref()
        .is_some_and(|certificate| certificate.serves(&names, &authority, settings.renew_before_days, now));
    if !serves {
        keys.certificate = Some(authority.issue(&names, settings.days, now)?);
    }
    Ok(())
}

/// The permits that name the tenant and are its own: its controller has made them so. A
/// predecessor's never become so.
pub(crate) fn permits(context: &Context, name: &str, uid: &str) -> Vec<DataPermit> {
    let mut permits: Vec<DataPermit> = context
        .permits
        .state()
        .iter()
        .filter_map(|guard| guard.0.as_ref().ok())
        .filter(|permit| permit.spec.tenant == name && permit.metadata.deletion_timestamp.is_none())
        .filter(|permit| claim_of(permit, uid) == Claim::Own)
        .cloned()
        .collect();
    permits.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    permits
}

/// The tenants whose doors this one tries.
fn neighbours(context: &Context, name: &TenantName) -> Vec<Neighbour> {
    let tenants = context.tenants.state();
    let others: BTreeMap<&str, &Tenant> = tenants
        .iter()
        .filter_map(|guard| guard.0.as_ref().ok())
        .filter(|other| other.metadata.deletion_timestamp.is_none())
        .filter_map(|other| Some((other.metadata.name.as_deref()?, other)))
        .collect();
    let chosen = tried_by(name.as_str(), others.keys().copied()).into_iter();
    let mut chosen: Vec<Neighbour> = chosen
        .filter_map(|other_name| {
            let bucket = others.get(other_name)?.status.as_ref().and_then(|status| status.bucket.clone());
            let other_name = TenantName::new(other_name.to_owned()).ok()?;
            let address = context.world.services.get(&Zone::Workspace.namespace(&other_name), LAKE_API);
            let lake_api = address.map(|address| SocketAddr::new(address, API_PORT));
            Some(Neighbour { name: other_name, lake_api, bucket })
        })
        .collect();
    chosen.sort();
    chosen
}

fn foreign_policies(context: &Context, name: &TenantName) -> Vec<(Zone, String)> {
    let kind = Kind::of::<NetworkPolicy>();
    Zone::ALL
        .into_iter()
        .flat_map(|zone| {
            let policies = context.applier.in_namespace(kind, &zone.namespace(name));
            policies.into_iter().filter(|(_, seen)| !seen.ours && !seen.deleting).map(move |(name, _)| (zone, name))
        })
        .collect()
}

fn disturbed(context: &Context, name: &TenantName) -> BTreeMap<Zone, Timestamp> {
    let last = |zone: Zone| Some((zone, context.disturbances.last(&zone.namespace(name))?));
    Zone::ALL.into_iter().filter_map(last).collect()
}

fn probes(context: &Context, name: &TenantName) -> (Vec<Measurement>, Vec<Pending>) {
    let (mut measurements, mut pending) = (Vec::new(), Vec::new());
    for zone in Zone::ALL {
        let pods = context.world.pods.in_namespace(&zone.namespace(name));
        for (job, sight) in context.world.jobs.in_namespace(&zone.namespace(name)) {
            let has_pod = pods.values().any(|pod| pod.job.as_deref() == Some(job.as_str()));
            if let (true, true, false, Some(since)) = (job.starts_with(PROBE), sight.active, has_pod, sight.made) {
                let trouble = format!("no pod is made for it; `kubectl describe job {job}` says why");
                pending.push(Pending { zone, since, trouble: Some(trouble) });
            }
        }
        let role = match zone {
            Zone::Workspace => Role::WorkspaceProbe.as_str(),
            Zone::Intake => Role::Intake.as_str(),
        };
        for pod in pods.into_values() {
            if pod.role != role || pod.extract.is_some() || !is_probe(&pod) {
                continue;
            }
            match (&pod.ended, pod.made) {
                (Some(ended), begun) => {
                    let report = serde_json::from_str(&ended.words)
                        .map_err(|_| format!("the probe ended with code {} and no report", ended.code));
                    measurements.push(Measurement { zone, begun: begun.unwrap_or(ended.at), at: ended.at, report });
                }
                (None, Some(since)) if !pod.deleting => {
                    pending.push(Pending { zone, since, trouble: pod.trouble.clone() });
                }
                (None, _) => {}
            }
        }
    }
    (measurements, pending)
}

fn is_probe(pod: &PodSight) -> bool {
    pod.job.as_deref().is_some_and(|job| job.starts_with(PROBE))
}

fn lake_api_pods(context: &Context, name: &TenantName) -> BTreeMap<String, PodSight> {
    let pods = context.world.pods.in_namespace(&Zone::Workspace.namespace(name));
    pods.into_iter().filter(|(_, pod)| pod.role == Role::LakeApi.as_str() && !pod.deleting).collect()
}
