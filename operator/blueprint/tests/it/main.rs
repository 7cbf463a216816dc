//! The objects of a tenant: whole, in order, closed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the lint does not see test cases made by macros"
)]

mod firewall;
mod fixture;
mod installations;
mod order;
mod pods;
mod probes;
mod secrets;
mod snapshots;
