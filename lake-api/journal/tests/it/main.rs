//! The journal as its users and its attackers meet it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests, whose shared steps the lints do not recognise as such"
)]

mod appending;
mod cast;
mod contract;
mod failing_store;
mod fold_properties;
mod processes;
mod release_rules;
mod release_states;
mod startup;
mod tampering;
