//! The same flows against somebody else's provider: npm `oidc-provider`.

use std::sync::Arc;

use oscar_access::login::{self, LoginConfig, LoginError};
use oscar_access::{IssuerConfig, KeyRefresh, TokenVerifier};
use oscar_peers::{OIDC_AUDIENCE, OidcProvider, required_in_ci};
use url::Url;

use crate::dev_issuer_flows::browser;

/// A started provider, or `None` after having said SKIPPED.
pub(crate) fn provider() -> Option<Arc<OidcProvider>> {
    required_in_ci(OidcProvider::start()).map(Arc::new)
}

/// A verifier that fetches keys whenever it may and knows the command line's client and
/// the service.
pub(crate) fn verifier(provider: &OidcProvider) -> TokenVerifier {
    TokenVerifier::new(vec![IssuerConfig {
        authorized_parties: vec!["oscar-cli".to_owned(), "oscar-service".to_owned()],
        clock_skew_seconds: 0,
        key_refresh: KeyRefresh { cooldown_seconds: 0, ..KeyRefresh::default() },
        ..IssuerConfig::new(provider.issuer(), OIDC_AUDIENCE)
    }])
    .unwrap()
}

/// The login of a program, for a resource.
pub(crate) fn service(provider: &OidcProvider, resource: &str) -> LoginConfig {
    let (id, secret) = provider.service_client();
    LoginConfig {
        client_secret: Some(secret.to_owned()),
        resource: Some(resource.to_owned()),
        ..LoginConfig::new(provider.issuer(), id)
    }
}

/// The login of a person, for our audience.
pub(crate) fn person(provider: &OidcProvider, client: &str) -> LoginConfig {
    LoginConfig { resource: Some(OIDC_AUDIENCE.to_owned()), ..LoginConfig::new(provider.issuer(), client) }
}

/// Plays the person's browser: signs in, and goes to the redirect where there is one.
pub(crate) fn sign_in(provider: &Arc<OidcProvider>, url: &Url, user: &'static str) {
    let (provider, url) = (Arc::clone(provider), url.clone());
    tokio::spawn(async move {
        let issuer = provider.issuer();
        let end = tokio::task::spawn_blocking(move || provider.sign_in(url.as_str(), user)).await.unwrap().unwrap();
        if !end.starts_with(&issuer) {
            browser().get(end).send().await.unwrap().error_for_status().unwrap();
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_with_code_and_pkce_at_a_real_provider_and_refreshes() {
    let Some(provider) = provider() else { return };
    let config = person(&provider, provider.cli_client());
    let tokens = login::authorization_code_pkce(&config, None, |url| sign_in(&provider, url, "alice")).await.unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    let verifier = verifier(&provider);
    let token = verifier.verify(&tokens.access_token).await.unwrap();
    assert_eq!((token.identity.issuer, token.identity.subject), (provider.issuer(), "alice".to_owned()));
    assert_eq!(token.client.as_deref(), Some("oscar-cli"));
    let renewed = login::refresh(&config, &tokens).await.unwrap();
    assert_ne!(renewed.access_token, tokens.access_token);
    assert_eq!(verifier.verify(&renewed.access_token).await.unwrap().identity.subject, "alice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_let_in_at_a_real_provider() {
    let Some(provider) = provider() else { return };
    let config = person(&provider, provider.cli_client());
    let tokens = login::device(&config, |prompt| {
        sign_in(&provider, prompt.verification_uri_complete.as_ref().unwrap(), "sven");
    })
    .await
    .unwrap();
    assert_eq!(verifier(&provider).verify(&tokens.access_token).await.unwrap().identity.subject, "sven");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_logs_in_at_a_real_provider_with_either_algorithm() {
    let Some(provider) = provider() else { return };
    let verifier = verifier(&provider);
    for resource in [OIDC_AUDIENCE.to_owned(), format!("{OIDC_AUDIENCE}/es256")] {
        let tokens = login::client_credentials(&service(&provider, &resource)).await.unwrap();
        let token = verifier.verify(&tokens.access_token).await.unwrap();
        assert_eq!(token.identity.subject, "oscar-service");
    }
    let wrong = LoginConfig { client_secret: Some("wrong".to_owned()), ..service(&provider, OIDC_AUDIENCE) };
    let refused = login::client_credentials(&wrong).await.unwrap_err();
    assert!(matches!(refused, LoginError::Refused(code) if code == "invalid_client"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_providers_keys_rotate_while_serving() {
    let Some(provider) = provider() else { return };
    let verifier = verifier(&provider);
    let token = async || login::client_credentials(&service(&provider, OIDC_AUDIENCE)).await.unwrap().access_token;
    let first = token().await;
    assert!(verifier.verify(&first).await.is_ok());
    provider.rotate_keys(true).unwrap();
    let second = token().await;
    assert!(verifier.verify(&second).await.is_ok());
    assert!(verifier.verify(&first).await.is_ok(), "a planned rotation ends no session");
    provider.rotate_keys(false).unwrap();
    assert!(verifier.verify(&token().await).await.is_ok());
    for leaked in [first, second] {
        assert_eq!(verifier.verify(&leaked).await.unwrap_err().reason(), "unknown-key");
    }
}
