//! A package may only point to files in its own folder.
//!
//! The rules of Frictionless ("path" must be relative, without `..`) are necessary and not
//! enough: a symbolic link inside the folder leads out just as well. So the path is checked
//! as text first and then, resolved by the file system, must still lie below the folder.

use std::path::{Component, Path, PathBuf};

/// Why a path is not followed. Names the resource, never the path: it comes from outside.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// Not a relative path of plain names.
    #[error("a path must be relative, without '..', drive letters, backslashes or addresses of the web")]
    Form,
    /// Leads out of the folder through a link.
    #[error("the file lies outside the folder of the package; put the file itself there, not a link to it")]
    Outside,
    /// Not there.
    #[error("the file is not there, or cannot be read; deliver it beside the package or name its folder")]
    Missing(#[source] std::io::Error),
    /// Not a file.
    #[error("the path is not a file")]
    NotAFile,
}

/// The file that `path` names inside `folder`.
pub(crate) fn resolve(folder: &Path, path: &str) -> Result<PathBuf, PathError> {
    if path.is_empty() || path.contains([':', '\\', '\0']) || path.starts_with('/') {
        return Err(PathError::Form);
    }
    let relative = Path::new(path);
    if !relative.components().all(|component| matches!(component, Component::Normal(_))) {
        return Err(PathError::Form);
    }
    let root = folder.canonicalize().map_err(PathError::Missing)?;
    let file = root.join(relative).canonicalize().map_err(PathError::Missing)?;
    if !file.starts_with(&root) {
        return Err(PathError::Outside);
    }
    if !file.is_file() {
        return Err(PathError::NotAFile);
    }
    Ok(file)
}
