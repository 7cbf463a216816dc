//! What permits, contracts and profiles promise, one sentence a test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the lint does not see test cases made by macros"
)]

mod contracts;
mod identifiers;
mod permits;
mod profiles;
