//! Why a login did not succeed.

use openidconnect::{DiscoveryError, ErrorResponse, ErrorResponseType, RequestTokenError};

use super::provider_http::ProviderHttpError;
use crate::bounded_http::HttpError;
use crate::endpoint::EndpointError;

/// Why a login did not succeed. Carries no token, code, secret or text of the provider
/// beyond a registered error code.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// An address that must not be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The HTTP client could not be set up.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The provider could not be reached.
    #[error("the identity provider could not be reached: {0}")]
    Transport(#[source] ProviderHttpError),
    /// The discovery document is not one, or another issuer's.
    #[error("the identity provider's discovery document or keys are not valid; check the issuer's address")]
    Discovery,
    /// The provider does not offer what is needed.
    #[error("the identity provider does not offer {0}; choose another way to log in")]
    NotOffered(&'static str),
    /// No loopback port for the redirect.
    #[error("no local port could be opened for the browser's answer; try the device flow")]
    Listen(#[source] std::io::Error),
    /// Nobody answered.
    #[error("nobody logged in within {0} minutes; start again")]
    TimedOut(u64),
    /// The provider said no, with its registered error code.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// The provider's answer is not what the standard says.
    #[error("the identity provider's answer is not a token answer")]
    Answer,
    /// The ID token is missing or wrong.
    #[error("the identity provider's ID token is missing or not valid")]
    IdToken,
    /// The flow needs a secret.
    #[error("client credentials need a client secret")]
    NoSecret,
    /// There is nothing to refresh with.
    #[error("there is no refresh token; log in again")]
    NoRefreshToken,
}

impl LoginError {
    pub(super) fn discovery(error: DiscoveryError<ProviderHttpError>) -> Self {
        match error {
            DiscoveryError::Request(error) => Self::Transport(error),
            _ => Self::Discovery,
        }
    }

    /// Keeps the registered code of a refusal and drops everything else: answers that
    /// cannot be parsed may hold tokens.
    pub(super) fn token<T>(error: RequestTokenError<ProviderHttpError, T>) -> Self
    where
        T: ErrorResponse + RefusalCode,
    {
        match error {
            RequestTokenError::ServerResponse(response) => Self::Refused(registered(&response.code())),
            RequestTokenError::Request(error) => Self::Transport(error),
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Self::Answer,
        }
    }
}

/// The code of an OAuth error answer.
pub(super) trait RefusalCode {
    fn code(&self) -> String;
}

impl<T: ErrorResponseType + AsRef<str>> RefusalCode for openidconnect::StandardErrorResponse<T> {
    fn code(&self) -> String {
        self.error().as_ref().to_owned()
    }
}

/// Error codes are shown on a terminal, so only their registered form passes.
pub(super) fn registered(code: &str) -> String {
    let form = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if form { code.to_owned() } else { "unknown error".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_codes_reach_the_terminal() {
        assert_eq!(registered("access_denied"), "access_denied");
        for odd in ["", "\u{1b}[2J", "Access denied", "<b>"] {
            assert_eq!(registered(odd), "unknown error");
        }
    }
}
