//! The authorisation endpoint: code flow with PKCE (RFC 6749, section 4.1; RFC 7636).
//!
//! `login_hint` with a user's name answers at once, as a browser with a session would;
//! without it a page asks who you are.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use url::Url;

use super::CLI_CLIENT;
use super::clients::is_redirect;
use super::grants::{Code, Consent};
use super::issuer::Issuer;
use super::oauth_error::OauthError;
use super::page::{message, page, user_form};
use super::parameters::Parameters;
use super::routes::query;

/// `GET /authorize`
pub(super) async fn ask(State(issuer): State<Arc<Issuer>>, raw: RawQuery) -> Response {
    let query = query(raw);
    with_request(&issuer, &query, |request| {
        if let Some(user) = request.parameters.get("login_hint").and_then(|hint| issuer.user(hint)) {
            return request.grant(&issuer, user);
        }
        let form = user_form(&format!("/authorize?{query}"), &[], issuer.users());
        Ok(page(StatusCode::OK, "Who are you?", &form))
    })
}

/// `POST /authorize`: the answer of the page, with the request still in the query.
pub(super) async fn answer(State(issuer): State<Arc<Issuer>>, raw: RawQuery, body: String) -> Response {
    with_request(&issuer, &query(raw), |request| {
        let form = Parameters::parse(body.as_bytes())?;
        let user = form.get("user").and_then(|name| issuer.user(name)).ok_or(OauthError::AccessDenied)?;
        request.grant(&issuer, user)
    })
}

/// A request whose client and redirect are known to be right.
struct Authorization<'r> {
    parameters: &'r Parameters,
    redirect_uri: &'r str,
}

/// Checks a request and answers. Until client and redirect are checked errors are shown,
/// never sent: sending them would redirect the browser to wherever the request says.
fn with_request(
    issuer: &Issuer,
    query: &str,
    answer: impl FnOnce(&Authorization<'_>) -> Result<Response, OauthError>,
) -> Response {
    let refuse = |text| message(StatusCode::BAD_REQUEST, "This sign-in cannot go on", text);
    let Ok(parameters) = Parameters::parse(query.as_bytes()) else {
        return refuse("A parameter is given twice.");
    };
    if parameters.get("client_id") != Some(CLI_CLIENT) {
        return refuse("The client is unknown.");
    }
    let Some(redirect_uri) = parameters.get("redirect_uri").filter(|uri| is_redirect(uri)) else {
        return refuse("The redirect address must be http on loopback with the path /callback.");
    };
    let request = Authorization { parameters: &parameters, redirect_uri };
    request.check().and_then(|()| answer(&request)).unwrap_or_else(|error| {
        request.back(issuer, &[("error", error.code()), ("error_description", error.description())])
    })
}

impl Authorization<'_> {
    fn check(&self) -> Result<(), OauthError> {
        if self.parameters.require("response_type")? != "code" {
            return Err(OauthError::UnsupportedResponseType);
        }
        if self.parameters.get("code_challenge_method") != Some("S256") {
            return Err(OauthError::InvalidRequest("PKCE with code_challenge_method=S256 is required"));
        }
        // A SHA-256 digest is 43 characters of base64url.
        if self.parameters.require("code_challenge")?.len() != 43 {
            return Err(OauthError::InvalidRequest("the code_challenge is not a SHA-256 digest"));
        }
        Ok(())
    }

    fn grant(&self, issuer: &Issuer, user: &str) -> Result<Response, OauthError> {
        let code = Code {
            redirect_uri: self.redirect_uri.to_owned(),
            challenge: self.parameters.require("code_challenge")?.to_owned(),
            consent: Consent {
                subject: user.to_owned(),
                scope: self.parameters.scope(),
                nonce: self.parameters.get("nonce").map(str::to_owned),
            },
        };
        let name = issuer.grants().keep_code(code).ok_or(OauthError::ServerError)?;
        Ok(self.back(issuer, &[("code", &name)]))
    }

    /// The redirect to the client, with `state` and `iss` (RFC 9207).
    fn back(&self, issuer: &Issuer, answer: &[(&str, &str)]) -> Response {
        let Ok(mut url) = Url::parse(self.redirect_uri) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        url.query_pairs_mut()
            .extend_pairs(answer)
            .extend_pairs(self.parameters.get("state").map(|state| ("state", state)))
            .append_pair("iss", issuer.url());
        let Ok(location) = HeaderValue::from_str(url.as_str()) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
    }
}

impl Code {
    /// Whether a verifier is the one whose digest was given (RFC 7636, section 4.6).
    pub(super) fn matches(&self, verifier: &str) -> bool {
        (43..=128).contains(&verifier.len()) && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == self.challenge
    }
}
