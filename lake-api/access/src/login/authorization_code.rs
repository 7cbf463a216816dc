//! Authorisation code with PKCE and a loopback redirect (RFC 6749, 7636, 8252, 9207).

use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow};
use openidconnect::{AuthorizationCode, CsrfToken, LoginHint, Nonce, PkceCodeChallenge, RedirectUrl};
use url::Url;

use super::error::LoginError;
use super::provider::{LoginConfig, Provider};
use super::redirect_listener::RedirectListener;
use super::token_set::TokenSet;

/// Logs a person in through a browser on this machine.
///
/// `show` gets the address to open; it may print it, start a browser, or both. The
/// function then waits at most five minutes for the browser to come back. `login_hint`
/// tells the provider whom to expect.
///
/// # Errors
/// See [`LoginError`].
pub async fn authorization_code_pkce(
    config: &LoginConfig,
    login_hint: Option<&str>,
    show: impl FnOnce(&Url) + Send,
) -> Result<TokenSet, LoginError> {
    let provider = Provider::discover(config).await?;
    let state = CsrfToken::new_random();
    let listener = RedirectListener::start(&config.issuer, state.secret()).await?;
    let redirect = RedirectUrl::new(listener.redirect_uri()).map_err(|_| LoginError::Answer)?;
    let client = provider.client.clone().set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, Nonce::new_random)
        .add_scopes(config.scopes())
        .set_pkce_challenge(challenge);
    if config.scopes.iter().any(|scope| scope == "offline_access") {
        // OpenID Connect Core 1.0, section 11: offline access asks for consent.
        request = request.add_prompt(CoreAuthPrompt::Consent);
    }
    if let Some(hint) = login_hint {
        request = request.set_login_hint(LoginHint::new(hint.to_owned()));
    }
    if let Some(resource) = &config.resource {
        request = request.add_extra_param("resource", resource);
    }
    let (address, _, nonce) = request.url();
    show(&address);
    let code = listener.code().await?;
    let mut exchange = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|_| LoginError::NotOffered("a token endpoint"))?
        .set_pkce_verifier(verifier);
    if let Some(resource) = &config.resource {
        exchange = exchange.add_extra_param("resource", resource);
    }
    let answer = exchange.request_async(&provider.http).await.map_err(LoginError::token)?;
    let subject = provider.subject(&answer, &nonce)?;
    Ok(TokenSet::new(config, &answer, Some(subject)))
}
