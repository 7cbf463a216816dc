//! The loopback port of a login against others on the same machine, and odd providers.

use oscar_access::dev_issuer::CLI_CLIENT;
use oscar_access::login::{self, LoginConfig, LoginError};
use serde_json::json;
use url::Url;

use crate::dev_issuer_flows::{browser, issuer};
use crate::fake_issuer::{Answer, FakeIssuer};

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
}

#[tokio::test]
async fn an_answer_of_another_login_is_turned_away_and_the_wait_goes_on() {
    let issuer = issuer().await;
    let config = LoginConfig::new(issuer.issuer(), CLI_CLIENT);
    let tokens = login::authorization_code_pkce(&config, Some("alice"), |url| {
        let url = url.clone();
        tokio::spawn(async move {
            let (callback, state) = (parameter(&url, "redirect_uri"), parameter(&url, "state"));
            for forged in [
                "?code=stolen".to_owned(),
                "?code=stolen&state=guess".to_owned(),
                "?error=access_denied&state=guess".to_owned(),
                format!("?code=stolen&state={state}&iss=https://evil.example"),
            ] {
                let answer = browser().get(format!("{callback}{forged}")).send().await.unwrap();
                assert_eq!(answer.status(), 400);
            }
            browser().get(url).send().await.unwrap().error_for_status().unwrap();
        });
    })
    .await
    .unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_refusal_ends_the_login_with_its_code_only() {
    let issuer = issuer().await;
    let config = LoginConfig::new(issuer.issuer(), CLI_CLIENT);
    for (sent, shown) in [("access_denied", "access_denied"), ("%1b%5b2J", "unknown error")] {
        let refused = login::authorization_code_pkce(&config, None, |url| {
            let answer = format!(
                "{}?error={sent}&error_description=secret&state={}",
                parameter(url, "redirect_uri"),
                parameter(url, "state")
            );
            tokio::spawn(browser().get(answer).send());
        })
        .await
        .unwrap_err();
        assert!(matches!(&refused, LoginError::Refused(code) if code == shown), "{refused}");
        assert!(!format!("{refused:?}").contains("secret"));
    }
}

#[tokio::test]
async fn a_code_that_was_not_given_out_brings_nothing() {
    let issuer = issuer().await;
    let config = LoginConfig::new(issuer.issuer(), CLI_CLIENT);
    let refused = login::authorization_code_pkce(&config, None, |url| {
        let answer = format!("{}?code=guess&state={}", parameter(url, "redirect_uri"), parameter(url, "state"));
        tokio::spawn(browser().get(answer).send());
    })
    .await
    .unwrap_err();
    assert!(matches!(refused, LoginError::Refused(code) if code == "invalid_grant"));
}

#[tokio::test]
async fn a_provider_that_is_none_is_named_as_such() {
    let attempt = async |issuer: &str| {
        login::device(&LoginConfig::new(issuer, CLI_CLIENT), |_| panic!("nothing to show")).await.unwrap_err()
    };
    assert!(matches!(attempt("http://login.example.dk").await, LoginError::Endpoint(_)));
    assert!(matches!(attempt("http://127.0.0.1:1").await, LoginError::Transport(_)));
    let fake = FakeIssuer::start(&[]).await;
    assert!(matches!(attempt(&fake.url).await, LoginError::Discovery));
    fake.answer_discovery(Answer::Endless);
    assert!(matches!(attempt(&fake.url).await, LoginError::Transport(_)));
}

#[tokio::test]
async fn a_provider_cannot_send_tokens_to_an_unsafe_address() {
    let fake = FakeIssuer::start(&[]).await;
    let mut document = json!({
        "issuer": fake.url,
        "authorization_endpoint": format!("{}/authorize", fake.url),
        "token_endpoint": "http://192.0.2.1/token",
        "device_authorization_endpoint": "http://192.0.2.1/device",
        "jwks_uri": format!("{}/jwks", fake.url),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    });
    let config = LoginConfig::new(&fake.url, CLI_CLIENT);
    fake.answer_discovery(Answer::Json(document.clone()));
    let refused = login::device(&config, |_| panic!("nothing to show")).await.unwrap_err();
    assert!(refused.to_string().contains("must use https"), "{refused}");
    let secret = LoginConfig { client_secret: Some("s".to_owned()), ..config.clone() };
    let refused = login::client_credentials(&secret).await.unwrap_err();
    assert!(refused.to_string().contains("must use https"), "{refused}");
    document["authorization_endpoint"] = json!("javascript:alert(1)");
    fake.answer_discovery(Answer::Json(document));
    let refused = login::authorization_code_pkce(&config, None, |_| panic!("nothing to show")).await.unwrap_err();
    assert!(matches!(refused, LoginError::Endpoint(_)), "{refused}");
}
