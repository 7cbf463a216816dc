//! The tenant's service and the person's command line.
//!
//! ```text
//!  request ─▶ layers (id, headers, limits) ─▶ Caller (token ─▶ identity ─▶ permits) ─▶ route
//!                                                                                        │
//!  journal ◀─▶ release service: submit ─▶ vet (gate, evidence, judge) ─▶ review ─▶ publish
//! ```
//!
//! [`server`] serves HTTP, [`api`] is what travels there; the release service (private)
//! moves releases from submission to publication; [`cli`] and [`demo`] are the `oscar`
//! program. All state is in the journal; this crate keeps none of its own.

pub mod api;
mod audit_view;
mod catalogue;
pub mod cli;
pub mod config;
mod contracts;
pub mod delivery;
pub mod demo;
mod landing;
pub mod metrics;
mod platform;
pub mod probe;
pub mod profiles;
mod release;
mod routes;
mod scope;
mod seal;
pub mod server;
pub mod service;
mod signals;
pub mod telemetry;
mod vault;
