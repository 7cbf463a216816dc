//! The lake on every backend: one suite, run on a local directory and on a real S3 server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that meets something unexpected fails"
)]

mod backend;
mod contracts;
mod failing_store;
mod failures;
mod kills;
mod put_if_absent;
mod rows;
mod storages;
mod table_commits;
mod table_reads;
