//! What is remembered of an object of ours.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ownership::{foreign_fields, own_fields};

/// Annotation: SHA-256 of what was applied.
pub const DIGEST_ANNOTATION: &str = "host.oscar-project.com/digest";

/// An object as far as reconciling needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its UID.
    pub uid: String,
    /// The digest that it carries.
    pub digest: Option<String>,
    /// Managers besides us that own something of it.
    pub hands: Vec<String>,
    /// Which fields are ours, as a hash: a field that somebody takes away leaves no other owner.
    pub own: u64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// The UID of the controller that owns it.
    pub owner: Option<String>,
    /// Whether it carries our label: what does not was made by somebody else.
    pub ours: bool,
}

impl Seen {
    /// What is to be remembered of an object with this metadata.
    #[must_use]
    pub fn of(metadata: &ObjectMeta, manager: &str) -> Self {
        let entries = metadata.managed_fields.as_deref().unwrap_or_default();
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        let label = |name: &str| metadata.labels.as_ref().and_then(|labels| labels.get(name));
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            digest: metadata.annotations.as_ref().and_then(|all| all.get(DIGEST_ANNOTATION)).cloned(),
            hands: foreign_fields(entries, manager).into_iter().map(|(who, _)| who).collect(),
            own: own_fields(entries, manager),
            deleting: metadata.deletion_timestamp.is_some(),
            owner: owners.iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone()),
            ours: label("app.kubernetes.io/managed-by").is_some_and(|by| by == oscar_blueprint::names::MANAGED_BY),
        }
    }

    /// Whether the object is exactly what was applied under this digest.
    #[must_use]
    pub fn is(&self, digest: &str) -> bool {
        self.digest.as_deref() == Some(digest) && self.hands.is_empty() && !self.deleting && self.ours
    }
}
