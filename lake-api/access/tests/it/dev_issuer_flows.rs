//! The command line's flows against the development issuer.

use chrono::{TimeDelta, Utc};
use oscar_access::dev_issuer::{CLI_CLIENT, SERVICE_CLIENT};
use oscar_access::login::{self, DevicePrompt, LoginConfig, LoginError};
use oscar_access::{DevIssuer, DevIssuerOptions, IssuerConfig, TokenVerifier};

/// A browser on this machine: follows redirects, goes through no proxy.
pub(crate) fn browser() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn issuer() -> DevIssuer {
    let users = vec!["alice".to_owned(), "sven".to_owned()];
    DevIssuer::start(DevIssuerOptions { users, ..DevIssuerOptions::default() }, &[]).await.unwrap()
}

/// A verifier that fetches keys whenever it may.
pub(crate) fn verifier(issuer: &DevIssuer) -> TokenVerifier {
    let mut config = issuer.config();
    config.key_refresh.cooldown_seconds = 0;
    TokenVerifier::new(vec![config]).unwrap()
}

async fn subject(verifier: &TokenVerifier, token: &str) -> Result<String, &'static str> {
    verifier.verify(token).await.map(|token| token.identity.subject).map_err(|error| error.reason())
}

fn answer_device(prompt: &DevicePrompt, fields: &'static str) {
    let (address, code) = (prompt.verification_uri.clone(), prompt.user_code.clone());
    tokio::spawn(async move {
        let form = format!("user_code={code}&{fields}");
        browser().post(address).body(form).send().await.unwrap().error_for_status().unwrap();
    });
}

#[tokio::test]
async fn a_person_logs_in_with_code_and_pkce_and_refreshes() {
    let issuer = issuer().await;
    let verifier = verifier(&issuer);
    let config = LoginConfig::new(issuer.issuer(), CLI_CLIENT);
    let tokens = login::authorization_code_pkce(&config, Some("alice"), |url| {
        tokio::spawn(browser().get(url.clone()).send());
    })
    .await
    .unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    assert!(tokens.is_fresh(Utc::now()) && !tokens.is_fresh(Utc::now() + TimeDelta::hours(1)));
    let token = verifier.verify(&tokens.access_token).await.unwrap();
    assert_eq!(token.identity.to_string(), format!("{}#alice", issuer.issuer()));
    assert_eq!(token.client.as_deref(), Some(CLI_CLIENT));

    let renewed = login::refresh(&config, &tokens).await.unwrap();
    assert_eq!(subject(&verifier, &renewed.access_token).await.as_deref(), Ok("alice"));
    assert_eq!(renewed.subject.as_deref(), Some("alice"));
    // A refresh token works once; its successor goes on.
    let again = login::refresh(&config, &tokens).await.unwrap_err();
    assert!(matches!(again, LoginError::Refused(code) if code == "invalid_grant"));
    assert!(login::refresh(&config, &renewed).await.is_ok());
}

#[tokio::test]
async fn a_person_without_a_session_chooses_a_name_on_a_page() {
    let issuer = issuer().await;
    let config = LoginConfig::new(issuer.issuer(), CLI_CLIENT);
    let tokens = login::authorization_code_pkce(&config, None, |url| {
        let url = url.clone();
        tokio::spawn(async move {
            let page = browser().get(url.clone()).send().await.unwrap().text().await.unwrap();
            assert!(page.contains("value=\"sven\""), "{page}");
            browser().post(url).body("user=sven").send().await.unwrap().error_for_status().unwrap();
        });
    })
    .await
    .unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("sven"));
}

#[tokio::test]
async fn a_device_is_let_in_or_turned_away() {
    let issuer = issuer().await;
    let config = LoginConfig::new(issuer.issuer(), CLI_CLIENT);
    let tokens = login::device(&config, |prompt| answer_device(prompt, "user=sven")).await.unwrap();
    assert_eq!(subject(&verifier(&issuer), &tokens.access_token).await.as_deref(), Ok("sven"));
    assert!(tokens.refresh_token.is_some());
    let refused = login::device(&config, |prompt| answer_device(prompt, "deny=1")).await.unwrap_err();
    assert!(matches!(refused, LoginError::Refused(code) if code == "access_denied"));
}

#[tokio::test]
async fn a_program_logs_in_with_its_secret() {
    let issuer = issuer().await;
    let mut config = LoginConfig::new(issuer.issuer(), SERVICE_CLIENT);
    assert!(matches!(login::client_credentials(&config).await, Err(LoginError::NoSecret)));
    config.client_secret = Some(issuer.service_secret().to_owned());
    let tokens = login::client_credentials(&config).await.unwrap();
    assert_eq!(subject(&verifier(&issuer), &tokens.access_token).await.as_deref(), Ok(SERVICE_CLIENT));
    assert_eq!(tokens.refresh_token, None);
    config.client_secret = Some("wrong".to_owned());
    let refused = login::client_credentials(&config).await.unwrap_err();
    assert!(matches!(refused, LoginError::Refused(code) if code == "invalid_client"));
    assert!(!format!("{config:?}").contains("wrong"));
}

#[tokio::test]
async fn keys_rotate_while_serving() {
    let issuer = issuer().await;
    let verifier = verifier(&issuer);
    let mint = || issuer.mint("alice", "oscar-host", TimeDelta::hours(1)).unwrap();
    let first = mint();
    assert_eq!(subject(&verifier, &first).await.as_deref(), Ok("alice"));
    issuer.rotate_keys(true).unwrap();
    let second = mint();
    assert_eq!(subject(&verifier, &second).await.as_deref(), Ok("alice"));
    assert_eq!(subject(&verifier, &first).await.as_deref(), Ok("alice"));
    issuer.rotate_keys(false).unwrap();
    assert_eq!(subject(&verifier, &mint()).await.as_deref(), Ok("alice"));
    assert_eq!(subject(&verifier, &first).await, Err("unknown-key"));
    assert_eq!(subject(&verifier, &second).await, Err("unknown-key"));
}

#[tokio::test]
async fn strange_tokens_can_be_minted_for_tests_and_are_refused() {
    let issuer = issuer().await;
    let verifier = verifier(&issuer);
    let over = issuer.mint("alice", "oscar-host", TimeDelta::hours(-1)).unwrap();
    assert_eq!(subject(&verifier, &over).await, Err("expired"));
    let elsewhere = issuer.mint("alice", "other", TimeDelta::hours(1)).unwrap();
    assert_eq!(subject(&verifier, &elsewhere).await, Err("audience"));
    let stranger =
        DevIssuer::start(DevIssuerOptions { users: vec!["alice".to_owned()], ..DevIssuerOptions::default() }, &[])
            .await
            .unwrap();
    let foreign = stranger.mint("alice", "oscar-host", TimeDelta::hours(1)).unwrap();
    assert_eq!(subject(&verifier, &foreign).await, Err("unknown-issuer"));
}

#[tokio::test]
async fn after_its_shutdown_the_issuer_is_gone() {
    let issuer = issuer().await;
    let config: IssuerConfig = issuer.config();
    let token = issuer.mint("alice", "oscar-host", TimeDelta::hours(1)).unwrap();
    let address = issuer.address();
    issuer.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let error = TokenVerifier::new(vec![config]).unwrap().verify(&token).await.unwrap_err();
    assert!(error.is_unavailable());
}
