//! Server-side apply of one object, and the repair of one on which somebody laid hands.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use oscar_blueprint::{Kind, Object};
use oscar_permit::{CanonicalError, Sha256Digest, canonical_json};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::ownership::{foreign_fields, removal_patch};
use super::seen::{DIGEST_ANNOTATION, Seen};
use crate::mirror::Mirror;

/// How long a kind that is not watched (Secrets: reading them is a right we do not have) is
/// taken to be as we left it.
const UNWATCHED: Duration = Duration::from_mins(10);

/// Why an object could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The API server refused it or did not answer.
    #[error("{object} could not be applied: {source}")]
    Api {
        /// Which object.
        object: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// A namespace that is not ours.
    #[error(
        "namespace {0} exists and does not belong to this tenant; it is never adopted: delete it or name the tenant otherwise"
    )]
    NamespaceConflict(String),
    /// Somebody is faster than we are.
    #[error("{object} is changed again and again by {hands}; find and stop whoever does that")]
    Contested {
        /// Which object.
        object: String,
        /// By whom.
        hands: String,
    },
    /// It has no digest.
    #[error("{0} has no canonical form")]
    Canonical(String, #[source] CanonicalError),
}

impl ApplyError {
    /// A `CamelCase` word for conditions, events and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.code == 403 => "ForbiddenByApiServer",
                kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429 => {
                    "RefusedByApiServer"
                }
                _ => "ApiServerUnavailable",
            },
            Self::NamespaceConflict(_) => "NamespaceConflict",
            Self::Contested { .. } => "Contested",
            Self::Canonical(..) => "Blueprint",
        }
    }

    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api { .. } | Self::Contested { .. } => true,
            Self::NamespaceConflict(_) | Self::Canonical(..) => false,
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was right.
    Nothing,
    /// It was applied.
    Applied {
        /// Requests that this took.
        requests: usize,
    },
    /// It was applied, and what somebody else had added or taken away is as it was.
    Repaired {
        /// Requests that this took.
        requests: usize,
        /// Who that was.
        hands: String,
    },
}

/// Kind, namespace and name of an object.
type Place = (String, String, String);

/// Applies objects under one field manager.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    pub(super) manager: &'static str,
    pub(super) mirrors: Arc<HashMap<Kind, Arc<Mirror<Seen>>>>,
    /// Kinds that are not watched: what was applied, and when.
    unwatched: Arc<Mutex<HashMap<Place, (String, Instant)>>>,
    /// Kinds that are watched: which fields were ours when this process last applied the object.
    applied: Arc<Mutex<HashMap<Place, u64>>>,
}

impl Applier {
    /// An applier that knows from `mirrors` what is there.
    #[must_use]
    pub fn new(client: Client, manager: &'static str, mirrors: Arc<HashMap<Kind, Arc<Mirror<Seen>>>>) -> Self {
        Self { client, manager, mirrors, unwatched: Arc::default(), applied: Arc::default() }
    }

