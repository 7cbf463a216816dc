//! The vetting from outside: every rule at its boundary, attackers, real tables.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests stop at the first surprise and say why they skip"
)]

mod adult;
mod attackers;
mod class_disclosure;
mod contradictions;
mod dominance;
mod ledger;
mod population;
mod receipts;
mod serialisation;
mod share_hidden;
mod supports;
mod thresholds;
mod verdicts;
mod zero_and_small;
