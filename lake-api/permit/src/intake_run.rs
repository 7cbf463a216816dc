//! The last words of an intake run, which the operator reads from its pod.

use serde::{Deserialize, Serialize};

use crate::Sha256Digest;

/// What became of one run. It holds counts and rules, never a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IntakeRun {
    /// Whether the dataset is in the lake as delivered.
    pub delivered: bool,
    /// Digest of the delivery, as the journal names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Sha256Digest>,
    /// Rows taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<u64>,
    /// The rule that refused the package: the data holder has to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Exit code of a run whose package was refused: trying again would not help.
pub const EXIT_REFUSED: u8 = 3;
