//! Forged, stolen and misdirected tokens against the verifier.

use rstest::rstest;
use serde_json::{Value, json};

use oscar_access::{ConfigError, IssuerConfig, KeyRefresh, SigningAlgorithm, TokenVerifier};

use crate::fake_issuer::FakeIssuer;
use crate::signed_token::{TestKey, claims, hmac_forgery, part};

struct Scene {
    issuer: FakeIssuer,
    key: TestKey,
    verifier: TokenVerifier,
}

async fn scene() -> Scene {
    let key = TestKey::new("key-1");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let verifier = TokenVerifier::new(vec![issuer.config()]).unwrap();
    Scene { issuer, key, verifier }
}

impl Scene {
    async fn judge(&self, token: &str) -> &'static str {
        match self.verifier.verify(token).await {
            Ok(_) => "accepted",
            Err(error) => error.reason(),
        }
    }

    fn claims(&self) -> Value {
        claims(&self.issuer.url)
    }
}

#[tokio::test]
async fn an_honest_token_gives_issuer_subject_and_end() {
    let scene = scene().await;
    let mut claims = scene.claims();
    claims["client_id"] = json!("oscar-cli");
    // Words about power are in the token and change nothing: there is no place for them.
    claims["roles"] = json!(["steward"]);
    let verified = scene.verifier.verify(&scene.key.sign(&claims)).await.unwrap();
    assert_eq!(verified.identity.issuer, scene.issuer.url);
    assert_eq!(verified.identity.subject, "alice");
    assert_eq!(verified.client.as_deref(), Some("oscar-cli"));
    assert_eq!(json!(verified.expires.timestamp()), claims["exp"]);
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_password_is_refused() {
    let scene = scene().await;
    let document = scene.key.jwk().to_string();
    let x = scene.key.jwk()["x"].as_str().unwrap().to_owned();
    for secret in [scene.key.public_bytes(), document.as_bytes(), x.as_bytes(), b""] {
        assert_eq!(scene.judge(&hmac_forgery(secret, "key-1", &scene.claims())).await, "algorithm");
    }
}

#[rstest]
#[case("none")]
#[case("None")]
#[case("NONE")]
#[case("HS256")]
#[case("RS256")]
#[case("ES256")]
#[case("EdDSA ")]
#[case("")]
#[tokio::test]
async fn another_algorithm_name_is_refused(#[case] name: &str) {
    let scene = scene().await;
    let token = scene.key.sign_as(&json!({"alg": name, "kid": "key-1"}), &scene.claims());
    let verdict = scene.judge(&token).await;
    // Allowed for the issuer, but not this key's: then the key is the reason.
    assert!(["algorithm", "unknown-key"].contains(&verdict), "{name}: {verdict}");
    let unsigned = format!("{}.{}.", part(&json!({"alg": name, "kid": "key-1"})), part(&scene.claims()));
    assert_eq!(scene.judge(&unsigned).await, "malformed");
}

#[tokio::test]
async fn an_algorithm_off_the_issuers_list_is_refused_without_a_fetch() {
    let key = TestKey::new("key-1");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let config = IssuerConfig { algorithms: vec![SigningAlgorithm::ES256], ..issuer.config() };
    let verifier = TokenVerifier::new(vec![config]).unwrap();
    let error = verifier.verify(&key.sign(&claims(&issuer.url))).await.unwrap_err();
    assert_eq!((error.reason(), issuer.count()), ("algorithm", 0));
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_refused() {
    let scene = scene().await;
    let token = scene.key.sign(&scene.claims());
    let dots: Vec<usize> = token.match_indices('.').map(|(at, _)| at).collect();
    for at in [dots[0] + 10, dots[0] + 20, dots[1] - 5, dots[1] + 1, dots[1] + 40] {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let verdict = scene.judge(&String::from_utf8(bytes).unwrap()).await;
        assert_ne!(verdict, "accepted", "byte {at}");
    }
}

#[tokio::test]
async fn another_tokens_signature_is_refused() {
    let scene = scene().await;
    let honest = scene.key.sign(&scene.claims());
    let mut changed = scene.claims();
    changed["sub"] = json!("bob");
    let signature = honest.rsplit('.').next().unwrap();
    let header = honest.split('.').next().unwrap();
    assert_eq!(scene.judge(&format!("{header}.{}.{signature}", part(&changed))).await, "signature");
}

#[tokio::test]
async fn a_key_inside_the_token_is_not_used() {
    let scene = scene().await;
    let own = TestKey::new("key-1");
    let evil = FakeIssuer::start(&[own.jwk()]).await;
    for header in [
        json!({"alg": "EdDSA", "kid": "key-1", "jwk": own.jwk()}),
        json!({"alg": "EdDSA", "kid": "key-1", "jku": format!("{}/jwks", evil.url)}),
        json!({"alg": "EdDSA", "kid": "key-1", "x5u": format!("{}/jwks", evil.url)}),
    ] {
        assert_eq!(scene.judge(&own.sign_as(&header, &scene.claims())).await, "signature");
    }
    assert_eq!(evil.count(), 0);
}

#[rstest]
#[case("../../../../dev/null")]
#[case("key-1'; DROP TABLE keys; --")]
#[case("key-1\u{0}")]
#[case("KEY-1")]
#[case(" key-1")]
#[case("")]
#[tokio::test]
async fn a_key_id_is_a_name_and_nothing_else(#[case] key_id: &str) {
    let scene = scene().await;
    let token = scene.key.sign_as(&json!({"alg": "EdDSA", "kid": key_id}), &scene.claims());
    assert_eq!(scene.judge(&token).await, "unknown-key");
}

#[tokio::test]
async fn an_issuer_that_is_not_configured_is_refused_and_never_contacted() {
    let scene = scene().await;
    let foreign_key = TestKey::new("key-1");
    let foreign = FakeIssuer::start(&[foreign_key.jwk()]).await;
    assert_eq!(scene.judge(&foreign_key.sign(&claims(&foreign.url))).await, "unknown-issuer");
    assert_eq!(foreign.count(), 0);
}

#[tokio::test]
async fn the_issuer_is_compared_byte_for_byte() {
    let scene = scene().await;
    let url = &scene.issuer.url;
    for other in [format!("{url}/"), url.to_uppercase(), url.replace("http", "https"), format!(" {url}")] {
        let mut claims = scene.claims();
        claims["iss"] = json!(other);
        assert_eq!(scene.judge(&scene.key.sign(&claims)).await, "unknown-issuer");
    }
    for nothing in [json!([url]), json!(null), json!({"a": url})] {
        let mut claims = scene.claims();
        claims["iss"] = nothing;
        assert_eq!(scene.judge(&scene.key.sign(&claims)).await, "claim");
    }
}

#[tokio::test]
async fn two_issuers_with_one_key_id_keep_their_keys_apart() {
    let ours = TestKey::new("key-1");
    let theirs = TestKey::new("key-1");
    let first = FakeIssuer::start(&[ours.jwk()]).await;
    let second = FakeIssuer::start(&[theirs.jwk()]).await;
    let verifier = TokenVerifier::new(vec![first.config(), second.config()]).unwrap();
    assert!(verifier.verify(&ours.sign(&claims(&first.url))).await.is_ok());
    assert!(verifier.verify(&theirs.sign(&claims(&second.url))).await.is_ok());
    // Each may speak for itself only, even about the same person.
    for (key, url) in [(&ours, &second.url), (&theirs, &first.url)] {
        assert_eq!(verifier.verify(&key.sign(&claims(url))).await.unwrap_err().reason(), "signature");
    }
}

#[tokio::test]
async fn a_token_for_somebody_else_an_old_one_and_an_id_token_are_refused() {
    let scene = scene().await;
    let now = chrono::Utc::now().timestamp();
    for (changes, reason) in [
        (json!({"aud": "other-service"}), "audience"),
        (json!({"exp": now - 100, "iat": now - 400}), "expired"),
        (json!({"nbf": now + 300}), "not-yet-valid"),
        (json!({"nonce": "n-1"}), "kind"),
        (json!({"at_hash": "h"}), "kind"),
    ] {
        let mut claims = scene.claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        assert_eq!(scene.judge(&scene.key.sign(&claims)).await, reason);
    }
}

#[tokio::test]
async fn errors_say_nothing_of_the_token() {
    let scene = scene().await;
    let mut claims = scene.claims();
    claims["sub"] = json!("0101010101");
    claims["aud"] = json!("secret-audience");
    let token = TestKey::new("key-1").sign(&claims);
    let error = scene.verifier.verify(&token).await.unwrap_err();
    let said = format!("{error} {error:?} {} {}", error.code(), error.public_message());
    assert!(!said.contains("0101010101") && !said.contains("secret") && !said.contains(&token[..20]));
    assert_eq!(error.code(), "token-invalid");
    assert!(!error.is_unavailable());
}

#[test]
fn a_configuration_that_would_let_too_much_in_is_refused() {
    let good = || IssuerConfig::new("https://login.example.dk", "oscar-host");
    let refused = |config: IssuerConfig| TokenVerifier::new(vec![config]).err();
    assert_eq!(refused(good()), None);
    assert_eq!(TokenVerifier::new(vec![]).err(), Some(ConfigError::NoIssuer));
    assert_eq!(TokenVerifier::new(vec![good(), good()]).err(), Some(ConfigError::Duplicate));
    assert_eq!(refused(IssuerConfig { clock_skew_seconds: 61, ..good() }), Some(ConfigError::Skew));
    assert_eq!(refused(IssuerConfig { algorithms: vec![], ..good() }), Some(ConfigError::Empty("algorithms")));
    assert_eq!(refused(IssuerConfig { audience: String::new(), ..good() }), Some(ConfigError::Empty("audience")));
    let both = IssuerConfig { authorized_parties: vec!["oscar-host".to_owned()], ..good() };
    assert_eq!(refused(both), Some(ConfigError::AudienceIsParty));
    let endless = KeyRefresh { stale_seconds: 1_000_000, ..KeyRefresh::default() };
    assert_eq!(refused(IssuerConfig { key_refresh: endless, ..good() }), Some(ConfigError::Refresh));
    assert!(matches!(refused(IssuerConfig::new("http://login.example.dk", "a")), Some(ConfigError::Endpoint(_))));
}

#[test]
fn a_symmetric_algorithm_cannot_be_configured() {
    let read = |algorithm: &str| {
        let text = format!(r#"{{"issuer":"https://a.dk","audience":"b","algorithms":["{algorithm}"]}}"#);
        serde_json::from_str::<IssuerConfig>(&text).is_ok()
    };
    assert!(read("ES256") && read("EdDSA"));
    assert!(!read("HS256") && !read("none"));
    assert!(
        serde_json::from_str::<IssuerConfig>(r#"{"issuer":"https://a.dk","audience":"b","audiance":"c"}"#).is_err()
    );
}
