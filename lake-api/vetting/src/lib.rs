//! Vetting: what may leave.
//!
//! The query engine hands over [`Evidence`]: for every cell the set of persons behind it.
//! The vetting engine judges it against a disclosure profile and against the ledger of
//! everything released before, and answers with a [`Judgement`]: a [`Verdict`] and the
//! table that may be shown. The crate is pure: values in, values out.
//!
//! ```text
//!  Evidence ─▶ check ─▶ cell rules ─▶ grid ─▶ share hidden ─▶ margins ─▶ differencing ─▶ rounding ─▶ Judgement
//!              shape    R1 R2 R3 R4   zeros    R6, SPARSE     COMPLEMENT  R7, ledger
//!                       R5 R10        alike
//! ```
//!
//! The unit is the person, not the row. Whatever cannot be judged is refused or goes to
//! people; nothing passes because it was not understood.

mod cell_rules;
mod class_disclosure;
mod differencing;
mod dominance;
mod evidence;
mod evidence_check;
mod hidden_map;
mod judge;
mod key_value;
mod layout;
mod ledger;
mod person_set;
mod random_draw;
mod receipt;
mod rounding;
mod rule;
mod share_hidden;
mod shown;
mod table;
mod tally;
mod verdict;

pub use evidence::{AggregateEvidence, AggregateKind, AggregateSpec, CellEvidence, Evidence, KeyColumn};
pub use evidence_check::{EvidenceError, check_evidence};
pub use judge::judge;
pub use key_value::{KeyValue, OrderedF64};
pub use ledger::{Family, LedgerTable};
pub use random_draw::DrawSecret;
pub use receipt::{PinnedTable, Receipt, ReceiptError, ReleaseBasis, SignedReceipt};
pub use rounding::{round_count, round_significant};
pub use rule::{RuleFinding, RuleId, Scope, Severity};
pub use table::{Note, SUPPRESSION_MARK, VettedRow, VettedTable, VettedValue, cell_text};
pub use verdict::{HiddenCell, Judgement, ReleaseContext, ReviewReason, Verdict};

/// Above this many cells, which are its figures, a table is looked at by people.
pub const MANY_CELLS: usize = 500;
