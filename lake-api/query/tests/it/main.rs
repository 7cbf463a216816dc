//! Tests of the guarded engine, one binary.

mod data;
mod evidence_persons;
mod finish_output;
mod fixture;
mod gate_allows;
mod gate_fuzz;
mod gate_refuses;
mod same_as_filtered_copy;
mod worker_process;
