//! From a blueprint's objects to what the API server holds.
//!
//! [`Objects<Prepared>`] are what should be; applying them gives [`Objects<Applied>`], and only
//! those carry what status may be computed from: the API server's own answers.
//!
//! **Zero writes when nothing changed.** Every object carries the digest of what was applied.
//! An object whose digest is right and of which nobody else owns anything is left alone.
//!
//! **Drift.** Whoever changes an object becomes the manager of what he changed (server-side
//! apply records it), so a foreign manager is drift, whatever he did. Applying again takes
//! back what we had said; what was added beside it is removed, or the object is made anew.

mod apply;
mod entry;
mod ownership;
mod seen;

use oscar_blueprint::{Kind, Object};

pub use apply::{Applier, ApplyError, Written};
pub use ownership::foreign_fields;
pub use seen::{DIGEST_ANNOTATION, Entry, Seen};

/// Objects that should be.
#[derive(Debug, Clone, Copy)]
pub struct Prepared;

/// Objects that are.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Requests that wrote something.
    pub writes: usize,
    /// Objects that were not as they should be.
    pub changes: Vec<Change>,
}

/// An object that was not as it should be, and is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, for what has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Who had laid hands on it; `None` when it was missing or out of date.
    pub hands: Option<String>,
}

impl Change {
    /// The change of `object`.
    #[must_use]
    pub fn of(object: &Object, hands: Option<String>) -> Self {
        Self { kind: object.kind, namespace: object.namespace.clone(), name: object.name.clone(), hands }
    }
}

/// A tenant's objects in one of the two states.
#[derive(Debug, Clone)]
pub struct Objects<S> {
    /// In the order of application.
    pub list: Vec<Object>,
    /// What is known about them.
    pub state: S,
}

impl Objects<Prepared> {
    /// Objects in the order in which they are to be applied.
    #[must_use]
    pub const fn prepared(list: Vec<Object>) -> Self {
        Self { list, state: Prepared }
    }

    /// Applies all, in order, and stops at the first that fails. What was applied before stays
    /// and is told of in any case, and at once to `changed`: a policy that was mended was open,
    /// whatever fails or hangs behind it.
    pub async fn apply(
        self,
        applier: &Applier,
        changed: impl Fn(&Change) + Send,
    ) -> (Objects<Applied>, Result<(), ApplyError>) {
        let mut state = Applied { writes: 0, changes: Vec::new() };
        let mut end = Ok(());
        for object in &self.list {
            let (requests, hands) = match applier.apply(object).await {
                Ok(Written::Nothing) => continue,
                Ok(Written::Applied { requests }) => (requests, None),
                Ok(Written::Repaired { requests, hands }) => (requests, Some(hands)),
                Err(error) => {
                    end = Err(error);
                    break;
                }
            };
            state.writes += requests;
            let change = Change::of(object, hands);
            changed(&change);
            state.changes.push(change);
        }
        (Objects { list: self.list, state }, end)
    }
}
