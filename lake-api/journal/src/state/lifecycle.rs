//! The states of a release.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a release stands.
///
/// ```text
///  DRAFT ─▶ VETTING ─▶ REFUSED
///             │  ▲ ╲──▶ APPROVED (AUTO) ─▶ RELEASED ─▶ RECALLED
///             ▼  │        ▲
///          IN_REVIEW ─────┘  two stewards approve
///             ├──▶ REJECTED  two stewards reject
///             ├──▶ RETURNED  a steward asks for a change; also a failed vetting ─▶ VETTING
///             └──▶ CONFLICT  they disagree
///  every state before RELEASED that is not an end ─▶ WITHDRAWN
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReleaseState {
    /// Not submitted: the journal does not know it yet.
    Draft,
    /// Being computed and judged.
    Vetting,
    /// Judged not releasable.
    Refused,
    /// Two stewards have to vote.
    InReview,
    /// Back with the requester, who may change it and submit it again.
    Returned,
    /// The stewards disagree.
    Conflict,
    /// May be published.
    Approved,
    /// Published.
    Released,
    /// Both stewards said no.
    Rejected,
    /// Taken back by the requester, or ended by the platform, before publication.
    Withdrawn,
    /// Published once and called back.
    Recalled,
}

/// Whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateOwner {
    /// The requester's.
    Requester,
    /// The platform's.
    Platform,
    /// The stewards'.
    Stewards,
    /// Nobody's: the release is at an end.
    Nobody,
}

impl ReleaseState {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Draft,
        Self::Vetting,
        Self::Refused,
        Self::InReview,
        Self::Returned,
        Self::Conflict,
        Self::Approved,
        Self::Released,
        Self::Rejected,
        Self::Withdrawn,
        Self::Recalled,
    ];

    /// Whose move it is.
    #[must_use]
    pub const fn owner(self) -> StateOwner {
        match self {
            Self::Draft | Self::Returned => StateOwner::Requester,
            Self::Vetting | Self::Approved => StateOwner::Platform,
            Self::InReview | Self::Conflict => StateOwner::Stewards,
            Self::Refused | Self::Released | Self::Rejected | Self::Withdrawn | Self::Recalled => StateOwner::Nobody,
        }
    }

    /// Whether the ledger must reckon with the release's person sets. It does from the
    /// verdict on, not from publication: of two releases that race, the second is judged
    /// against the first. What was published stays for ever, recalled or not.
    #[must_use]
    pub const fn holds_ledger_entry(self) -> bool {
        match self {
            Self::InReview | Self::Conflict | Self::Approved | Self::Released | Self::Recalled => true,
            Self::Draft | Self::Vetting | Self::Refused | Self::Returned | Self::Rejected | Self::Withdrawn => false,
        }
    }

    /// Whether the requester or the platform may still end it.
    #[must_use]
    pub const fn can_be_ended(self) -> bool {
        match self {
            Self::Vetting | Self::InReview | Self::Returned | Self::Conflict | Self::Approved => true,
            Self::Draft | Self::Refused | Self::Released | Self::Rejected | Self::Withdrawn | Self::Recalled => false,
        }
    }
}

impl fmt::Display for ReleaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "DRAFT",
            Self::Vetting => "VETTING",
            Self::Refused => "REFUSED",
            Self::InReview => "IN_REVIEW",
            Self::Returned => "RETURNED",
            Self::Conflict => "CONFLICT",
            Self::Approved => "APPROVED",
            Self::Released => "RELEASED",
            Self::Rejected => "REJECTED",
            Self::Withdrawn => "WITHDRAWN",
            Self::Recalled => "RECALLED",
        })
    }
}
