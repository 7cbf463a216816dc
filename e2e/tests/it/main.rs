//! Sentences about the whole system.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod api_fuzzing;
mod charts;
mod house;
mod interruptions;
mod readme;
mod whole_path;
