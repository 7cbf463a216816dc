//! Keys from a file that somebody else keeps up to date.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use oscar_access::{IssuerConfig, KeyRefresh, TokenError, TokenVerifier, dated_jwks};

use crate::signed_token::{TestKey, claims};

/// Never asked: it has no address that could be reached.
const ISSUER: &str = "https://login.invalid";

fn verifier(file: &Path) -> TokenVerifier {
    TokenVerifier::new(vec![from_file(ISSUER, file)]).unwrap()
}

fn from_file(issuer: &str, file: &Path) -> IssuerConfig {
    IssuerConfig {
        jwks_file: Some(file.to_owned()),
        key_refresh: KeyRefresh { cooldown_seconds: 0, ..KeyRefresh::default() },
        ..IssuerConfig::new(issuer, "oscar-host")
    }
}

#[tokio::test]
async fn keys_come_from_a_file_and_an_exchanged_file_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let (old, new) = (TestKey::new("old"), TestKey::new("new"));
    std::fs::write(&file, json!({"keys": [old.jwk()]}).to_string()).unwrap();
    let verifier = verifier(&file);
    assert!(verifier.verify(&old.sign(&claims(ISSUER))).await.is_ok());
    std::fs::write(&file, json!({"keys": [new.jwk()]}).to_string()).unwrap();
    assert!(verifier.verify(&new.sign(&claims(ISSUER))).await.is_ok());
    assert_eq!(verifier.verify(&old.sign(&claims(ISSUER))).await.unwrap_err().reason(), "unknown-key");
}

#[tokio::test]
async fn a_missing_long_or_broken_key_file_means_no() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let token = TestKey::new("a").sign(&claims(ISSUER));
    let verifier = verifier(&file);
    for (content, words) in
        [(None, "cannot be read"), (Some("{".to_owned()), "not a JWK set"), (Some(" ".repeat(300_000)), "longer than")]
    {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let error = verifier.verify(&token).await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains(words), "{error}");
    }
}

/// What becomes of a token when the key file says that its keys were fetched so.
async fn with_keys_fetched(said: impl Fn(u64) -> serde_json::Value) -> Result<(), TokenError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let key = TestKey::new("a");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let jwks = json!({"keys": [key.jwk()], "host.oscar-project.com/fetched-at": said(now)});
    std::fs::write(&file, jwks.to_string()).unwrap();
    verifier(&file).verify(&key.sign(&claims(ISSUER))).await.map(drop)
}

#[tokio::test]
async fn keys_in_a_file_grow_old_from_their_fetch_on_however_often_it_is_read() {
    // The defaults: 15 minutes, and an hour more while the issuer is away.
    for minutes in [0, 10, 74] {
        assert!(with_keys_fetched(|now| json!(now - 60 * minutes)).await.is_ok(), "{minutes}");
    }
    for minutes in [75, 24 * 60] {
        let error = with_keys_fetched(|now| json!(now - 60 * minutes)).await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("too long ago"), "{minutes}: {error}");
    }
    assert!(with_keys_fetched(|_| json!(0)).await.is_err());
    assert!(with_keys_fetched(|now| json!(now + 30)).await.is_ok(), "clocks differ");
}

#[tokio::test]
async fn a_time_of_fetch_that_nobody_understands_means_no() {
    for garbage in [json!("2026-11-28T12:00:00Z"), json!(-5), json!(1.5), json!(null), json!({})] {
        let error = with_keys_fetched(|_| garbage.clone()).await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("fetched-at"), "{garbage}: {error}");
    }
}

#[tokio::test]
async fn keys_that_were_fetched_too_long_ago_serve_again_once_the_file_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let key = TestKey::new("a");
    let jwks = json!({"keys": [key.jwk()]}).to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    std::fs::write(&file, dated_jwks(&jwks, now - 86_400).unwrap()).unwrap();
    let verifier = verifier(&file);
    let token = key.sign(&claims(ISSUER));
    assert!(verifier.verify(&token).await.is_err());
    assert_eq!(verifier.issuers_without_keys(), [ISSUER]);
    std::fs::write(&file, dated_jwks(&jwks, now).unwrap()).unwrap();
    // Nobody comes with a token while a service is not ready: being asked for that is enough.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !verifier.issuers_without_keys().is_empty() {
        assert!(Instant::now() < deadline, "the file is never read again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn keys_too_old_are_told_apart_only_while_another_issuers_keys_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let (old, other) = (folder.path().join("old.json"), folder.path().join("other.json"));
    let keys = json!({"keys": [TestKey::new("a").jwk()]}).to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    std::fs::write(&old, dated_jwks(&keys, now - 86_400).unwrap()).unwrap();
    let elsewhere = "https://id.invalid";
    let verifier = TokenVerifier::new(vec![from_file(ISSUER, &old), from_file(elsewhere, &other)]).unwrap();
    verifier.warm_up().await;
    assert_eq!(verifier.issuers_without_keys().len(), 2);
    assert_eq!(verifier.issuers_with_outdated_keys(), Vec::<String>::new(), "nobody could be served");
    std::fs::write(&other, dated_jwks(&keys, now).unwrap()).unwrap();
    verifier.warm_up().await;
    assert_eq!(verifier.issuers_without_keys(), [ISSUER]);
    assert_eq!(verifier.issuers_with_outdated_keys(), [ISSUER]);
    std::fs::remove_file(&old).unwrap();
    let never = TokenVerifier::new(vec![from_file(ISSUER, &old), from_file(elsewhere, &other)]).unwrap();
    never.warm_up().await;
    assert_eq!(never.issuers_without_keys(), [ISSUER]);
    assert_eq!(never.issuers_with_outdated_keys(), Vec::<String>::new(), "there never were any");
}
