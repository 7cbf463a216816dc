//! What intake promises, one sentence a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
// Small texts of test data are plainer to read this way.
#![allow(clippy::format_collect, clippy::format_push_string)]

mod bad_input;
mod continuity;
mod contract;
mod failing_store;
mod formats;
mod hostile_parquet;
mod kill;
mod person_numbers;
mod quarantine;
mod real_extracts;
mod repetition;
mod scan;
mod spoke;
