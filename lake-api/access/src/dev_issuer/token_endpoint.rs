//! The token endpoint: four grants, one answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};

use super::SERVICE_CLIENT;
use super::clients::Client;
use super::grants::{Answer, Consent};
use super::issuer::Issuer;
use super::oauth_error::OauthError;
use super::parameters::Parameters;

/// `POST /token`
pub(super) async fn token(
    State(issuer): State<Arc<Issuer>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, OauthError> {
    let form = Parameters::parse(body.as_bytes())?;
    let client = Client::authenticate(&headers, &form, issuer.service_secret())?;
    let consent = match (form.require("grant_type")?, client) {
        ("authorization_code", Client::Cli) => by_code(&issuer, &form)?,
        ("refresh_token", Client::Cli) => by_refresh(&issuer, &form)?,
        ("urn:ietf:params:oauth:grant-type:device_code", Client::Cli) => by_device(&issuer, &form)?,
        ("client_credentials", Client::Service) => {
            Consent { subject: SERVICE_CLIENT.to_owned(), scope: String::new(), nonce: None }
        }
        (
            "authorization_code"
            | "refresh_token"
            | "urn:ietf:params:oauth:grant-type:device_code"
            | "client_credentials",
            Client::Cli | Client::Service,
        ) => return Err(OauthError::UnauthorizedClient),
        _ => return Err(OauthError::UnsupportedGrantType),
    };
    answer(&issuer, client, &consent)
}

fn by_code(issuer: &Issuer, form: &Parameters) -> Result<Consent, OauthError> {
    // Taken before it is judged: a code is looked at once.
    let code = issuer.grants().take_code(form.require("code")?).ok_or(OauthError::InvalidGrant)?;
    let same_place = form.get("redirect_uri") == Some(code.redirect_uri.as_str());
    if same_place && code.matches(form.require("code_verifier")?) {
        Ok(code.consent)
    } else {
        Err(OauthError::InvalidGrant)
    }
}

fn by_refresh(issuer: &Issuer, form: &Parameters) -> Result<Consent, OauthError> {
    issuer.grants().take_refresh(form.require("refresh_token")?).ok_or(OauthError::InvalidGrant)
}

fn by_device(issuer: &Issuer, form: &Parameters) -> Result<Consent, OauthError> {
    let device = issuer.grants().poll_device(form.require("device_code")?).ok_or(OauthError::ExpiredToken)?;
    match device.answer {
        Answer::Pending => Err(OauthError::AuthorizationPending),
        Answer::Denied => Err(OauthError::AccessDenied),
        Answer::Approved(subject) => Ok(Consent { subject, scope: device.scope, nonce: None }),
    }
}

fn answer(issuer: &Issuer, client: Client, consent: &Consent) -> Result<Json<Value>, OauthError> {
    let lifetime = issuer.lifetime();
    let access = issuer
        .access_token(&consent.subject, issuer.audience(), client.id(), &consent.scope, lifetime)
        .map_err(|_| OauthError::ServerError)?;
    let mut answer = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": lifetime.num_seconds(),
        "scope": consent.scope,
    });
    let granted = |scope| consent.scope.split(' ').any(|granted| granted == scope);
    if let Some(fields) = answer.as_object_mut() {
        if granted("openid") {
            let token = issuer.id_token(consent).map_err(|_| OauthError::ServerError)?;
            fields.insert("id_token".to_owned(), json!(token));
        }
        if granted("offline_access") {
            // The nonce belongs to the first ID token only.
            let again = Consent { nonce: None, ..consent.clone() };
            let token = issuer.grants().keep_refresh(again).ok_or(OauthError::ServerError)?;
            fields.insert("refresh_token".to_owned(), json!(token));
        }
    }
    Ok(Json(answer))
}
