//! Sentences about the whole system.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and says SKIPPED by printing"
)]

mod api_fuzzing;
mod house;
mod interruptions;
mod whole_path;
