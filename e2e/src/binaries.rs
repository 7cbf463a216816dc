//! The workspace's own binaries, built once a test run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's folder.
#[must_use]
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// The path of a binary of this workspace, built if it is not.
///
/// # Panics
/// When the workspace does not build: nothing can be tested then.
#[expect(clippy::expect_used, reason = "called by tests only: it fails the calling test")]
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--workspace", "--bins"])
            .current_dir(workspace_root())
            .status()
            .expect("cargo starts");
        assert!(built.success(), "the workspace does not build");
        // …/debug/deps/it-0123 lies beside …/debug/oscar.
        let test = std::env::current_exe().expect("the test has a path");
        test.parent().and_then(Path::parent).expect("a target folder").to_path_buf()
    });
    let path = folder.join(name);
    assert!(path.is_file(), "{name} was not built");
    path
}
