//! What a permit says about one person at one moment.

use chrono::{DateTime, Utc};

use crate::{DataPermit, DatasetName, Identity, PermitId, Role, TableGrant, TableName};

/// A person's standing under a permit that is in force.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'p> {
    /// The permit.
    pub permit: &'p DataPermit,
    /// The person's role under it.
    pub role: Role,
}

/// Why a permit gives a person nothing. Recorded inside; outside all variants look alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Before the first moment of validity.
    #[error("permit {0} is not valid yet")]
    NotYetValid(PermitId),
    /// At or after the end of validity.
    #[error("permit {0} has expired")]
    Expired(PermitId),
    /// Taken back.
    #[error("permit {0} has been revoked")]
    Revoked(PermitId),
    /// The person is not named.
    #[error("permit {0} does not name this person")]
    UnknownPerson(PermitId),
}

impl DataPermit {
    /// Whether the permit is in force at `now`.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn in_force(&self, now: DateTime<Utc>) -> Result<(), Denial> {
        if self.revoked_at.is_some_and(|revoked| revoked <= now) {
            Err(Denial::Revoked(self.id.clone()))
        } else if now < self.valid_from {
            Err(Denial::NotYetValid(self.id.clone()))
        } else if now >= self.valid_until {
            Err(Denial::Expired(self.id.clone()))
        } else {
            Ok(())
        }
    }

    /// What the permit gives `identity` at `now`. To be asked at every request and again
    /// before anything is published: expiry needs no event.
    ///
    /// # Errors
    /// The reason why it gives nothing.
    pub fn access(&self, identity: &Identity, now: DateTime<Utc>) -> Result<Grant<'_>, Denial> {
        self.in_force(now)?;
        self.persons
            .iter()
            .find(|person| person.issuer == identity.issuer && person.subject == identity.subject)
            .map(|person| Grant { permit: self, role: person.role })
            .ok_or_else(|| Denial::UnknownPerson(self.id.clone()))
    }

    /// The grant for one table, when the permit lists it.
    #[must_use]
    pub fn table(&self, dataset: &DatasetName, table: &TableName) -> Option<&TableGrant> {
        self.datasets
            .iter()
            .find(|grant| grant.dataset == *dataset)
            .and_then(|grant| grant.tables.iter().find(|entry| entry.table == *table))
    }
}

impl TableGrant {
    /// Whether a column may be used.
    #[must_use]
    pub fn allows(&self, column: &str) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.iter().any(|name| name.as_str() == column))
    }
}
