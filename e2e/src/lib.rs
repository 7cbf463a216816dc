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
mod link;
pub mod own_operator;
pub mod readme;
mod small_disk;

pub use binaries::{binary, workspace_root};
pub use delivery::{DATASET, Delivery, Searched};
pub use installation::{Installation, PERMIT, Served};
pub use link::Link;
pub use small_disk::SmallDisk;

/// Whether the tests run as root.
fn is_root() -> bool {
    std::process::Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
