//! Schemathesis, which derives tests of an HTTP API from its `OpenAPI` description.

use std::path::PathBuf;

use crate::PeerError;
use crate::cache::{install_python, installed};

const VERSION: &str = "4.32.5";

/// The path of the `schemathesis` executable.
///
/// # Errors
/// Absent where Python or the package registry is missing.
pub fn schemathesis() -> Result<PathBuf, PeerError> {
    let folder = installed(&format!("schemathesis-{VERSION}"), |folder| {
        install_python(folder, &format!("schemathesis=={VERSION}"))
    })?;
    Ok(folder.join("bin/schemathesis"))
}
