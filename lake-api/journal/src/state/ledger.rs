//! The ledger's index: which releases' person sets a new release must be judged against.
//!
//! An entry is made when the verdict AUTO or REVIEW is journalled: a reservation. It goes
//! when the release ends unpublished, and stays for ever once published. It stays too when
//! a steward has looked at the content, whatever ends the release then, for nobody but
//! requester and steward would know what the steward has seen. Only that two stewards vote
//! it down is a decision, and it goes. The *epoch*
//! counts the entries ever made. It never falls, so an answer judged against epoch 7 is
//! current exactly while the epoch is 7; that reservations went since only means it was
//! judged more strictly than needed.

use std::sync::Arc;

use oscar_permit::ReleaseId;
use serde::{Deserialize, Serialize};

use super::{Moment, ReleaseRecord, TenantState};
use crate::event::{Event, LedgerEntry};

/// One release in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRef {
    /// The release.
    pub release: ReleaseId,
    /// Where its person sets are and what they came from.
    pub entry: LedgerEntry,
    /// How many cells it has.
    pub cells: u64,
    /// The epoch that began with it.
    pub epoch: u64,
    /// The journal record that made it.
    pub sequence: u64,
    /// Whether a steward has looked at what it is of.
    #[serde(default)]
    pub seen: bool,
}

impl TenantState {
    /// All entries that count, oldest first. A new release is judged against every one of
    /// them, whatever dataset it is from: datasets are about the same persons.
    #[must_use]
    pub fn ledger(&self) -> &[Arc<LedgerRef>] {
        &self.ledger
    }

    /// Whether a steward has looked at the newest content of a release.
    #[must_use]
    pub fn is_seen(&self, release: &ReleaseId) -> bool {
        self.ledger.iter().rev().find(|entry| entry.release == *release).is_some_and(|entry| entry.seen)
    }

    /// The number of entries ever made; a new answer must have been judged at the present one.
    #[must_use]
    pub const fn ledger_epoch(&self) -> u64 {
        self.ledger_epoch
    }

    pub(super) fn keep_ledger(&mut self, release: &ReleaseRecord, event: &Event, at: Moment) {
        let newest = self.ledger.iter().rposition(|entry| entry.release == *release.id());
        if let (Event::ReviewRead { .. }, Some(entry)) = (event, newest.and_then(|place| self.ledger.get_mut(place))) {
            Arc::make_mut(entry).seen = true;
        }
        if !release.state().holds_ledger_entry() {
            // Votes are about the newest content; what was seen of an earlier one stays.
            let turned_down = newest.filter(|_| matches!(event, Event::VoteCast { .. }));
            let mut place = 0..;
            self.ledger.retain(|entry| {
                let place = place.next();
                entry.release != *release.id() || entry.seen && place != turned_down
            });
        }
        if let Event::VettingFinished { result, .. } = event
            && let Some(entry) = &result.ledger
        {
            self.ledger_epoch += 1;
            self.ledger.push(Arc::new(LedgerRef {
                release: release.id().clone(),
                entry: entry.clone(),
                cells: result.cells,
                epoch: self.ledger_epoch,
                sequence: at.sequence,
                seen: false,
            }));
        }
    }
}
