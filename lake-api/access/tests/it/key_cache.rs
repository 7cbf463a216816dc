//! The key cache against rotation, floods, outages and hostile key servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use oscar_access::{IssuerConfig, KeyRefresh, TokenVerifier};

use crate::fake_issuer::{Answer, FakeIssuer};
use crate::signed_token::{TestKey, claims};

fn verifier(issuer: &FakeIssuer, change: impl FnOnce(&mut KeyRefresh)) -> TokenVerifier {
    let mut config = issuer.config();
    change(&mut config.key_refresh);
    TokenVerifier::new(vec![config]).unwrap()
}

async fn judge(verifier: &TokenVerifier, token: &str) -> &'static str {
    match verifier.verify(token).await {
        Ok(_) => "accepted",
        Err(error) => error.reason(),
    }
}

/// Asks again until the answer is `expected`; a test that waits in vain fails.
async fn until(verifier: &TokenVerifier, token: &str, expected: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while judge(verifier, token).await != expected {
        assert!(Instant::now() < deadline, "never {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_rotated_key_works_at_its_first_use_and_the_old_one_stops() {
    let (old, new) = (TestKey::new("old"), TestKey::new("new"));
    let issuer = FakeIssuer::start(&[old.jwk()]).await;
    let verifier = verifier(&issuer, |_| {});
    let old_token = old.sign(&claims(&issuer.url));
    assert_eq!(judge(&verifier, &old_token).await, "accepted");
    issuer.publish(&[new.jwk()]);
    assert_eq!(judge(&verifier, &new.sign(&claims(&issuer.url))).await, "accepted");
    assert_eq!(judge(&verifier, &old_token).await, "unknown-key");
}

#[tokio::test]
async fn known_keys_cause_no_further_fetch() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let verifier = verifier(&issuer, |_| {});
    for _ in 0..50 {
        assert_eq!(judge(&verifier, &key.sign(&claims(&issuer.url))).await, "accepted");
    }
    assert_eq!(issuer.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_requests_cause_one_fetch() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let verifier = Arc::new(verifier(&issuer, |_| {}));
    let token = Arc::new(key.sign(&claims(&issuer.url)));
    let callers = (0..50).map(|_| {
        let (verifier, token) = (Arc::clone(&verifier), Arc::clone(&token));
        tokio::spawn(async move { judge(&verifier, &token).await })
    });
    for verdict in join_all(callers).await {
        assert_eq!(verdict.unwrap(), "accepted");
    }
    assert_eq!(issuer.key_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_forged_key_ids_costs_the_issuer_nothing_within_the_cooldown() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let verifier = Arc::new(verifier(&issuer, |refresh| refresh.cooldown_seconds = 3600));
    assert!(verifier.warm_up().await.is_empty());
    let url = Arc::new(issuer.url.clone());
    let callers = (0..200).map(|number| {
        let (verifier, url) = (Arc::clone(&verifier), Arc::clone(&url));
        tokio::spawn(async move {
            let forged = TestKey::new(&format!("forged-{number}")).sign(&claims(&url));
            judge(&verifier, &forged).await
        })
    });
    for verdict in join_all(callers).await {
        assert_eq!(verdict.unwrap(), "unknown-key");
    }
    assert_eq!(issuer.key_count(), 1);
    assert_eq!(judge(&verifier, &key.sign(&claims(&issuer.url))).await, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_does_not_stop_the_fetch() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let verifier = Arc::new(verifier(&issuer, |refresh| refresh.cooldown_seconds = 3600));
    let token = key.sign(&claims(&issuer.url));
    {
        // Polled once, then dropped, as when a connection closes.
        let mut call = Box::pin(verifier.verify(&token));
        assert!(futures::poll!(&mut call).is_pending());
    }
    // Nobody asks any more, and still the keys arrive.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !verifier.issuers_without_keys().is_empty() {
        assert!(Instant::now() < deadline, "the fetch was given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(judge(&verifier, &token).await, "accepted");
    assert_eq!(issuer.key_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ageing_keys_are_fetched_again_in_the_background() {
    let (old, new) = (TestKey::new("old"), TestKey::new("new"));
    let issuer = FakeIssuer::start(&[old.jwk()]).await;
    let verifier = verifier(&issuer, |refresh| refresh.early_seconds = 0);
    let old_token = old.sign(&claims(&issuer.url));
    assert_eq!(judge(&verifier, &old_token).await, "accepted");
    issuer.publish(&[new.jwk()]);
    // Known and not old, so it still counts, and asking for it starts the fetch.
    until(&verifier, &old_token, "unknown-key").await;
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_away_but_not_for_ever() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let token = key.sign(&claims(&issuer.url));
    let patient = verifier(&issuer, |refresh| (refresh.early_seconds, refresh.max_age_seconds) = (0, 0));
    let strict = verifier(&issuer, |refresh| {
        (refresh.early_seconds, refresh.max_age_seconds, refresh.stale_seconds) = (0, 1, 0);
    });
    assert_eq!(judge(&patient, &token).await, "accepted");
    assert_eq!(judge(&strict, &token).await, "accepted");
    issuer.answer_keys(Answer::Status(503));
    let before = issuer.key_count();
    assert_eq!(judge(&patient, &token).await, "accepted");
    assert!(issuer.key_count() > before, "the issuer was asked first");
    until(&strict, &token, "keys-unavailable").await;
    issuer.publish(&[key.jwk()]);
    until(&strict, &token, "accepted").await;
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_holds_up_one_request_and_not_the_next() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let token = key.sign(&claims(&issuer.url));
    let verifier = verifier(&issuer, |refresh| (refresh.early_seconds, refresh.max_age_seconds) = (0, 0));
    assert_eq!(judge(&verifier, &token).await, "accepted");
    issuer.answer_keys(Answer::Silent);
    // The keys are old, so the issuer is asked, in vain.
    assert_eq!(judge(&verifier, &token).await, "accepted");
    for _ in 0..20 {
        // Ready at once: a request that waited for the issuer would be pending.
        let mut call = Box::pin(verifier.verify(&token));
        assert!(futures::poll!(&mut call).is_ready());
    }
    // It is asked all the while, and believed when it answers again.
    issuer.publish(&[]);
    until(&verifier, &token, "unknown-key").await;
}

#[tokio::test]
async fn a_withdrawn_key_set_is_believed() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let verifier = verifier(&issuer, |refresh| (refresh.early_seconds, refresh.max_age_seconds) = (0, 0));
    let token = key.sign(&claims(&issuer.url));
    assert_eq!(judge(&verifier, &token).await, "accepted");
    issuer.publish(&[]);
    assert_eq!(judge(&verifier, &token).await, "unknown-key");
    assert!(verifier.issuers_without_keys().contains(&issuer.url));
    assert_eq!(verifier.warm_up().await.len(), 1);
}

#[rstest]
#[case::status(Answer::Status(500))]
#[case::forbidden(Answer::Status(403))]
#[case::html(Answer::Text("<html>".to_owned()))]
#[case::list(Answer::Json(json!([])))]
#[case::keys_of_another_type(Answer::Json(json!({"keys": "all"})))]
#[case::endless(Answer::Endless)]
#[case::silent(Answer::Silent)]
#[tokio::test]
async fn a_broken_or_hostile_key_server_ends_in_a_clear_bounded_error(#[case] answer: Answer) {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let token = key.sign(&claims(&issuer.url));
    for discovery in [false, true] {
        let verifier = verifier(&issuer, |_| {});
        let honest = json!({"issuer": issuer.url, "jwks_uri": format!("{}/jwks", issuer.url)});
        issuer.answer_discovery(if discovery { answer.clone() } else { Answer::Json(honest.clone()) });
        issuer.answer_keys(answer.clone());
        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!((error.reason(), error.code()), ("keys-unavailable", "issuer-unavailable"));
        assert!(error.is_unavailable());
        assert_eq!(verifier.issuers_without_keys().len(), 1);
        // Nothing is broken for good.
        issuer.answer_discovery(Answer::Json(honest));
        issuer.publish(&[key.jwk()]);
        assert_eq!(judge(&verifier, &token).await, "accepted");
        assert!(verifier.issuers_without_keys().is_empty());
    }
}

#[tokio::test]
async fn a_long_document_is_given_up_at_its_limit() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    let padded = |length: usize| Answer::Json(json!({"keys": [key.jwk()], "padding": "x".repeat(length)}));
    issuer.answer_keys(padded(300_000));
    let missing = verifier(&issuer, |_| {}).warm_up().await;
    assert!(missing[0].1.to_string().contains("longer than 262144 bytes"), "{}", missing[0].1);
    issuer.answer_keys(padded(200_000));
    assert!(verifier(&issuer, |_| {}).warm_up().await.is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let key = TestKey::new("a");
    let elsewhere = FakeIssuer::start(&[key.jwk()]).await;
    let issuer = FakeIssuer::start(&[]).await;
    issuer.answer_keys(Answer::Redirect(format!("{}/jwks", elsewhere.url)));
    let verifier = verifier(&issuer, |_| {});
    let error = verifier.verify(&key.sign(&claims(&issuer.url))).await.unwrap_err();
    assert!(error.to_string().contains("redirects are not followed"), "{error}");
    assert_eq!(elsewhere.count(), 0);
}

#[rstest]
#[case::file("file:///etc/hostname", "must be an absolute URL")]
#[case::plain("http://192.0.2.1/jwks", "must use https")]
#[case::credentials("http://a:b@127.0.0.1/jwks", "must not contain a user name")]
#[case::relative("/jwks", "must be an absolute URL")]
#[tokio::test]
async fn a_key_address_that_must_not_be_used_is_refused(#[case] address: &str, #[case] rule: &str) {
    let issuer = FakeIssuer::start(&[]).await;
    issuer.answer_discovery(Answer::Json(json!({"issuer": issuer.url, "jwks_uri": address})));
    let missing = verifier(&issuer, |_| {}).warm_up().await;
    assert!(missing[0].1.to_string().contains(rule), "{}", missing[0].1);
}

#[tokio::test]
async fn a_discovery_document_that_names_another_issuer_is_refused() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    for other in [format!("{}/", issuer.url), "https://login.example.dk".to_owned()] {
        let document = json!({"issuer": other, "jwks_uri": format!("{}/jwks", issuer.url)});
        issuer.answer_discovery(Answer::Json(document));
        let missing = verifier(&issuer, |_| {}).warm_up().await;
        assert!(missing[0].1.to_string().contains("byte for byte"));
    }
    assert_eq!(issuer.key_count(), 0);
}

#[tokio::test]
async fn one_odd_key_does_not_spoil_the_others() {
    let key = TestKey::new("good");
    let odd: [Value; 3] =
        [json!({"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq"}), json!({}), json!({"kty": "RSA", "kid": "x"})];
    let issuer = FakeIssuer::start(&[&odd[..], &[key.jwk()]].concat()).await;
    assert_eq!(judge(&verifier(&issuer, |_| {}), &key.sign(&claims(&issuer.url))).await, "accepted");
}

#[tokio::test]
async fn an_issuer_that_is_away_at_start_is_named_and_asked_again_later() {
    let key = TestKey::new("a");
    let issuer = FakeIssuer::start(&[key.jwk()]).await;
    issuer.answer_discovery(Answer::Status(502));
    let absent = IssuerConfig {
        key_refresh: KeyRefresh { cooldown_seconds: 0, ..KeyRefresh::default() },
        ..IssuerConfig::new("http://127.0.0.1:1", "oscar-host")
    };
    let verifier = TokenVerifier::new(vec![issuer.config(), absent]).unwrap();
    assert_eq!(verifier.warm_up().await.len(), 2);
    let honest = json!({"issuer": issuer.url, "jwks_uri": format!("{}/jwks", issuer.url)});
    issuer.answer_discovery(Answer::Json(honest));
    let missing = verifier.warm_up().await;
    assert_eq!(missing.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["http://127.0.0.1:1"]);
}
