//! The operator against real peers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the lint does not see test cases made by macros"
)]

mod break_glass;
mod fake_api;
mod gateway;
mod permit;
mod recorded_storage;
mod storage;
mod tenant;
