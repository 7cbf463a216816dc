//! What a snapshot of permits gives one person at one moment.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use oscar_permit::{DataPermit, Denial, Identity, PermitId, Role, Sha256Digest};

use super::permits::Permits;

/// A person's standing under all permits.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// The permits in force that name the person; empty means "no".
    pub grants: Vec<HeldGrant>,
    /// Why each other permit gives nothing. Private: for the log, never for an answer.
    pub denials: Vec<Denial>,
}

/// A person's role under one permit in force.
#[derive(Debug, Clone)]
pub struct HeldGrant {
    /// The permit.
    pub permit: Arc<DataPermit>,
    /// Its digest, for events and receipts.
    pub digest: Sha256Digest,
    /// The person's role under it.
    pub role: Role,
}

impl Decision {
    /// Whether nothing is granted.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.grants.is_empty()
    }

    /// The grant under one permit. `None` for a permit that does not exist, is not in
    /// force or does not name the person: the three must look alike.
    #[must_use]
    pub fn under(&self, permit: &PermitId) -> Option<&HeldGrant> {
        self.grants.iter().find(|grant| grant.permit.id == *permit)
    }
}

impl Permits {
    /// What these permits give `identity` at `now`.
    #[must_use]
    pub fn decide(&self, identity: &Identity, now: DateTime<Utc>) -> Decision {
        let mut decision = Decision::default();
        for held in self.iter() {
            match held.permit.access(identity, now) {
                Ok(grant) => decision.grants.push(HeldGrant {
                    permit: Arc::clone(&held.permit),
                    digest: held.digest,
                    role: grant.role,
                }),
                Err(denial) => decision.denials.push(denial),
            }
        }
        decision
    }
}
