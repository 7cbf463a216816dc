//! The end of a tenant.
//!
//! The order matters: the namespaces go first, so that nothing runs and writes any more;
//! then, under `Erase`, the identities, every version of every object and the bucket; then
//! the keys; and when everything was looked for again and nothing found, a certificate says
//! so. Under `Retain` bucket and keys stay and only the identities go. Each step finds what
//! the ones before have left undone, so it is safe to run again at any point.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{SubsecRound, Utc};
use ed25519_dalek::SigningKey;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use oscar_blueprint::names::{MANAGED_BY, TENANT_LABEL, Zone};
use oscar_crds::condition::{Finding, READY, RECONCILING, merge};
use oscar_crds::{DeletionPolicy, Tenant, TenantStatus};
use oscar_permit::{Erasure, TenantName};

use super::dereference::{DereferenceError, tenant_storage};
use super::{FINALIZER, TenantError, set_finalizers, update_status};
use crate::controllers::context::{Context, tag_of};
use crate::objects::ApplyError;
use crate::storage::Erased;

/// The reason of a tenant that is being taken down.
const DELETING: &str = "Deleting";
/// How soon to look again whether the namespaces are gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Takes a tenant down as its policy says.
///
/// # Errors
/// See [`TenantError`].
pub(super) async fn take_down(context: &Context, tenant: &Tenant) -> Result<Action, TenantError> {
    if !tenant.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(Action::await_change());
    }
    say_that_it_ends(context, tenant).await?;
    let name = TenantName::new(tenant.name_any()).map_err(DereferenceError::from)?;
    let uid = tenant.uid().ok_or(DereferenceError::Anonymous("UID"))?;
    if !namespaces_are_gone(context, &name, &uid).await? {
        return Ok(Action::requeue(LOOK_AGAIN));
    }
    let (made, users) = context.keys.made(&name, &tag_of(&uid)).await?;
    let storage = tenant_storage(context, tenant, &name, &uid, made, users);
    match tenant.spec.deletion_policy {
        DeletionPolicy::Retain => context.storage.retire(&storage).await?,
        DeletionPolicy::Erase => {
            let erased = context.storage.erase(&storage).await?;
            context.keys.shred(&name, &tag_of(&uid)).await?;
            certify(context, tenant, &name, &uid, &erased).await?;
        }
    }
    for zone in Zone::ALL {
        context.applier.forget(&zone.namespace(&name));
        context.disturbances.forget(&zone.namespace(&name));
    }
    context.metrics.forget(name.as_str());
    let others = tenant.finalizers().iter().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER);
    set_finalizers(context, tenant, others).await?;
    Ok(Action::await_change())
}

/// Nobody is to take a tenant for ready that is being deleted.
async fn say_that_it_ends(context: &Context, tenant: &Tenant) -> Result<(), TenantError> {
    let before = tenant.status.clone().unwrap_or_default();
    if before.conditions.iter().any(|old| old.type_ == RECONCILING && old.reason == DELETING) {
        return Ok(());
    }
    let generation = tenant.metadata.generation.unwrap_or(0);
    let message = match tenant.spec.deletion_policy {
        DeletionPolicy::Retain => "The tenant is being taken down; its bucket and keys stay.",
        DeletionPolicy::Erase => "The tenant is being taken down and erased.",
    };
    let findings = [Finding::no(READY, DELETING, message), Finding::yes(RECONCILING, DELETING, message)];
    let mut conditions = merge(&before.conditions, &findings, generation, Timestamp::now());
    let said = |old: &&Condition| findings.iter().all(|finding| finding.kind != old.type_);
    conditions.extend(before.conditions.iter().filter(said).cloned());
    let status = TenantStatus { observed_generation: Some(generation), conditions, ..before };
    update_status::write(context, tenant, &status).await.map_err(|error| TenantError::Status(Box::new(error)))
}

/// Deletes the namespaces that belong to this very tenant; `true` when none is left.
async fn namespaces_are_gone(context: &Context, name: &TenantName, uid: &str) -> Result<bool, TenantError> {
    let api: Api<Namespace> = Api::all(context.client.clone());
    let mut gone = true;
    for zone in Zone::ALL {
        let namespace = zone.namespace(name);
        let failed = |source| ApplyError::Api { object: format!("Namespace {namespace}"), source: Box::new(source) };
        let Some(found) = api.get_metadata_opt(&namespace).await.map_err(failed)? else { continue };
        let owned = found.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid);
        if !owned {
            // Somebody else's: it was never ours to delete.
            continue;
        }
        gone = false;
        if found.metadata.deletion_timestamp.is_none() {
            let params = DeleteParams {
                preconditions: Some(Preconditions { uid: found.metadata.uid.clone(), resource_version: None }),
                ..DeleteParams::background()
            };
            match api.delete(&namespace, &params).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
                Err(source) => return Err(failed(source).into()),
            }
        }
    }
    Ok(gone)
}

/// Writes the signed certificate into the operator's namespace; one that is there stays.
async fn certify(
    context: &Context,
    tenant: &Tenant,
    name: &TenantName,
    uid: &str,
    erased: &Erased,
) -> Result<(), TenantError> {
    let failed = |what| move |error: Box<dyn std::error::Error + Send + Sync>| TenantError::Certificate(what, error);
    let mut seed = [0; 32];
    hex::decode_to_slice(&context.spoke.erasure, &mut seed).map_err(|error| failed("signed")(error.into()))?;
    let erasure = Erasure {
        format: Erasure::format(),
        tenant: name.clone(),
        uid: uid.to_owned(),
        cvr: tenant.spec.organisation.cvr.clone(),
        bucket: erased.bucket.clone(),
        objects_removed: erased.objects,
        namespaces: Zone::ALL.into_iter().map(|zone| zone.namespace(name)).collect::<BTreeSet<_>>(),
        keys_destroyed: true,
        erased_at: Utc::now().trunc_subsecs(0),
    };
    let key = SigningKey::from_bytes(&seed);
    let certificate = erasure.certify(&key).map_err(|error| failed("signed")(error.into()))?;
    let text = serde_json::to_string_pretty(&certificate).map_err(|error| failed("written")(error.into()))?;
    let object = format!("erasure-{name}-{}", tag_of(uid));
    let config_map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(object.clone()),
            labels: Some(BTreeMap::from([
                ("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned()),
                (TENANT_LABEL.to_owned(), name.to_string()),
            ])),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        data: Some(BTreeMap::from([
            ("certificate.json".to_owned(), text),
            ("public-key".to_owned(), hex::encode(key.verifying_key().as_bytes())),
        ])),
        ..ConfigMap::default()
    };
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &context.namespace);
    match api.create(&PostParams::default(), &config_map).await {
        Ok(_) => {
            let note = format!("{name} is erased; the signed certificate is in ConfigMap {object}");
            context.tell(&tenant.object_ref(&()), EventType::Normal, "Erased", &note).await;
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(failed("written")(error.into())),
    }
}
