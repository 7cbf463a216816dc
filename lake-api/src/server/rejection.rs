//! Why a request is turned down, before it becomes bytes.
//!
//! Handlers and extractors return a [`Rejection`]; it travels as a response extension and
//! one layer (`layers::render_problems`) writes it as RFC 9457 JSON together with the
//! request id. So every error of the API, axum's own 404 and 405 included, has one form.
//!
//! The texts are constants: a rejection cannot repeat what a caller or the data said.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::api::problem::Problem;

/// A request that is not carried out.
#[derive(Debug, Clone)]
pub(crate) struct Rejection {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    remedy: Option<Cow<'static, str>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Rejection {
    pub(crate) const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self { status, code, detail: Cow::Borrowed(detail), remedy: None, headers: Vec::new() }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Replaces the detail by a text built at run time: positions, limits and names of the
    /// API's own fields only.
    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What does not exist, and what the caller may not see: one answer for both.
    pub(crate) const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here for you.")
    }

    /// No token, or none that counts.
    pub(crate) fn unauthorised(code: &'static str, detail: &'static str) -> Self {
        let challenge = match code {
            "token-missing" => HeaderValue::from_static("Bearer realm=\"oscar-host\""),
            _ => HeaderValue::from_static("Bearer realm=\"oscar-host\", error=\"invalid_token\""),
        };
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .remedy("Send a valid access token of a trusted identity provider: Authorization: Bearer <token>.")
            .header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The caller may see the thing but not do this.
    pub(crate) fn role(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "role-missing", detail)
            .remedy("Your role comes from the data permit; ask the authority that gave it.")
    }

    /// The request itself is malformed.
    pub(crate) const fn bad_request(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request is well formed and asks for something that cannot be.
    pub(crate) const fn unprocessable(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// The request does not fit the present state.
    pub(crate) const fn conflict(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The platform cannot do it now; asking again may help.
    pub(crate) fn unavailable(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            .remedy("Try again after the time in Retry-After.")
            .header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// Something is wrong inside; the log knows what, under the request id.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The platform could not carry out the request.")
            .remedy("Report the request id to the operator.")
    }

    /// The rejection that a bare status stands for, for responses the framework made.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method-not-allowed", "This path does not know the method.")
                    .remedy("The header Allow lists the methods.")
            }
            StatusCode::REQUEST_TIMEOUT => Self::new(status, "body-timeout", "The body did not arrive in time."),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(status, "body-too-large", "The body is too large."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(status, "content-type", "The body must be application/json.")
            }
            status if status.is_client_error() => Self::new(status, "bad-request", "The request is malformed."),
            _ => Self::internal(),
        }
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn problem(&self, request_id: Option<String>) -> Problem {
        Problem {
            kind: format!("urn:oscar-host:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone().into_owned(),
            remedy: self.remedy.clone().map(Cow::into_owned),
            request_id,
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}
