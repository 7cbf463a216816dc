//! With what images are pulled: Secrets of the operator's namespace, copied to tenants.
//!
//! A kubelet reads such a Secret in the pod's own namespace alone, and nobody but the operator
//! may put one there.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use oscar_blueprint::PullSecret;

/// The type of Secret that kubelets read.
const TYPE: &str = "kubernetes.io/dockerconfigjson";
/// Its one field.
const FIELD: &str = ".dockerconfigjson";

/// Why a Secret cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum PullSecretError {
    /// It is not there, or another Secret is.
    #[error(
        "lakeApi.pullSecrets names the Secret {0}, and the operator's namespace has none of that name and of type \
         {TYPE}; make it there, or take the name off the list"
    )]
    Missing(String),
    /// The API server.
    #[error("the Secret {name}, which lakeApi.pullSecrets names, cannot be read: {source}")]
    Api {
        /// Which Secret.
        name: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
}

impl PullSecretError {
    /// A `CamelCase` word for conditions and events.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "PullSecretMissing",
            Self::Api { .. } => "PullSecretUnreadable",
        }
    }

    /// Whether it may pass by itself.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Api { .. })
    }
}

/// Reads these Secrets, with `secrets` bound to the operator's namespace.
///
/// # Errors
/// See [`PullSecretError`]; the first that cannot be copied.
pub async fn pull_secrets(secrets: &Api<Secret>, names: &[String]) -> Result<Vec<PullSecret>, PullSecretError> {
    let mut read = Vec::with_capacity(names.len());
    for name in names {
        let found = secrets.get_opt(name).await;
        let found = found.map_err(|source| PullSecretError::Api { name: name.clone(), source: Box::new(source) })?;
        let secret = found.and_then(|secret| pull_secret(name, secret));
        read.push(secret.ok_or_else(|| PullSecretError::Missing(name.clone()))?);
    }
    Ok(read)
}

/// What is copied of a Secret: the tenants' keys, which lie beside it, never are.
fn pull_secret(name: &str, secret: Secret) -> Option<PullSecret> {
    let ByteString(config) = secret.data.filter(|_| secret.type_.as_deref() == Some(TYPE))?.remove(FIELD)?;
    Some(PullSecret { name: name.to_owned(), config: String::from_utf8(config).ok()? })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_what_a_kubelet_reads_is_copied() {
        let secret = |kind: &str, field: &str| Secret {
            type_: Some(kind.to_owned()),
            data: Some(BTreeMap::from([(field.to_owned(), ByteString(b"{}".to_vec()))])),
            ..Secret::default()
        };
        let copied = pull_secret("registry", secret(TYPE, FIELD)).unwrap();
        assert_eq!((copied.name.as_str(), copied.config.as_str()), ("registry", "{}"));
        assert!(pull_secret("oscar-spoke", secret("Opaque", FIELD)).is_none());
        assert!(pull_secret("registry", secret(TYPE, "ledger.key")).is_none());
    }
}
