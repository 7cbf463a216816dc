//! What permits, contracts and profiles promise, one sentence a test.

mod contracts;
mod identifiers;
mod permits;
mod profiles;
