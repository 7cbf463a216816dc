//! One controller per kind, each in the same five steps.
//!
//! ```text
//!  dereference (client) ─▶ validate (pure) ─▶ build (pure, blueprint) ─▶ apply (client) ─▶ update_status (client)
//! ```
//!
//! A step that fails ends the reconcile; what was done before stays and is found by the next
//! one. Failures that may pass are tried again with a growing, jittered breath per object;
//! failures that need a person wait for a change.

pub(crate) mod claim;
pub mod context;
pub mod data_permit;
pub mod deadline;
pub mod disturbance;
pub mod extract;
pub mod failure;
pub mod tenant;
