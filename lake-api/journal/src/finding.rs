//! What can be wrong with a journal, in words that say what to do.

use std::fmt;

use crate::record::Flaw;
use crate::state::FoldError;

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The record or checkpoint number; `None` for an object that has none.
    pub sequence: Option<u64>,
    /// What is wrong.
    pub kind: FindingKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// Records up to and including this number are not there although later ones are.
    Missing {
        /// The last missing number.
        through: u64,
    },
    /// The object is empty, torn, not a record this program knows, or not in canonical form.
    Form,
    /// The record says another number than its name.
    Number,
    /// The signature is not the journal key's.
    Signature,
    /// The record does not follow the bytes of the record before.
    Chain,
    /// The record's time is before the one of the record before.
    Time,
    /// The state does not allow an entry.
    Illegal(FoldError),
    /// An object that is neither record nor checkpoint.
    Foreign,
    /// A checkpoint that is not in form.
    CheckpointForm,
    /// A checkpoint that the journal key did not sign.
    CheckpointSignature,
    /// A checkpoint whose record has other bytes.
    CheckpointHead,
    /// A checkpoint whose state is not what the records add up to.
    CheckpointState,
    /// A checkpoint knows of records that are gone.
    Truncated,
}

impl Finding {
    pub(crate) const fn at(sequence: u64, kind: FindingKind) -> Self {
        Self { sequence: Some(sequence), kind }
    }

    pub(crate) const fn flaw(sequence: u64, flaw: Flaw) -> Self {
        let kind = match flaw {
            Flaw::Form => FindingKind::Form,
            Flaw::Number => FindingKind::Number,
            Flaw::Signature => FindingKind::Signature,
            Flaw::Chain => FindingKind::Chain,
            Flaw::Time => FindingKind::Time,
        };
        Self::at(sequence, kind)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let restore = "restore the object from a copy; until then nothing is appended";
        match self.sequence {
            Some(sequence) => write!(f, "journal {sequence}: ")?,
            None => f.write_str("journal: ")?,
        }
        match &self.kind {
            FindingKind::Missing { through } => {
                write!(f, "missing, up to and including {through}; {restore}")
            }
            FindingKind::Form => write!(
                f,
                "empty, torn or not a record that this version knows; if it is the last one and the machine lost \
                 power while writing it, nobody was told that it was recorded: move it out of the journal; else {restore}"
            ),
            FindingKind::Number => write!(f, "the record says another number than its name; {restore}"),
            FindingKind::Signature => {
                write!(f, "not signed with this journal's key; check that the right key is used, then {restore}")
            }
            FindingKind::Chain => {
                write!(f, "does not follow the bytes of the record before: one of the two was changed; {restore}")
            }
            FindingKind::Time => write!(f, "dated before the record before it; {restore}"),
            FindingKind::Illegal(error) => write!(f, "holds what the state does not allow ({error}); {restore}"),
            FindingKind::Foreign => {
                f.write_str("an object that is neither record nor checkpoint lies in journal/; move it out")
            }
            FindingKind::CheckpointForm => write!(f, "the checkpoint is not one that this version knows; {restore}"),
            FindingKind::CheckpointSignature => {
                f.write_str("the checkpoint is not signed with this journal's key; check the key, then restore it")
            }
            FindingKind::CheckpointHead => {
                write!(f, "the checkpoint knows the record with other bytes: it was changed since; {restore}")
            }
            FindingKind::CheckpointState => {
                f.write_str("the checkpoint's state is not what the records add up to; keep both for the auditor")
            }
            FindingKind::Truncated => {
                write!(f, "a checkpoint knows this record and it is gone: the end was cut off; {restore}")
            }
        }
    }
}
