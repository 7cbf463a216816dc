//! Tests of the guarded engine, one binary.

mod fixture;
mod gate_allows;
mod gate_refuses;
