//! What a token check costs beside the bare signature check of the library.
//!
//! `cargo bench --profile dev -p oscar-access` prints the median of each and their ratio; the keys are
//! fetched before the clock starts, as in a running service.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its result and stops at a failure")]

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use oscar_access::{DevIssuer, DevIssuerOptions, TokenVerifier};
use serde_json::Value;

const ROUNDS: usize = 5000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let options = DevIssuerOptions { users: vec!["alice".to_owned()], ..DevIssuerOptions::default() };
    let issuer = DevIssuer::start(options, &[]).await.unwrap();
    let verifier = TokenVerifier::new(vec![issuer.config()]).unwrap();
    assert!(verifier.warm_up().await.is_empty());
    let token = issuer.mint("alice", "oscar-host", TimeDelta::hours(1)).unwrap();

    let keys = reqwest::get(format!("{}/jwks", issuer.issuer())).await.unwrap().json::<JwkSet>().await.unwrap();
    let key = DecodingKey::from_jwk(keys.keys.first().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["oscar-host"]);
    validation.set_issuer(&[issuer.issuer()]);

    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    // Alternating, so that a busy machine is busy for both.
    for _ in 0..ROUNDS {
        let start = Instant::now();
        jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
        bare.push(start.elapsed());
        let start = Instant::now();
        verifier.verify(&token).await.unwrap();
        ours.push(start.elapsed());
    }
    let (bare, ours) = (median(bare), median(ours));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("token check (EdDSA, median of {ROUNDS}): {ours:?}; bare jsonwebtoken {bare:?}; ratio {ratio:.2}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
