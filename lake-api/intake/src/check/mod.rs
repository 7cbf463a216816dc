//! Checks on columns: every row is good, or in quarantine with the rule it broke.

mod constraints;
mod distinct_sample;
mod fault;
mod keys;
mod leak;

pub(crate) use constraints::check_fields;
pub(crate) use distinct_sample::DistinctSample;
pub(crate) use fault::Fault;
pub use fault::Rule;
pub(crate) use keys::{KeyHasher, KeySet};
pub(crate) use leak::{LeakCount, LeakJudgement, count_leaks, mask};