    /// The API of an object's kind and namespace.
    #[must_use]
    pub fn api(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Makes the object what it should be.
    ///
    /// # Errors
    /// See [`ApplyError`].
    pub async fn apply(&self, object: &Object) -> Result<Written, ApplyError> {
        let digest = digest_of(object)?;
        let seen = self.seen(object);
        if self.is_right(object, seen.as_ref(), &digest) {
            return Ok(Written::Nothing);
        }
        if object.namespace.is_none() {
            self.refuse_foreign_namespace(object).await?;
        }
        let (answer, requests) = self.patch(object, &digest).await?;
        let foreign = foreign_fields(answer.metadata.managed_fields.as_deref().unwrap_or_default(), self.manager);
        if foreign.is_empty() {
            let after = Seen::of(&answer.metadata, self.manager);
            let hands = seen.as_ref().and_then(|seen| self.hands_before(object, seen));
            self.remember(object, &answer, digest);
            return Ok(match hands {
                // What a former process applied was said once more, and nothing had to change.
                None if seen.as_ref() == Some(&after) => Written::Nothing,
                None => Written::Applied { requests },
                Some(hands) => Written::Repaired { requests, hands },
            });
        }
        let hands = foreign.iter().map(|(who, _)| who.as_str()).collect::<Vec<_>>().join(", ");
        let more = self.repair(object, &digest, &foreign, &hands).await?;
        Ok(Written::Repaired { requests: requests + more, hands })
    }

    /// Removes an object that should not be.
    ///
    /// # Errors
    /// See [`ApplyError`]; one that is gone is fine.
    pub async fn remove(&self, kind: Kind, namespace: &str, name: &str) -> Result<(), ApplyError> {
        self.delete(kind, namespace, name, &DeleteParams::background()).await
    }

    /// The same, but what the object has made stays.
    ///
    /// # Errors
    /// See [`ApplyError`]; one that is gone is fine.
    pub async fn remove_leaving_dependents(&self, kind: Kind, namespace: &str, name: &str) -> Result<(), ApplyError> {
        self.delete(kind, namespace, name, &DeleteParams::orphan()).await
    }

    async fn delete(&self, kind: Kind, namespace: &str, name: &str, how: &DeleteParams) -> Result<(), ApplyError> {
        match self.api(kind, Some(namespace)).delete(name, how).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(source) => {
                return Err(ApplyError::Api {
                    object: format!("{} {namespace}/{name}", kind.kind),
                    source: Box::new(source),
                });
            }
        }
        if let Some(mirror) = self.mirrors.get(&kind) {
            mirror.remove(namespace, name);
        }
        Ok(())
    }

    /// Whether an object is there as this process, or one before it, has applied it. Of a kind
    /// that is not watched nobody can say so.
    #[must_use]
    pub fn stands(&self, object: &Object) -> bool {
        let (Some(seen), Ok(digest)) = (self.seen(object), digest_of(object)) else { return false };
        let applied = self.applied.lock().get(&place(object)).copied();
        seen.is(&digest) && applied.is_none_or(|own| own == seen.own)
    }

    /// What is remembered of an object.
    #[must_use]
    pub fn seen(&self, object: &Object) -> Option<Seen> {
        self.mirrors.get(&object.kind)?.get(object.namespace.as_deref().unwrap_or_default(), &object.name)
    }

