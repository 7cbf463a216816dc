//! What is visible of each dataset.
//!
//! Delta commits become visible through an accepted delivery alone: it pins the version
//! of every table at once, so a delivery of many tables appears atomically, and a commit
//! without such an event is an invisible leftover.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use oscar_permit::{DatasetName, PermitId, Sha256Digest, TableName, TableRef};
use serde::{Deserialize, Serialize};

use super::{Moment, TenantState, TransitionError};
use crate::event::{DeliveredTable, Event};
use crate::record::Actor;

/// The visible state of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetState {
    /// The delivery that made it.
    pub delivery: Sha256Digest,
    /// The contract in force.
    pub contract: Sha256Digest,
    /// The permit it was delivered under.
    pub permit: PermitId,
    /// Its tables at their pinned versions.
    pub tables: BTreeMap<TableName, DeliveredTable>,
    /// How many persons it is about, where known.
    pub persons: Option<u64>,
    /// The journal record that made it visible.
    pub sequence: u64,
    /// When that was.
    pub time: DateTime<Utc>,
    /// Every delivery that was ever accepted, this one included.
    pub deliveries: BTreeSet<Sha256Digest>,
}

impl TenantState {
    /// Whether this very delivery has been accepted before, now visible or superseded.
    #[must_use]
    pub fn was_delivered(&self, dataset: &DatasetName, delivery: &Sha256Digest) -> bool {
        self.datasets.get(dataset).is_some_and(|state| state.deliveries.contains(delivery))
    }

    /// The pinned version of every visible table.
    #[must_use]
    pub fn visible_versions(&self) -> BTreeMap<TableRef, u64> {
        let mut versions = BTreeMap::new();
        for (dataset, state) in &self.datasets {
            for (table, delivered) in &state.tables {
                versions.insert(TableRef::new(dataset.clone(), table.clone()), delivered.version);
            }
        }
        versions
    }

    pub(super) fn accept_delivery(&mut self, at: Moment, actor: &Actor, event: &Event) -> Result<(), TransitionError> {
        let Event::DeliveryAccepted { dataset, delivery, contract, permit, tables, persons } = event else {
            return Err(TransitionError::Event);
        };
        if tables.is_empty() {
            return Err(TransitionError::EmptyDelivery);
        }
        match actor {
            Actor::Service { .. } => {}
            Actor::Person { .. } | Actor::Anonymous {} => return Err(TransitionError::Actor),
        }
        let before = self.datasets.get(dataset);
        // Versions only rise: a delivery that was overtaken by another must be decided again.
        let overtaken = before.is_some_and(|state| {
            tables.iter().any(|(name, new)| state.tables.get(name).is_some_and(|old| new.version < old.version))
        });
        if overtaken {
            return Err(TransitionError::Overtaken);
        }
        let mut deliveries = before.map(|state| state.deliveries.clone()).unwrap_or_default();
        deliveries.insert(*delivery);
        let state = DatasetState {
            delivery: *delivery,
            contract: *contract,
            permit: permit.clone(),
            tables: tables.clone(),
            persons: *persons,
            sequence: at.sequence,
            time: at.time,
            deliveries,
        };
        self.datasets.insert(dataset.clone(), state);
        Ok(())
    }
}
