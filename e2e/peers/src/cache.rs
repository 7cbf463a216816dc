//! The cache of installed peers: one folder per name and version, complete or rebuilt.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::PeerError;

/// Written last, so that a half-done installation is recognised and done again.
const COMPLETE: &str = ".complete";

/// The folder of an installed peer; installs it first where needed.
///
/// # Errors
/// Absent when the folder cannot be made or `install` fails.
pub(crate) fn installed(
    name: &str,
    install: impl FnOnce(&Path) -> Result<(), PeerError>,
) -> Result<PathBuf, PeerError> {
    let cache = cache_folder()?;
    let unusable = |error: std::io::Error| PeerError::Absent(format!("the peers' cache cannot be written: {error}"));
    fs::create_dir_all(&cache).map_err(unusable)?;
    let lock = File::create(cache.join(format!("{name}.lock"))).map_err(unusable)?;
    lock.lock().map_err(unusable)?;
    let folder = cache.join(name);
    if folder.join(COMPLETE).exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(unusable)?;
    }
    fs::create_dir_all(&folder).map_err(unusable)?;
    install(&folder)?;
    File::create(folder.join(COMPLETE)).map_err(unusable)?;
    Ok(folder)
}

/// Makes a Python environment in `folder` and installs one requirement with its dependencies.
pub(crate) fn install_python(folder: &Path, requirement: &str) -> Result<(), PeerError> {
    run("python3", Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    run("pip", pip.args(["install", "--quiet", "--no-input", "--disable-pip-version-check", requirement]))
}

/// Installs one npm package with its dependencies below `folder`; runs no install scripts.
pub(crate) fn install_npm(folder: &Path, requirement: &str) -> Result<(), PeerError> {
    let mut npm = Command::new("npm");
    npm.arg("install").arg("--prefix").arg(folder);
    run("npm", npm.args(["--no-audit", "--no-fund", "--silent", "--ignore-scripts", requirement]))
}

fn run(program: &str, command: &mut Command) -> Result<(), PeerError> {
    let output =
        command.output().map_err(|error| PeerError::Absent(format!("{program} cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
    Err(PeerError::Absent(format!("{program} could not install a peer: {last}")))
}

fn cache_folder() -> Result<PathBuf, PeerError> {
    if let Some(folder) = std::env::var_os("OSCAR_PEERS_CACHE") {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME")
        .ok_or_else(|| PeerError::Absent("neither OSCAR_PEERS_CACHE nor HOME says where to keep peers".into()))?;
    Ok(PathBuf::from(home).join(".cache/oscar/peers"))
}
