//! From the service's errors to what a caller is told.

use oscar_journal::{ReviewError, TransitionError};
use oscar_permit::PersonNumber;

use crate::release::ServiceError;
use crate::scope::ScopeError;
use crate::server::rejection::Rejection;

/// The public side of a service error; the private side goes to the log.
pub(crate) fn of_service(error: &ServiceError) -> Rejection {
    match error {
        ServiceError::Review(error) => of_review(*error),
        ServiceError::KeyReused => {
            Rejection::conflict("idempotency-key-reused", "The idempotency key was used for another request.")
                .remedy("Use a new key for a new request.")
        }
        ServiceError::NotHere => Rejection::conflict("state", "The release is not in a state that allows this."),
        ServiceError::Journal(_) | ServiceError::Vault(_) => {
            tracing::error!(%error, "storage failed");
            Rejection::unavailable("storage-unavailable", "The platform's storage does not answer.")
        }
        ServiceError::PermitInDoubt => {
            Rejection::unavailable("permit-in-doubt", "Whether the permit is in force cannot be told now.")
        }
        ServiceError::Scope(error) => of_scope(error),
        ServiceError::Arithmetic | ServiceError::Internal(_) => {
            tracing::error!(%error, "a request failed");
            Rejection::internal()
        }
    }
}

pub(crate) fn of_scope(error: &ScopeError) -> Rejection {
    tracing::error!(%error, "a permit cannot be used");
    match error {
        ScopeError::Contract(_) => {
            Rejection::unavailable("storage-unavailable", "The platform's storage does not answer.")
        }
        ScopeError::Catalog(_) | ScopeError::Profile(_) => Rejection::conflict(
            "permit-unusable",
            "The permit does not fit the data in force; nothing can be asked under it.",
        )
        .remedy("Tell the operator: the log names the field to correct."),
        ScopeError::Unpinned => {
            Rejection::conflict("data-not-delivered", "A table of the statement has not been delivered yet.")
        }
    }
}

fn of_review(error: ReviewError) -> Rejection {
    match error {
        ReviewError::ReleasesUsedUp => Rejection::conflict(
            "quota-releases",
            "The number of releases under the permit, or on one of its datasets, is used up; refused ones count.",
        )
        .remedy("Ask the authority that gave the permit."),
        ReviewError::CellsUsedUp | ReviewError::TooManyCells => Rejection::conflict(
            "quota-cells",
            "The number of cells under the permit, or on one of its datasets, would be exceeded.",
        )
        .remedy("Ask for fewer or coarser groups."),
        ReviewError::ReservedReason => {
            Rejection::unprocessable("reason", "The reason is one that the platform gives itself.")
                .remedy("Say it in other words.")
        }
        ReviewError::PersonNumber => {
            Rejection::unprocessable("person-number", "A text holds something of the form of a person number.")
                .remedy("Remove it; what you send is recorded.")
        }
        ReviewError::Transition(error) => of_transition(error),
    }
}

fn of_transition(error: TransitionError) -> Rejection {
    match error {
        TransitionError::State(_) | TransitionError::UnknownRelease => {
            Rejection::conflict("state", "The release is not in a state that allows this.")
                .remedy("GET the release: its field next says what happens now.")
        }
        TransitionError::Actor => Rejection::role("This step belongs to another role."),
        TransitionError::NotTheRequester => Rejection::role("Only the requester may take this step."),
        TransitionError::OwnRelease => Rejection::role("Nobody reviews their own request."),
        TransitionError::SecondVote => {
            Rejection::conflict("second-vote", "You have voted already; each steward has one vote.")
        }
        TransitionError::ControllerMissing => {
            Rejection::conflict("controller-vote", "One of the two votes must be a controller steward's.")
                .remedy("A steward of the data controller must vote.")
        }
        TransitionError::OtherContent => {
            Rejection::conflict("other-content", "The vote names other content than the release has now.")
                .remedy("Look at the reviewer pack again and vote on the digest it shows.")
        }
        TransitionError::Reason => {
            Rejection::unprocessable("reason", "A reason is needed, of at most 2000 characters.")
        }
        TransitionError::StaleLedger | TransitionError::Overtaken => {
            Rejection::unavailable("busy", "Others were faster; nothing was recorded.")
        }
        TransitionError::Event
        | TransitionError::SqlDigest
        | TransitionError::VettingResult
        | TransitionError::NoOutput
        | TransitionError::UnknownFormat
        | TransitionError::EmptyDelivery => {
            tracing::error!(%error, "the journal does not allow an event of the service");
            Rejection::internal()
        }
    }
}

/// A text for people: not empty, not endless, and without anything like a person number,
/// because it is kept for ever and read by many.
pub(crate) fn check_text(field: &'static str, text: &str, longest: usize) -> Result<(), Rejection> {
    let shape = |detail: String| Rejection::unprocessable("text", "").detail(detail);
    if text.trim().is_empty() {
        return Err(shape(format!("The field {field} must not be empty.")));
    }
    check_length(field, text, longest)?;
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(shape(format!("The field {field} holds a control character.")));
    }
    no_person_number(field, text)
}

/// Refuses text of more characters than the API's description allows.
pub(crate) fn check_length(field: &'static str, text: &str, longest: usize) -> Result<(), Rejection> {
    if text.chars().count() > longest {
        Err(Rejection::unprocessable("text", "").detail(format!("The field {field} has at most {longest} characters.")))
    } else {
        Ok(())
    }
}

/// Refuses text that holds something of the form of a person number.
pub(crate) fn no_person_number(field: &'static str, text: &str) -> Result<(), Rejection> {
    if PersonNumber::occurs_in(text) {
        Err(Rejection::unprocessable("person-number", "")
            .detail(format!("The field {field} holds text of the form of a person number."))
            .remedy("Remove it; what you send is recorded."))
    } else {
        Ok(())
    }
}
