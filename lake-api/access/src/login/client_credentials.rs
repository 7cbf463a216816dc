//! Client credentials (RFC 6749, section 4.4): a program logs in as itself.

use openidconnect::Scope;

use super::error::LoginError;
use super::provider::{LoginConfig, Provider};
use super::token_set::TokenSet;

/// Logs a program in. It has no ID token and no refresh token: it logs in again instead,
/// so `openid` and `offline_access` are not asked for.
///
/// # Errors
/// See [`LoginError`].
pub async fn client_credentials(config: &LoginConfig) -> Result<TokenSet, LoginError> {
    if config.client_secret.is_none() {
        return Err(LoginError::NoSecret);
    }
    let provider = Provider::discover(config).await?;
    let mut request = provider
        .client
        .exchange_client_credentials()
        .map_err(|_| LoginError::NotOffered("a token endpoint"))?
        .add_scopes(config.scopes().filter(|scope: &Scope| !["openid", "offline_access"].contains(&scope.as_str())));
    if let Some(resource) = &config.resource {
        request = request.add_extra_param("resource", resource);
    }
    let answer = request.request_async(&provider.http).await.map_err(LoginError::token)?;
    Ok(TokenSet::new(config, &answer, None))
}
