//! Why a step of the release service did not happen.

use oscar_journal::ReviewError;

use crate::scope::ScopeError;
use crate::vault::VaultError;

/// Why a step did not happen. The messages are for the log; routes answer with neutral
/// problems of their own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The state machine or a quota says no.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// An object of the release could not be kept or had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Permit, contracts and profiles do not fit together.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The journal could not be read or written.
    #[error("the journal could not be read or written")]
    Journal(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The release is gone, or no longer where this step begins.
    #[error("the release is not in the state in which this step begins")]
    NotHere,
    /// A permit file cannot be understood, and the permit may be in it.
    #[error("whether the permit is in force cannot be told; correct what the service says of the permit files")]
    PermitInDoubt,
    /// The idempotency key was used for another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// Arithmetic on judged values failed: a division by zero, for example.
    #[error("arithmetic on the judged result failed")]
    Arithmetic,
    /// Something that has no canonical form, no bytes or no thread.
    #[error("{0}")]
    Internal(&'static str),
}

impl ServiceError {
    pub(crate) fn journal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Journal(Box::new(error))
    }
}
