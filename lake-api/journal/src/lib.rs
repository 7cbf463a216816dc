//! The tenant's journal: state machine, audit trail and ledger index in one append-only,
//! hash-chained, signed log of events on an object store. It is the only database.
//!
//! ```text
//!  journal/00000000000000000001.json   {sequence, previous, time, nonce, entries, signature}
//!  journal/00000000000000000002.json    previous = SHA-256 of the bytes of record 1
//!  …
//!  journal/checkpoints/0000…0512.json  {sequence, head, time, stateDigest, state, signature}
//! ```
//!
//! **Appending.** A record is created with put-if-absent under the number after the
//! newest one. Of two writers that race for a number one loses, reads what won and
//! *decides again*: [`Journal::transact`] takes the decision as a function of the state,
//! so every decision was made on the state that its record follows. Approval, ledger
//! check and quota are thereby serialisable without a lock or a server.
//! [`Journal::record`] is for events that depend on nothing and come often: many go into
//! one record, and each call returns when its event is durable.
//!
//! **State.** [`TenantState`] is the fold of all events; [`TenantState::apply`] is pure.
//! An event that the state does not allow (a vote by the requester, a publication without
//! approval) cannot be appended, and a journal that holds one does not open.
//!
//! **Trust.** Every record is canonical JSON (RFC 8785) and signed with Ed25519 over
//! `"oscar-journal-record-v1\0"` and the canonical bytes without the signature
//! (checkpoints: `"oscar-journal-checkpoint-v1\0"`). Start-up reads the newest checkpoint,
//! verifies it, and folds what follows. [`verify`] reads everything and needs the public
//! key alone. What is cut off *together with* the checkpoints that knew it can be noticed
//! only with a checkpoint kept elsewhere: auditors should take one home.
//!
//! **Time** in the journal never runs backwards, whatever the clock does.

mod append;
mod checkpoint;
mod error;
mod event;
mod finding;
mod group_commit;
mod journal;
mod key;
mod layout;
mod read;
mod record;
mod state;
mod turn;
mod verify;

pub use checkpoint::Checkpoint;
pub use error::{JournalError, RecordError, TransactError};
pub use event::{
    CheckOutcome, Decision, DeliveredTable, Event, LedgerEntry, OutputFile, RestartCause, StopCause, Submission,
    Verdict, VettingResult,
};
pub use finding::{Finding, FindingKind};
pub use journal::{Journal, JournalOptions, Snapshot};
pub use key::{JournalKey, KeyError, VerifyingKey, verifying_key_from_hex, verifying_key_to_hex};
pub use record::{Actor, Entry, Head, Record, Recorded};
pub use state::{
    DatasetState, FoldError, LedgerRef, MAX_REASON, PLATFORM_FAILURE, PRICE_OF_A_LIMIT, PermitUsage, Published,
    REQUIRED_VOTES, ReleaseRecord, ReleaseState, ReviewError, StateOwner, TenantState, TransitionError, Vetted, Vote,
    VotesView, transition,
};
pub use verify::{VerifyError, VerifyOptions, VerifyReport, verify};
