//! What has been used up of each permit's quotas.

use oscar_permit::{PermitId, Sha256Digest};
use serde::{Deserialize, Serialize};

use super::{ReleaseRecord, TenantState};
use crate::event::{Event, Verdict};

/// The use made of one permit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermitUsage {
    /// Digest of the permit as it was last seen.
    pub digest: Option<Sha256Digest>,
    /// Submissions, whatever became of them: a refused try also tells something.
    pub submitted: u64,
    /// Refused ones among them.
    pub refused: u64,
    /// Ones whose vetting failed.
    pub failed: u64,
    /// Published ones.
    pub published: u64,
}

impl TenantState {
    /// The use made of a permit so far.
    #[must_use]
    pub fn usage(&self, permit: &PermitId) -> PermitUsage {
        self.usage.get(permit).cloned().unwrap_or_default()
    }

    /// Cells released or reserved under a permit: what is on its way out counts already.
    #[must_use]
    pub fn cells_used(&self, permit: &PermitId) -> u64 {
        self.ledger
            .iter()
            .filter(|entry| {
                self.releases.get(&entry.release).is_some_and(|release| release.submission().permit == *permit)
            })
            .map(|entry| entry.cells)
            .sum()
    }

    pub(super) fn usage_of(&mut self, permit: &PermitId) -> &mut PermitUsage {
        self.usage.entry(permit.clone()).or_default()
    }

    pub(super) fn count(&mut self, release: &ReleaseRecord, event: &Event) {
        let usage = self.usage_of(&release.submission().permit);
        match event {
            Event::ReleaseSubmitted { .. } => usage.submitted += 1,
            Event::VettingFinished { result, .. } => match result.verdict {
                Verdict::Refused => usage.refused += 1,
                Verdict::Auto | Verdict::Review => {}
            },
            Event::VettingFailed { .. } => usage.failed += 1,
            Event::ReleasePublished { .. } => usage.published += 1,
            Event::VettingRestarted { .. }
            | Event::VoteCast { .. }
            | Event::ReleaseWithdrawn { .. }
            | Event::ReleaseStopped { .. }
            | Event::ReleaseRecalled { .. }
            | Event::ExportRead { .. }
            | Event::DeliveryAccepted { .. }
            | Event::DeliveryRefused { .. }
            | Event::PermitApplied { .. }
            | Event::PermitProblem { .. }
            | Event::QueryChecked { .. }
            | Event::AccessDenied { .. }
            | Event::ServiceStarted { .. }
            | Event::ServiceStopped { .. } => {}
        }
    }
}
