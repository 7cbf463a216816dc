//! Secrets: what the workspace knows the intake does not, and the reverse.
//!
//! | secret | workspace | intake |
//! |---|---|---|
//! | `storage` | identity that reads the lake and writes work, ledger, release, journal | identity that reads landing and writes lake and journal |
//! | `keys` | journal, ledger, draw | journal, pseudonyms, person index |
//! | `tls` | the lake-api's certificate | – |
//! | `pull-…` | access to the registry of images, for the kubelet | the same |

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::{Zone, labels};
use crate::tenant_plan::{AccessKey, PullSecret, Secrets, TenantPlan};

/// The identity at the object store.
pub(crate) const STORAGE: &str = "storage";
/// The key files.
pub(crate) const KEYS: &str = "keys";
/// The certificate.
pub(crate) const TLS: &str = "tls";

/// What a Secret is called in a tenant's namespace that pulls images.
pub(crate) fn pull_secret_name(name: &str) -> String {
    format!("pull-{name}")
}

/// The secrets of a zone that pull images.
pub(crate) fn pull_secrets(plan: &TenantPlan, zone: Zone) -> impl Iterator<Item = Secret> + '_ {
    plan.pull_secrets.iter().map(move |PullSecret { name, config }| {
        let data = BTreeMap::from([(".dockerconfigjson".to_owned(), config.clone())]);
        secret(plan, zone, &pull_secret_name(name), "kubernetes.io/dockerconfigjson", data)
    })
}

/// The secrets of a zone; none while there are no secrets.
pub(crate) fn secrets(plan: &TenantPlan, zone: Zone) -> Vec<Secret> {
    let Some(secrets) = &plan.secrets else { return Vec::new() };
    let Secrets { workspace_keys, intake_keys, workspace_access, intake_access, certificate, certificate_key } =
        secrets;
    let of = |name, kind, data| secret(plan, zone, name, kind, data);
    match zone {
        Zone::Workspace => vec![
            of(STORAGE, "Opaque", access(workspace_access)),
            of(KEYS, "Opaque", workspace_keys.clone()),
            of(
                TLS,
                "kubernetes.io/tls",
                BTreeMap::from([
                    ("tls.crt".to_owned(), certificate.clone()),
                    ("tls.key".to_owned(), certificate_key.clone()),
                ]),
            ),
        ],
        Zone::Intake => {
            vec![of(STORAGE, "Opaque", access(intake_access)), of(KEYS, "Opaque", intake_keys.clone())]
        }
    }
}

fn access(key: &AccessKey) -> BTreeMap<String, String> {
    let AccessKey { id, secret, session_token } = key;
    let token = session_token.clone().map(|token| ("session-token".to_owned(), token));
    [("access-key-id".to_owned(), id.clone()), ("secret-access-key".to_owned(), secret.clone())]
        .into_iter()
        .chain(token)
        .collect()
}

fn secret(plan: &TenantPlan, zone: Zone, name: &str, kind: &str, data: BTreeMap<String, String>) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(zone.namespace(&plan.name)),
            labels: Some(labels(&plan.name, zone)),
            ..ObjectMeta::default()
        },
        type_: Some(kind.to_owned()),
        data: Some(data.into_iter().map(|(name, text)| (name, ByteString(text.into_bytes()))).collect()),
        ..Secret::default()
    }
}
