//! OAuth's error answers (RFC 6749, section 5.2; RFC 8628, section 3.5).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// An error of a flow, as its standard names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OauthError {
    InvalidRequest(&'static str),
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    AuthorizationPending,
    AccessDenied,
    ExpiredToken,
    ServerError,
}

impl OauthError {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AuthorizationPending => "authorization_pending",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::ServerError => "server_error",
        }
    }

    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(what) => what,
            Self::InvalidClient => "the client is unknown or its secret is wrong",
            Self::InvalidGrant => "the code or token is unknown, used, expired or another client's",
            Self::UnauthorizedClient => "this client may not use this grant",
            Self::UnsupportedGrantType => "this grant type does not exist here",
            Self::UnsupportedResponseType => "only response_type=code exists here",
            Self::AuthorizationPending => "nobody has answered yet",
            Self::AccessDenied => "the user said no",
            Self::ExpiredToken => "the device code has expired",
            Self::ServerError => "the development issuer failed",
        }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidRequest(_)
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::UnsupportedResponseType
            | Self::AuthorizationPending
            | Self::AccessDenied
            | Self::ExpiredToken => StatusCode::BAD_REQUEST,
        };
        let body = Json(json!({ "error": self.code(), "error_description": self.description() }));
        let mut response = (status, body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        }
        response
    }
}