    /// What is remembered of a namespace itself.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Seen> {
        self.mirrors.get(&Kind::of::<Namespace>())?.get("", name)
    }

    /// The objects of one kind in a namespace.
    #[must_use]
    pub fn in_namespace(&self, kind: Kind, namespace: &str) -> std::collections::BTreeMap<String, Seen> {
        self.mirrors.get(&kind).map(|mirror| mirror.in_namespace(namespace)).unwrap_or_default()
    }

    /// Forgets what was applied below a namespace that is gone.
    pub fn forget(&self, namespace: &str) {
        self.applied.lock().retain(|(_, known, _), _| known != namespace);
        self.unwatched.lock().retain(|(_, known, _), _| known != namespace);
    }

    /// A namespace that exists must carry the same owner that ours would. The API server is
    /// asked itself: a namespace that was made a moment ago is in no mirror yet.
    async fn refuse_foreign_namespace(&self, object: &Object) -> Result<(), ApplyError> {
        let wanted = object.json.pointer("/metadata/ownerReferences/0/uid").and_then(Value::as_str);
        let found =
            self.api(object.kind, None).get_metadata_opt(&object.name).await.map_err(|error| failed(object, error))?;
        let Some(found) = found else { return Ok(()) };
        let owner = Seen::of(&found.metadata, self.manager).owner;
        if wanted.is_some() && owner.as_deref() == wanted {
            Ok(())
        } else {
            Err(ApplyError::NamespaceConflict(object.name.clone()))
        }
    }

    /// Who had laid hands on an object whose fields are all ours again.
    fn hands_before(&self, object: &Object, seen: &Seen) -> Option<String> {
        let taken_away = self.applied.lock().get(&place(object)).is_some_and(|own| *own != seen.own);
        if !seen.hands.is_empty() {
            Some(seen.hands.join(", "))
        } else if taken_away && !seen.deleting {
            Some("somebody whom the API server does not record".to_owned())
        } else {
            None
        }
    }

    fn is_right(&self, object: &Object, seen: Option<&Seen>, digest: &str) -> bool {
        if self.mirrors.contains_key(&object.kind) {
            let applied = self.applied.lock().get(&place(object)).copied();
            return seen.is_some_and(|seen| seen.is(digest) && applied == Some(seen.own));
        }
        let unwatched = self.unwatched.lock();
        unwatched.get(&place(object)).is_some_and(|(known, at)| known == digest && at.elapsed() < UNWATCHED)
    }

    fn remember(&self, object: &Object, answer: &DynamicObject, digest: String) {
        match self.mirrors.get(&object.kind) {
            Some(mirror) => {
                let seen = Seen::of(&answer.metadata, self.manager);
                self.applied.lock().insert(place(object), seen.own);
                mirror.insert((object.namespace.clone().unwrap_or_default(), object.name.clone()), seen);
            }
            None => {
                self.unwatched.lock().insert(place(object), (digest, Instant::now()));
            }
        }
    }

    async fn patch(&self, object: &Object, digest: &str) -> Result<(DynamicObject, usize), ApplyError> {
        let params = PatchParams::apply(self.manager).force();
        let body = with_digest(&object.json, digest);
        let api = self.api(object.kind, object.namespace.as_deref());
        let answer =
            api.patch(&object.name, &params, &Patch::Apply(&body)).await.map_err(|error| failed(object, error))?;
        Ok((answer, 1))
    }

    /// Removes what somebody added beside what we say; makes the object anew where that
    /// reaches into a list.
    async fn repair(
        &self,
        object: &Object,
        digest: &str,
        foreign: &[(String, Value)],
        hands: &str,
    ) -> Result<usize, ApplyError> {
        let api = self.api(object.kind, object.namespace.as_deref());
        let patches: Option<Vec<Value>> = foreign.iter().map(|(_, fields)| removal_patch(fields)).collect();
        let mut requests = 0;
        if let Some(patches) = patches {
            for patch in patches {
                let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
                api.patch(&object.name, &params, &Patch::Merge(&patch)).await.map_err(|error| failed(object, error))?;
                requests += 1;
            }
        } else {
            api.delete(&object.name, &DeleteParams::foreground()).await.map_err(|error| failed(object, error))?;
            requests += 1;
        }
        // Removing took a field away that may have been ours in part: say all of it again.
        let (answer, more) = self.patch(object, digest).await?;
        let left = foreign_fields(answer.metadata.managed_fields.as_deref().unwrap_or_default(), self.manager);
        self.remember(object, &answer, digest.to_owned());
        if left.is_empty() && answer.metadata.deletion_timestamp.is_none() {
            Ok(requests + more)
        } else {
            Err(ApplyError::Contested { object: object.to_string(), hands: hands.to_owned() })
        }
    }
}

fn digest_of(object: &Object) -> Result<String, ApplyError> {
    let bytes = canonical_json(&object.json).map_err(|error| ApplyError::Canonical(object.to_string(), error))?;
    Ok(Sha256Digest::of(bytes).to_string())
}

fn place(object: &Object) -> Place {
    let namespace = object.namespace.clone().unwrap_or_default();
    (object.kind.kind.to_owned(), namespace, object.name.clone())
}

fn failed(object: &Object, source: kube::Error) -> ApplyError {
    ApplyError::Api { object: object.to_string(), source: Box::new(source) }
}

/// The object with its own digest among its annotations.
fn with_digest(object: &Value, digest: &str) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Value::Object(annotations) = annotations {
            annotations.insert(DIGEST_ANNOTATION.to_owned(), json!(digest));
        }
    }
    object
}
