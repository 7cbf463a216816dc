//! Integration tests of the service, the command line and the demo's data.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that meets something unexpected fails"
)]

mod access;
mod audit;
mod command_line;
mod connections;
mod demo;
mod generated_registers;
mod http;
mod interrupted;
mod login;
mod offline_verification;
mod openapi;
mod permit_ends;
mod releases;
mod review;
mod worker;
mod world;
