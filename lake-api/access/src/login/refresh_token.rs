//! New tokens from a refresh token (RFC 6749, section 6).

use openidconnect::RefreshToken;

use super::error::LoginError;
use super::provider::{LoginConfig, Provider};
use super::token_set::TokenSet;

/// Renews a token set. Issuers may give a new refresh token (the old one is then worth
/// nothing) or let the old one live on; both are handled.
///
/// # Errors
/// See [`LoginError`]; after a refusal the person must log in again.
pub async fn refresh(config: &LoginConfig, tokens: &TokenSet) -> Result<TokenSet, LoginError> {
    let token = tokens.refresh_token.clone().map(RefreshToken::new).ok_or(LoginError::NoRefreshToken)?;
    let provider = Provider::discover(config).await?;
    let mut request =
        provider.client.exchange_refresh_token(&token).map_err(|_| LoginError::NotOffered("a token endpoint"))?;
    if let Some(resource) = &config.resource {
        request = request.add_extra_param("resource", resource);
    }
    let answer = request.request_async(&provider.http).await.map_err(LoginError::token)?;
    let renewed = TokenSet::new(config, &answer, tokens.subject.clone());
    Ok(TokenSet { refresh_token: renewed.refresh_token.clone().or_else(|| tokens.refresh_token.clone()), ..renewed })
}
