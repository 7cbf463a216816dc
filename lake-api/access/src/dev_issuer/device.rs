//! The device flow (RFC 8628): a code here, a user there.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::clients::Client;
use super::grants::{Answer, DEVICE};
use super::issuer::Issuer;
use super::oauth_error::OauthError;
use super::page::{message, page, user_form};
use super::parameters::Parameters;
use super::routes::query;

/// Seconds between two polls.
const INTERVAL: u64 = 1;

/// `POST /device_authorization`
pub(super) async fn authorize(
    State(issuer): State<Arc<Issuer>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, OauthError> {
    let form = Parameters::parse(body.as_bytes())?;
    if Client::authenticate(&headers, &form, issuer.service_secret())? != Client::Cli {
        return Err(OauthError::UnauthorizedClient);
    }
    let (device_code, user_code) = issuer.grants().keep_device(form.scope()).ok_or(OauthError::ServerError)?;
    let address = format!("{}/device", issuer.url());
    Ok(Json(json!({
        "device_code": device_code,
        "verification_uri_complete": format!("{address}?user_code={user_code}"),
        "user_code": user_code,
        "verification_uri": address,
        "expires_in": DEVICE.as_secs(),
        "interval": INTERVAL,
    })))
}

/// `GET /device`: asks for the code, or, with a code, who you are.
pub(super) async fn ask(State(issuer): State<Arc<Issuer>>, raw: RawQuery) -> Response {
    let parameters = Parameters::parse(query(raw).as_bytes());
    match parameters.as_ref().ok().and_then(|parameters| parameters.get("user_code")) {
        Some(code) => {
            let form = user_form("/device", &[("user_code", code)], issuer.users());
            page(StatusCode::OK, "Who lets this device in?", &form)
        }
        None => page(
            StatusCode::OK,
            "Enter the code that the device shows",
            "<form method=\"get\" action=\"/device\"><label>Code <input name=\"user_code\" autofocus></label> \
             <button>Next</button></form>",
        ),
    }
}

/// `POST /device`: a user lets the device in (`user`), or does not (`deny`).
pub(super) async fn answer(State(issuer): State<Arc<Issuer>>, body: String) -> Response {
    let refuse = |text| message(StatusCode::BAD_REQUEST, "This device cannot be let in", text);
    let Ok(form) = Parameters::parse(body.as_bytes()) else { return refuse("A parameter is given twice.") };
    let user = form.get("user").and_then(|name| issuer.user(name));
    let answer = match (form.get("deny").is_some(), user) {
        (true, _) => Answer::Denied,
        (false, Some(user)) => Answer::Approved(user.to_owned()),
        (false, None) => return refuse("Nobody of this name is here."),
    };
    let mut grants = issuer.grants();
    match grants.device_of(form.get("user_code").unwrap_or_default()) {
        Some(device) if matches!(device.answer, Answer::Pending) => {
            device.answer = answer;
            message(StatusCode::OK, "Done", "You may close this window and go back to the device.")
        }
        Some(_) | None => refuse("The code is unknown, expired or used. Start again on the device."),
    }
}
