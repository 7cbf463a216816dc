//! What has been used up of quotas: of every permit's, and of every dataset's over all permits of the tenant.
//!
//! Two permits for one dataset are two ways of asking about the same persons, so what counts is the one of
//! the two that has been asked more.

use std::collections::{BTreeMap, BTreeSet};

use oscar_permit::{DatasetName, PermitId, ReleaseId, Sha256Digest};
use serde::{Deserialize, Serialize};

use super::{ReleaseRecord, ReleaseState, TenantState};
use crate::event::{Event, StopCause, Verdict};

/// What a submission costs that ends on a limit of time or memory, or on a failure, or is withdrawn before it has an
/// answer. Whether it comes to an end may depend on one person's rows (a join that multiplies them under a condition),
/// and nobody looks at it: so it can be done a few times and not a few hundred times.
pub const PRICE_OF_A_LIMIT: u64 = 10;

/// Code of the failure that is nobody's but the platform's.
pub const PLATFORM_FAILURE: &str = "platform-failure";

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

    /// Submissions so far under a permit, or on one of its datasets under whatever permit, whichever are more. One
    /// that ended on a limit, or that nobody waited for, counts [`PRICE_OF_A_LIMIT`] times.
    #[must_use]
    pub fn submissions_used<'d>(&self, permit: &PermitId, datasets: impl IntoIterator<Item = &'d DatasetName>) -> u64 {
        let failed = |release: &ReleaseRecord| release.failure().is_some_and(|code| code != PLATFORM_FAILURE);
        let price = |release: &ReleaseRecord| {
            let dear = failed(release) || given_up(release);
            u64::from(release.round()) + if dear { PRICE_OF_A_LIMIT - 1 } else { 0 }
        };
        // What the state says of failures is all of them: those of the platform are taken out where they are known.
        let of_the_platform = self
            .releases
            .values()
            .filter(|release| release.submission().permit == *permit && release.failure() == Some(PLATFORM_FAILURE));
        let PermitUsage { submitted, failed, .. } = self.usage(permit);
        let given_up = self.releases.values().filter(|asked| asked.submission().permit == *permit && given_up(asked));
        let dear = failed.saturating_sub(of_the_platform.count() as u64) + given_up.count() as u64;
        let under = submitted + dear * (PRICE_OF_A_LIMIT - 1);
        let on = |dataset: &DatasetName| {
            let asked = self.releases.values().filter(|release| asks_of(release, dataset));
            asked.map(|release| price(release)).sum()
        };
        distinct(datasets).into_iter().map(on).fold(under, u64::max)
    }

    /// Cells released or reserved under a permit, or on one of its datasets under whatever permit, whichever are
    /// more: what is on its way out counts already.
    #[must_use]
    pub fn cells_used<'d>(&self, permit: &PermitId, datasets: impl IntoIterator<Item = &'d DatasetName>) -> u64 {
        self.cells_with(permit, datasets, None)
    }

    /// The same with one more release, or with one of another size.
    pub(super) fn cells_with<'d>(
        &self,
        permit: &PermitId,
        datasets: impl IntoIterator<Item = &'d DatasetName>,
        more: Option<(&ReleaseId, u64)>,
    ) -> u64 {
        let of = |counts: &dyn Fn(&ReleaseRecord) -> bool| -> u64 {
            let release = |id| self.releases.get(id).is_some_and(|release| counts(release));
            // A release that was judged again has several entries, and leaves once.
            let mut cells: BTreeMap<&ReleaseId, u64> = more.into_iter().filter(|(id, _)| release(id)).collect();
            for entry in self.ledger.iter().filter(|entry| release(&entry.release)) {
                let most = cells.entry(&entry.release).or_default();
                *most = entry.cells.max(*most);
            }
            cells.values().sum()
        };
        let under = of(&|release| release.submission().permit == *permit);
        distinct(datasets).into_iter().map(|dataset| of(&|release| asks_of(release, dataset))).fold(under, u64::max)
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
            | Event::ReviewRead { .. }
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

/// Whether a release was taken back before there was an answer: that there was none yet has been seen. One that the
/// platform stopped says why in a word that no requester may use (see [`TenantState::withdraw`]).
fn given_up(release: &ReleaseRecord) -> bool {
    let stopped = release.closing_reason().is_some_and(StopCause::is_code);
    let open = release.vetted().is_none() && release.failure().is_none();
    release.state() == ReleaseState::Withdrawn && open && !stopped
}

fn asks_of(release: &ReleaseRecord, dataset: &DatasetName) -> bool {
    release.submission().datasets().any(|asked| asked == dataset)
}

/// A dataset has many tables.
fn distinct<'d>(datasets: impl IntoIterator<Item = &'d DatasetName>) -> BTreeSet<&'d DatasetName> {
    datasets.into_iter().collect()
}
