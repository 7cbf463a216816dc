//! What the end-to-end tests stand on: the real binaries, a delivery made on the spot, and
//! an installation of `lake-api` beside a real identity provider and a real object store.
//!
//! ```text
//!  Delivery ──oscar/lake-api intake──▶ Installation (local disk or SeaweedFS)
//!  OidcProvider ──tokens──▶ oscar … ──HTTP──▶ lake-api serve (a process of its own)
//! ```
//!
//! The tests live in `tests/it`; each is a sentence about the whole system.

mod binaries;
pub mod cluster;
mod delivery;
mod installation;
pub mod readme;

pub use binaries::{binary, workspace_root};
pub use delivery::{DATASET, Delivery};
pub use installation::{Installation, PERMIT, Served};
