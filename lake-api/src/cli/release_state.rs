//! States in the design's own words.

use crate::api::release::ReleaseState;

/// A state as the design writes it.
pub(crate) const fn state_name(state: ReleaseState) -> &'static str {
    match state {
        ReleaseState::Draft => "DRAFT",
        ReleaseState::Vetting => "VETTING",
        ReleaseState::Refused => "REFUSED",
        ReleaseState::InReview => "IN_REVIEW",
        ReleaseState::Returned => "RETURNED",
        ReleaseState::Conflict => "CONFLICT",
        ReleaseState::Approved => "APPROVED",
        ReleaseState::Released => "RELEASED",
        ReleaseState::Rejected => "REJECTED",
        ReleaseState::Withdrawn => "WITHDRAWN",
        ReleaseState::Recalled => "RECALLED",
    }
}
