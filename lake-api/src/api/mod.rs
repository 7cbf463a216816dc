//! What travels over HTTP: the JSON bodies of `/v1`, shared by the server and the
//! command line so that the two cannot drift apart.
//!
//! Every request body refuses unknown fields: a misspelt `permit` must not silently
//! mean "any permit". No response body can hold a count that vetting has not passed.

pub mod audit;
pub mod catalogue;
pub mod keys;
pub mod permit;
pub mod problem;
pub mod query;
pub mod release;
pub mod review;
