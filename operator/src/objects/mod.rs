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
mod ownership;
mod seen;

use oscar_blueprint::Object;

pub use apply::{Applier, ApplyError, Written};
pub use ownership::foreign_fields;
pub use seen::{DIGEST_ANNOTATION, Seen};

/// Objects that should be.
#[derive(Debug, Clone, Copy)]
pub struct Prepared;

/// Objects that are.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Requests that wrote something.
    pub writes: usize,
    /// Objects on which somebody else had laid hands, in words.
    pub repaired: Vec<String>,
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

    /// Applies all, in order, and stops at the first that fails.
    ///
    /// # Errors
    /// See [`ApplyError`]; what was applied before stays and is found by the next run.
    pub async fn apply(self, applier: &Applier) -> Result<Objects<Applied>, ApplyError> {
        let mut state = Applied { writes: 0, repaired: Vec::new() };
        for object in &self.list {
            match applier.apply(object).await? {
                Written::Nothing => {}
                Written::Applied { requests } => state.writes += requests,
                Written::Repaired { requests, hands } => {
                    state.writes += requests;
                    state.repaired.push(format!("{object} ({hands})"));
                }
            }
        }
        Ok(Objects { list: self.list, state })
    }
}
