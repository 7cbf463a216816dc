//! Errors of the journal.

use std::sync::Arc;

use crate::finding::Finding;
use crate::state::TransitionError;

/// Why the journal cannot be opened, read or extended.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store fails. What was being appended may or may not be recorded: look before doing it again.
    #[error("the journal's store does not answer as it should; what was just asked may not be recorded, try again")]
    Store(#[source] object_store::Error),
    /// The medium does not confirm that a record will survive a loss of power.
    #[error("the disk does not confirm that the record is safe; check the disk, then try again")]
    Sync(#[source] std::io::Error),
    /// The journal is not sound; nothing is appended to it.
    #[error("{0}")]
    Unsound(Finding),
    /// Too many others are writing.
    #[error("other writers were faster every time; try again")]
    Contention,
    /// A number or text has no exact canonical form.
    #[error("an event cannot be written exactly; nothing was recorded")]
    NotCanonical,
}

/// Why [`crate::Journal::transact`] recorded nothing (or, with `Journal`, cannot tell).
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The decision was no.
    #[error(transparent)]
    Decision(E),
    /// The decision holds an event that the state does not allow.
    #[error(transparent)]
    Illegal(TransitionError),
    /// The journal fails.
    #[error(transparent)]
    Journal(JournalError),
}

impl<E> From<JournalError> for TransactError<E> {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Why [`crate::Journal::record`] did not confirm an event.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The state does not allow the event.
    #[error(transparent)]
    Illegal(TransitionError),
    /// The journal fails; everybody in the same record gets the same error.
    #[error(transparent)]
    Journal(Arc<JournalError>),
    /// The journal was shut down; the event is not recorded.
    #[error("the journal has been shut down; the event is not recorded")]
    Stopped,
}
