//! One Kubernetes object, ready to be applied.

use std::fmt;

use k8s_openapi::{Metadata, Resource, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::Serialize;
use serde_json::Value;

/// Where an object lives in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// `""` for the core group.
    pub group: &'static str,
    /// For example `v1`.
    pub version: &'static str,
    /// For example `NetworkPolicy`.
    pub kind: &'static str,
    /// For example `networkpolicies`.
    pub plural: &'static str,
}

impl Kind {
    /// The kind of a typed object.
    #[must_use]
    pub const fn of<K: Resource>() -> Self {
        Self { group: K::GROUP, version: K::VERSION, kind: K::KIND, plural: K::URL_PATH_SEGMENT }
    }
}

/// One object: its place and its whole JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The kind.
    pub kind: Kind,
    /// The namespace; `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The object as the API takes it.
    pub json: Value,
}

/// Why a blueprint's object is none. It would be a mistake of ours: a test builds them all.
#[derive(Debug, thiserror::Error)]
#[error("{kind} cannot be written as JSON")]
pub struct ObjectError {
    kind: &'static str,
    #[source]
    source: serde_json::Error,
}

impl Object {
    /// Wraps a typed object.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn new<K>(object: &K) -> Result<Self, ObjectError>
    where
        K: Resource + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let json = serde_json::to_value(object).map_err(|source| ObjectError { kind: K::KIND, source })?;
        let metadata = object.metadata();
        Ok(Self {
            kind: Kind::of::<K>(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
            json,
        })
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.kind, self.name),
            None => write!(f, "{} {}", self.kind.kind, self.name),
        }
    }
}
