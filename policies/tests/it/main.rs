//! What the policies let through and what they deny.
//!
//! The expressions are run by kube-cel's interpreter and Kubernetes functions. Its own
//! evaluator of admission policies knows no matching, no variables and no subresource, and
//! writes the keys of labels differently from the API server; so binding values and matching
//! requests is done here, after the rules of the API server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod blueprint;
mod case;
mod cases;
mod evaluation;
#[expect(dead_code, reason = "the blueprint's own tests ask for more of it")]
#[path = "../../../operator/blueprint/tests/it/fixture.rs"]
mod fixture;
mod form;
mod matching;
mod policy;
mod request;
