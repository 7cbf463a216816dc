//! Tests of the guarded engine, one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test fails the test by panicking, as the test itself does"
)]

mod attacker;
mod data;
mod evidence_persons;
mod finish_output;
mod fixture;
mod gate_allows;
mod gate_fuzz;
mod gate_refuses;
mod same_as_filtered_copy;
mod worker_process;
