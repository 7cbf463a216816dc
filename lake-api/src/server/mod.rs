//! The HTTP service: start, serve, stop.
//!
//! [`Server::start`] opens everything in the order in which a failure is cheapest: settings,
//! profiles, keys, storage, journal, permits, issuer; then it listens, and only then checks
//! the store and fetches the issuers' keys in the background, so that a start is fast and
//! `/ready` says what is still missing.
//!
//! [`Running::shutdown`] stops in the reverse order: no new requests, running ones end (or
//! are cut off after `limits.drainSeconds`), releases in work are let go (the next start
//! takes them up), the journal commits what waits and writes a checkpoint.

pub(crate) mod accept;
mod admin;
pub(crate) mod app;
mod bodies;
pub(crate) mod caller;
mod connections;
mod docs;
pub(crate) mod extract;
mod layers;
mod openapi;
mod patient_stream;
mod rate;
mod readiness;
pub(crate) mod rejection;
mod router;
mod start;
mod tls;

pub use router::openapi_json;
pub use start::{Running, Server, StartError};
pub use tls::TlsError;
