//! The operator: from `Tenant`, `DataPermit` and `Extract` objects to isolated lakes.
//!
//! ```text
//!  API server ─▶ world (mirrors) ─▶ controllers: dereference ▸ validate ▸ build ▸ apply ▸ update_status
//!                                        │              │          │
//!                                     storage (S3,   blueprint   objects (server-side apply, drift)
//!                                     IAM), keys,     (pure)
//!                                     pki, jwks
//! ```
//!
//! One process writes at a time (`lease`), everything it knows it mirrors from watches
//! (`world`), and what it decides it reads from there and nowhere else: a restart loses nothing.

pub mod admin;
pub mod authority;
pub mod cli;
pub mod controllers;
pub mod discover;
#[cfg(test)]
mod fixture;
pub mod jwks;
pub mod keys;
pub mod lease;
pub mod metrics;
pub mod mirror;
pub mod objects;
pub mod pki;
pub mod pull_secrets;
pub mod ring;
pub mod run;
pub mod settings;
pub mod sight;
pub mod storage;
pub mod trigger;
pub mod world;
