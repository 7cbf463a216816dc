//! Tokens as real people get them: authorisation code with PKCE against the development
//! issuer, with a small HTTP client in the browser's place.

use oscar_access::dev_issuer::CLI_CLIENT;
use oscar_access::login::{LoginConfig, authorization_code_pkce};
use url::Url;

use crate::cli::CliError;

/// Logs `user` in at `issuer` and returns the access token.
pub(super) async fn log_in(issuer: &str, user: &str) -> Result<String, CliError> {
    let config = LoginConfig::new(issuer, CLI_CLIENT);
    let tokens = authorization_code_pkce(&config, Some(user), browse)
        .await
        .map_err(|error| CliError::Failed(format!("logging in at the development issuer: {error}")))?;
    Ok(tokens.access_token)
}

/// Opens an address and follows it to its end, as a browser would.
fn browse(address: &Url) {
    let address = address.clone();
    // An answer that does not come shows as a login that times out.
    tokio::spawn(async move {
        if let Err(error) = reqwest::get(address).await {
            tracing::warn!(%error, "the development issuer could not be opened");
        }
    });
}
