//! What can go wrong with a store.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};

/// Why a tenant has no storage.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The store answered and refused, or did not answer.
    #[error("{what} failed: {why}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// The store's code where it gave one, and its words.
        why: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The store does not honour put-if-absent.
    #[error(
        "{winners} of {racers} racing writers created the same object: this store ignores If-None-Match; \
         the journal would lose events on it, so use one that honours it"
    )]
    Race {
        /// Writers that were told they had won.
        winners: usize,
        /// Writers.
        racers: usize,
    },
    /// Other tenants' identities are being made.
    #[error("the identities of other tenants are made first; this one's turn comes")]
    Queued,
    /// The bucket belongs to somebody else.
    #[error("the bucket {0} exists and is not ours; choose another storage.bucketPrefix")]
    Foreign(String),
    /// The tenant's bucket was removed.
    #[error(
        "the bucket {0} is gone; restore it with all that it held, or delete the tenant: a new bucket would have \
         forgotten what was released"
    )]
    Gone(String),
    /// The recorded bucket is another tenant's.
    #[error("the bucket {0} is recorded and is not this tenant's; restore the tenant's Secret from a backup")]
    Misrecorded(String),
    /// Something could not be removed.
    #[error("{objects} objects and {identities} identities remain after erasure")]
    Remains {
        /// Object versions, delete markers and unfinished uploads.
        objects: usize,
        /// Identities.
        identities: usize,
    },
}

impl StorageError {
    /// A failed call of the SDK.
    pub(crate) fn call<E>(what: &'static str, error: &aws_sdk_s3::error::SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.code().unwrap_or_default();
        let why = match (code, error.message()) {
            // The SDK's own words name the address and the cause, never a credential.
            ("", None | Some("")) => DisplayErrorContext(error).to_string(),
            (code, message) => format!("{code} {}", message.unwrap_or_default()).trim().to_owned(),
        };
        Self::Call {
            what,
            why,
            transient: !matches!(
                code,
                "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "MalformedPolicy"
            ),
        }
    }

    /// A `CamelCase` word for conditions, events and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Queued => "StoreBusy",
            Self::Call { transient: true, .. } => "StoreUnavailable",
            Self::Call { transient: false, .. } => "StoreRefuses",
            Self::Race { .. } => "StoreIgnoresPutIfAbsent",
            Self::Foreign(_) | Self::Misrecorded(_) => "BucketNotOurs",
            Self::Gone(_) => "BucketGone",
            Self::Remains { .. } => "NotErased",
        }
    }

    /// Whether it may pass by itself.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Call { transient, .. } => *transient,
            Self::Remains { .. } | Self::Queued => true,
            Self::Race { .. } | Self::Foreign(_) | Self::Gone(_) | Self::Misrecorded(_) => false,
        }
    }
}
