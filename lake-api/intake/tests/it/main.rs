//! What intake promises, one sentence a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod bad_input;
mod failing_store;
mod formats;
mod kill;
mod person_numbers;
mod quarantine;
mod real_extracts;
mod repetition;
mod scan;
mod spoke;
