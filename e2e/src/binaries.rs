//! The workspace's own binaries.

use std::path::{Path, PathBuf};

/// The workspace's folder.
#[must_use]
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// The path of a binary of this workspace. `cargo test --workspace` builds it, because the
/// tests of its own crate need it too; a nested cargo would only get in the way.
///
/// # Panics
/// When the binary is not there: nothing can be tested then.
#[expect(clippy::expect_used, reason = "called by tests only: it fails the calling test")]
pub fn binary(name: &str) -> PathBuf {
    // …/debug/deps/it-0123 lies beside …/debug/oscar.
    let test = std::env::current_exe().expect("the test has a path");
    let path = test.parent().and_then(Path::parent).expect("a target folder").join(name);
    assert!(path.is_file(), "{name} is not built: cargo build --workspace --bins");
    path
}
