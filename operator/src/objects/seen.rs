//! What is remembered of an object of ours.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use oscar_blueprint::names::{BREAK_GLASS, MANAGED_BY};

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
    /// Who may enter its pods, where it is a namespace that somebody has opened in an emergency.
    pub entry: Option<Entry>,
}

/// A break-glass entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Who has opened the door.
    pub by: String,
    /// Why.
    pub why: String,
    /// Until when.
    pub until: String,
}

impl Entry {
    /// What is there of the three annotations; `None` when nothing is.
    fn of(metadata: &ObjectMeta) -> Option<Self> {
        let annotations = metadata.annotations.as_ref()?;
        let [by, why, until] = BREAK_GLASS.map(|key| annotations.get(key).cloned());
        let is_there = by.is_some() || why.is_some() || until.is_some();
        is_there.then(|| Self {
            by: by.unwrap_or_default(),
            why: why.unwrap_or_default(),
            until: until.unwrap_or_default(),
        })
    }
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
            ours: label("app.kubernetes.io/managed-by").is_some_and(|by| by == MANAGED_BY),
            entry: Entry::of(metadata),
        }
    }

    /// Whether the object is exactly what was applied under this digest.
    #[must_use]
    pub fn is(&self, digest: &str) -> bool {
        self.digest.as_deref() == Some(digest) && self.hands.is_empty() && !self.deleting && self.ours
    }
}
