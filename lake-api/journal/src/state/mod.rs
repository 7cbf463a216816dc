//! The tenant's state: the fold of all events.
//!
//! [`TenantState::apply`] is pure and total: it either applies every entry of a record or
//! says which entry the state does not allow. Nothing here reads a clock, a file or a
//! network; time comes from the record.

mod datasets;
mod ledger;
mod lifecycle;
mod release;
mod review;
mod transition;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use oscar_permit::{DatasetName, PermitId, ReleaseId};
use serde::{Deserialize, Serialize};

pub use datasets::DatasetState;
pub use ledger::LedgerRef;
pub use lifecycle::{ReleaseState, StateOwner};
pub use release::{Published, ReleaseRecord, Vetted, Vote, VotesView};
pub use review::{MAX_REASON, REQUIRED_VOTES, ReviewError};
pub use transition::{TransitionError, transition};
pub use usage::{PLATFORM_FAILURE, PRICE_OF_A_LIMIT, PermitUsage};

use crate::event::Event;
use crate::record::{Actor, Entry, Record};

/// An entry that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of record {sequence}: {source}")]
pub struct FoldError {
    /// The record.
    pub sequence: u64,
    /// The entry in it, from 0.
    pub index: usize,
    /// Why not.
    #[source]
    pub source: TransitionError,
}

/// When an entry happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) sequence: u64,
    pub(crate) time: DateTime<Utc>,
}

/// Everything that the journal says about a tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantState {
    datasets: BTreeMap<DatasetName, DatasetState>,
    releases: BTreeMap<ReleaseId, Arc<ReleaseRecord>>,
    ledger: Vec<Arc<LedgerRef>>,
    ledger_epoch: u64,
    usage: BTreeMap<PermitId, PermitUsage>,
}

impl TenantState {
    /// Applies all entries of a record.
    ///
    /// # Errors
    /// The first entry that is not allowed. Entries before it have been applied: fold into
    /// a clone, or give the state up.
    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        let at = Moment { sequence: record.sequence, time: record.time };
        for (index, Entry { actor, event }) in record.entries.iter().enumerate() {
            self.apply_entry(at, actor, event).map_err(|source| FoldError {
                sequence: record.sequence,
                index,
                source,
            })?;
        }
        Ok(())
    }

    /// Applies one entry; a refused entry leaves the state as it was.
    pub(crate) fn apply_entry(&mut self, at: Moment, actor: &Actor, event: &Event) -> Result<(), TransitionError> {
        match event {
            Event::DeliveryAccepted { .. } => self.accept_delivery(at, actor, event),
            Event::PermitApplied { permit, digest } => {
                self.usage_of(permit).digest = Some(*digest);
                Ok(())
            }
            Event::ReleaseSubmitted { .. }
            | Event::VettingFinished { .. }
            | Event::VettingFailed { .. }
            | Event::VettingRestarted { .. }
            | Event::VoteCast { .. }
            | Event::ReleasePublished { .. }
            | Event::ReleaseWithdrawn { .. }
            | Event::ReleaseStopped { .. }
            | Event::ReleaseRecalled { .. }
            | Event::ReviewRead { .. }
            | Event::ExportRead { .. } => self.apply_to_release(at, actor, event),
            // Kept in the audit trail alone: they decide nothing, and state must not grow with them.
            Event::DeliveryRefused { .. }
            | Event::PermitProblem { .. }
            | Event::QueryChecked { .. }
            | Event::AccessDenied { .. }
            | Event::ServiceStarted { .. }
            | Event::ServiceStopped { .. } => Ok(()),
        }
    }

    /// The datasets that have been delivered.
    #[must_use]
    pub const fn datasets(&self) -> &BTreeMap<DatasetName, DatasetState> {
        &self.datasets
    }

    /// One dataset.
    #[must_use]
    pub fn dataset(&self, name: &DatasetName) -> Option<&DatasetState> {
        self.datasets.get(name)
    }

    /// All releases by id.
    #[must_use]
    pub const fn releases(&self) -> &BTreeMap<ReleaseId, Arc<ReleaseRecord>> {
        &self.releases
    }

    /// One release.
    #[must_use]
    pub fn release(&self, id: &ReleaseId) -> Option<&Arc<ReleaseRecord>> {
        self.releases.get(id)
    }
}
