//! Access seen from outside: tokens, keys, permits and logins, mostly as an attacker.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the shared stages of the tests fail like the tests themselves"
)]

mod dev_issuer_flows;
mod dev_issuer_refusals;
mod fake_issuer;
mod key_cache;
mod key_file;
mod login_id_token;
mod login_redirect;
mod permit_files;
mod real_provider;
mod real_provider_attacks;
mod signed_token;
mod token_cache_file;
mod token_rules;
