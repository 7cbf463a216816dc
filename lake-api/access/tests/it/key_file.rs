//! Keys from a file that somebody else keeps up to date.

use std::path::Path;

use serde_json::json;

use oscar_access::{IssuerConfig, KeyRefresh, TokenVerifier};

use crate::signed_token::{TestKey, claims};

/// Never asked: it has no address that could be reached.
const ISSUER: &str = "https://login.invalid";

fn verifier(file: &Path) -> TokenVerifier {
    TokenVerifier::new(vec![IssuerConfig {
        jwks_file: Some(file.to_owned()),
        key_refresh: KeyRefresh { cooldown_seconds: 0, ..KeyRefresh::default() },
        ..IssuerConfig::new(ISSUER, "oscar-host")
    }])
    .unwrap()
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
