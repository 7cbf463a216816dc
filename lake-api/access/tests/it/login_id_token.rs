//! A login whose ID token is not what it should be.

use oscar_access::dev_issuer::CLI_CLIENT;
use oscar_access::login::{self, LoginConfig, LoginError, TokenSet};
use serde_json::{Value, json};
use url::Url;

use crate::dev_issuer_flows::browser;
use crate::fake_issuer::{Answer, FakeIssuer};
use crate::signed_token::{TestKey, hmac_forgery, part};

/// Logs in at a provider that answers the code with the token that `make` returns; it
/// gets the provider's key, the honest claims and the nonce of the request.
async fn log_in(make: impl FnOnce(&TestKey, Value) -> Option<String> + Send) -> Result<TokenSet, LoginError> {
    let key = TestKey::new("key-1");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    issuer.answer_discovery(Answer::Json(json!({
        "issuer": issuer.url,
        "authorization_endpoint": format!("{}/authorize", issuer.url),
        "token_endpoint": format!("{}/token", issuer.url),
        "jwks_uri": format!("{}/jwks", issuer.url),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        // The provider allows itself more than we allow it.
        "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
    })));
    let config =
        LoginConfig { client_secret: Some("client-secret".to_owned()), ..LoginConfig::new(&issuer.url, CLI_CLIENT) };
    login::authorization_code_pkce(&config, None, |url| {
        let get = |name: &str| url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
        let now = chrono::Utc::now().timestamp();
        let claims = json!({
            "iss": issuer.url, "aud": CLI_CLIENT, "sub": "alice", "nonce": get("nonce"), "iat": now, "exp": now + 60,
        });
        let mut answer = json!({"access_token": "opaque", "token_type": "Bearer"});
        if let Some(token) = make(&key, claims) {
            answer["id_token"] = json!(token);
        }
        issuer.answer_tokens(Answer::Json(answer));
        let callback = Url::parse_with_params(&get("redirect_uri"), [("code", "c"), ("state", &get("state"))]).unwrap();
        tokio::spawn(browser().get(callback).send());
    })
    .await
}

fn sign(key: &TestKey, claims: &Value) -> String {
    key.sign_as(&json!({"alg": "EdDSA", "kid": key.key_id}), claims)
}

#[tokio::test]
async fn an_honest_id_token_names_the_person() {
    let tokens = log_in(|key, claims| Some(sign(key, &claims))).await.unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    assert_eq!(tokens.access_token, "opaque");
}

#[tokio::test]
async fn a_login_without_an_id_token_is_refused() {
    assert!(matches!(log_in(|_, _| None).await, Err(LoginError::IdToken)));
}

#[tokio::test]
async fn an_id_token_of_another_request_client_issuer_or_time_is_refused() {
    for change in [
        json!({"nonce": "of-another-request"}),
        json!({"nonce": null}),
        json!({"aud": "another-client"}),
        json!({"aud": [CLI_CLIENT, "another-client"]}),
        json!({"iss": "https://login.example.dk"}),
        json!({"exp": 1_000_000}),
    ] {
        let refused = log_in(|key, mut claims| {
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            Some(sign(key, &claims))
        })
        .await;
        assert!(matches!(refused, Err(LoginError::IdToken)), "{change}: {refused:?}");
    }
}

#[tokio::test]
async fn an_id_token_that_somebody_else_or_nobody_signed_is_refused() {
    let forged = log_in(|_, claims| Some(sign(&TestKey::new("key-1"), &claims))).await;
    assert!(matches!(forged, Err(LoginError::IdToken)));
    // The provider's metadata allows both; we do not.
    let with_secret = log_in(|_, claims| Some(hmac_forgery(b"client-secret", "key-1", &claims))).await;
    assert!(matches!(with_secret, Err(LoginError::IdToken)));
    let unsigned = log_in(|_, claims| Some(format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims)))).await;
    assert!(matches!(unsigned, Err(LoginError::IdToken | LoginError::Answer)));
}
