//! Misused and forged tokens of a real provider.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oscar_access::{IssuerConfig, TokenVerifier, login};
use oscar_peers::{OIDC_AUDIENCE, OidcProvider};
use serde_json::{Value, json};

use crate::dev_issuer_flows::browser;
use crate::real_provider::{person, provider, service, sign_in, verifier};
use crate::signed_token::{TestKey, claims_of, hmac_forgery, part};

async fn token(provider: &OidcProvider, resource: &str) -> String {
    login::client_credentials(&service(provider, resource)).await.unwrap().access_token
}

async fn judge(verifier: &TokenVerifier, token: &str) -> &'static str {
    verifier.verify(token).await.map_or_else(|error| error.reason(), |_| "accepted")
}

async fn rsa_key(provider: &OidcProvider) -> Value {
    let document: Value =
        browser().get(format!("{}/jwks", provider.issuer())).send().await.unwrap().json().await.unwrap();
    document["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_token_for_another_audience_is_refused() {
    let Some(provider) = provider() else { return };
    let verifier = verifier(&provider);
    let elsewhere = token(&provider, "https://other.example/api").await;
    assert_eq!(judge(&verifier, &elsewhere).await, "audience");
    assert_eq!(judge(&verifier, &token(&provider, OIDC_AUDIENCE).await).await, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_token_of_another_client_is_refused() {
    let Some(provider) = provider() else { return };
    let config = person(&provider, provider.other_client());
    let tokens = login::authorization_code_pkce(&config, None, |url| sign_in(&provider, url, "alice")).await.unwrap();
    assert_eq!(judge(&verifier(&provider), &tokens.access_token).await, "authorized-party");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_token_ends() {
    let Some(provider) = provider() else { return };
    let verifier = verifier(&provider);
    let short = token(&provider, &format!("{OIDC_AUDIENCE}/short-lived")).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while judge(&verifier, &short).await != "expired" {
        assert!(Instant::now() < deadline, "a token of one second never ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(verifier.verify(&short).await.unwrap_err().code(), "token-expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_key_of_a_real_provider_is_no_password() {
    let Some(provider) = provider() else { return };
    let verifier = verifier(&provider);
    let claims = claims_of(&token(&provider, OIDC_AUDIENCE).await);
    let key = rsa_key(&provider).await;
    let (kid, n) = (key["kid"].as_str().unwrap(), key["n"].as_str().unwrap());
    let modulus = URL_SAFE_NO_PAD.decode(n).unwrap();
    for secret in [n.as_bytes(), &modulus, key.to_string().as_bytes(), b""] {
        assert_eq!(judge(&verifier, &hmac_forgery(secret, kid, &claims)).await, "algorithm");
    }
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none", "kid": kid})), part(&claims));
    assert_eq!(judge(&verifier, &unsigned).await, "malformed");
    let pretended = format!("{}.{}.AAAA", part(&json!({"alg": "none", "kid": kid})), part(&claims));
    assert_eq!(judge(&verifier, &pretended).await, "algorithm");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_our_own_under_a_real_key_id_is_refused() {
    let Some(provider) = provider() else { return };
    let verifier = verifier(&provider);
    let claims = claims_of(&token(&provider, OIDC_AUDIENCE).await);
    let kid = rsa_key(&provider).await["kid"].as_str().unwrap().to_owned();
    let own = TestKey::new(&kid);
    // As what it is: the issuer has no such key. As what it is not: the signature is wrong.
    assert_eq!(judge(&verifier, &own.sign(&claims)).await, "unknown-key");
    let disguised = own.sign_as(&json!({"alg": "RS256", "kid": kid}), &claims);
    assert_eq!(judge(&verifier, &disguised).await, "signature");
    let injected = own.sign_as(&json!({"alg": "EdDSA", "kid": kid, "jwk": own.jwk()}), &claims);
    assert_eq!(judge(&verifier, &injected).await, "unknown-key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_token_with_another_algorithms_name_or_changed_claims_is_refused() {
    let Some(provider) = provider() else { return };
    let verifier = verifier(&provider);
    let honest = token(&provider, OIDC_AUDIENCE).await;
    let (signed, signature) = honest.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let kid = rsa_key(&provider).await["kid"].clone();
    for alg in ["PS256", "RS512", "ES256"] {
        let renamed = format!("{}.{payload}.{signature}", part(&json!({"alg": alg, "kid": kid})));
        assert_ne!(judge(&verifier, &renamed).await, "accepted", "{alg}");
    }
    let mut claims = claims_of(&honest);
    claims["sub"] = json!("alice");
    assert_eq!(judge(&verifier, &format!("{header}.{}.{signature}", part(&claims))).await, "signature");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_provider_that_nobody_configured_is_refused() {
    let (Some(ours), Some(theirs)) = (provider(), provider()) else { return };
    let foreign = token(&theirs, OIDC_AUDIENCE).await;
    assert_eq!(judge(&verifier(&ours), &foreign).await, "unknown-issuer");
    // Configured for another audience it is refused for that.
    let config = IssuerConfig::new(theirs.issuer(), "oscar-host");
    assert_eq!(judge(&TokenVerifier::new(vec![config]).unwrap(), &foreign).await, "audience");
}
