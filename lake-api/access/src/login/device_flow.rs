//! The device flow (RFC 8628): the person's browser is on another machine.

use openidconnect::core::CoreDeviceAuthorizationResponse;
use url::Url;

use super::error::{LoginError, registered};
use super::provider::{LoginConfig, Provider, no_nonce};
use super::token_set::TokenSet;

/// What the person must be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePrompt {
    /// The code to enter.
    pub user_code: String,
    /// Where to enter it.
    pub verification_uri: Url,
    /// The same address with the code in it, where the provider has one.
    pub verification_uri_complete: Option<Url>,
    /// Minutes until the code ends, rounded down.
    pub minutes: u64,
}

/// Logs a person in with a browser elsewhere. `show` gets what to tell the person; the
/// function then asks the provider, as often as it allows, until the code ends.
///
/// # Errors
/// See [`LoginError`].
pub async fn device(config: &LoginConfig, show: impl FnOnce(&DevicePrompt) + Send) -> Result<TokenSet, LoginError> {
    let provider = Provider::discover(config).await?;
    let endpoint = provider.device.clone().ok_or(LoginError::NotOffered("the device flow"))?;
    let client = provider.client.clone().set_device_authorization_url(endpoint);
    let mut request = client.exchange_device_code().add_scopes(config.scopes());
    if let Some(resource) = &config.resource {
        request = request.add_extra_param("resource", resource);
    }
    let details: CoreDeviceAuthorizationResponse =
        request.request_async(&provider.http).await.map_err(LoginError::token)?;
    show(&prompt(&details)?);
    let mut exchange =
        client.exchange_device_access_token(&details).map_err(|_| LoginError::NotOffered("a token endpoint"))?;
    if let Some(resource) = &config.resource {
        exchange = exchange.add_extra_param("resource", resource);
    }
    let answer = exchange.request_async(&provider.http, tokio::time::sleep, None).await.map_err(LoginError::token)?;
    let subject = provider.subject(&answer, no_nonce)?;
    Ok(TokenSet::new(config, &answer, Some(subject)))
}

/// The prompt, if it can be shown: everything in it is the provider's text.
fn prompt(details: &CoreDeviceAuthorizationResponse) -> Result<DevicePrompt, LoginError> {
    let user_code = details.user_code().secret().clone();
    if user_code.is_empty() || user_code.len() > 64 || !user_code.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return Err(LoginError::Refused(registered("")));
    }
    let web = |url: Url| ["http", "https"].contains(&url.scheme()).then_some(url);
    let complete = details.verification_uri_complete().and_then(|uri| Url::parse(uri.secret()).ok()).and_then(web);
    Ok(DevicePrompt {
        user_code,
        verification_uri: web(details.verification_uri().url().clone()).ok_or(LoginError::Answer)?,
        verification_uri_complete: complete,
        minutes: details.expires_in().as_secs() / 60,
    })
}
