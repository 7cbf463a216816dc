//! Why a token is not accepted: one private reason per rule, few public codes.

use std::sync::Arc;

use super::keys::KeyError;

/// Why a token is not accepted.
///
/// The `Display` text and [`TokenError::reason`] are for the log of the service. Callers
/// on the network get [`TokenError::code`] and [`TokenError::public_message`] only, which
/// do not tell which check failed; "expired" is told because only a holder of a token
/// that we once accepted can reach it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// Longer than 16 KiB.
    #[error("the token is longer than 16 KiB")]
    TooLong,
    /// Not three parts of base64url with the right JSON inside.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The algorithm is unknown, symmetric, `none`, or not on the issuer's list.
    #[error("the token's algorithm is not allowed for this issuer")]
    Algorithm,
    /// A header that asks for processing we do not do.
    #[error("the token's header has '{0}', which is not supported")]
    Header(&'static str),
    /// A `typ` that is not an access token's.
    #[error("the token is of another kind than an access token ({0})")]
    Kind(&'static str),
    /// Nobody configured this issuer.
    #[error("the token's issuer is not configured")]
    UnknownIssuer,
    /// The issuer has no such key.
    #[error("the issuer has no key with the token's key id and algorithm")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is not valid")]
    Signature,
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Given to a client that may not use it here.
    #[error("the token was given to a client that is not an authorised party")]
    AuthorizedParty,
    /// A claim is absent or has a form it must not have.
    #[error("the token's claim '{0}' is absent or has a wrong form")]
    Claim(&'static str),
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// Not begun.
    #[error("the token is not valid yet (check the clocks of this machine and the issuer)")]
    NotYetValid,
    /// The issuer's keys cannot be had, so nothing can be checked.
    #[error("the issuer's keys are not available: {0}")]
    KeysUnavailable(#[source] Arc<KeyError>),
}

impl TokenError {
    /// The stable public code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired => "token-expired",
            Self::KeysUnavailable(_) => "issuer-unavailable",
            Self::TooLong
            | Self::Malformed(_)
            | Self::Algorithm
            | Self::Header(_)
            | Self::Kind(_)
            | Self::UnknownIssuer
            | Self::UnknownKey
            | Self::Signature
            | Self::Audience
            | Self::AuthorizedParty
            | Self::Claim(_)
            | Self::NotYetValid => "token-invalid",
        }
    }

    /// What a caller on the network is told, with what to do next.
    #[must_use]
    pub const fn public_message(&self) -> &'static str {
        match self {
            Self::Expired => "The token has expired. Log in again.",
            Self::KeysUnavailable(_) => "Tokens cannot be checked at the moment. Try again in a minute.",
            Self::TooLong
            | Self::Malformed(_)
            | Self::Algorithm
            | Self::Header(_)
            | Self::Kind(_)
            | Self::UnknownIssuer
            | Self::UnknownKey
            | Self::Signature
            | Self::Audience
            | Self::AuthorizedParty
            | Self::Claim(_)
            | Self::NotYetValid => "The token is not valid here. Log in again with this service's issuer.",
        }
    }

    /// A stable private word for logs and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Malformed(_) => "malformed",
            Self::Algorithm => "algorithm",
            Self::Header(_) => "header",
            Self::Kind(_) => "kind",
            Self::UnknownIssuer => "unknown-issuer",
            Self::UnknownKey => "unknown-key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::AuthorizedParty => "authorized-party",
            Self::Claim(_) => "claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::KeysUnavailable(_) => "keys-unavailable",
        }
    }

    /// Whether the service, not the caller, is at fault: such an answer is 503, not 401.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_))
    }
}
