//! Opening a file so that it is the one whose path was checked.
//!
//! Between the check and the opening a hostile holder could put a link in the file's place, or
//! a pipe that never ends. So the file is opened first, without waiting for anybody, and then
//! the path is resolved once more: it must still lead through no link to the very file
//! that is open.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use super::ReadError;
use crate::package::FilePlan;

/// Opens a file of the plan, whose path is resolved and free of links.
pub(super) fn open(file: &FilePlan, number: usize) -> Result<File, ReadError> {
    let io = |source| ReadError::Io { file: number, source };
    // Without O_NONBLOCK opening a pipe waits for a writer; regular files do not know it.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&file.path).map_err(io)?;
    let here = opened.metadata().map_err(io)?;
    let same_path = file.path.canonicalize().is_ok_and(|path| path == file.path);
    let there = file.path.symlink_metadata().map_err(io)?;
    let same_file = (here.dev(), here.ino()) == (there.dev(), there.ino());
    if here.is_file() && same_path && same_file { Ok(opened) } else { Err(ReadError::Replaced { file: number }) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::package::Compression;

    fn plan(path: &Path) -> FilePlan {
        FilePlan { path: path.to_owned(), digest: oscar_permit::Sha256Digest::of(b""), compression: Compression::None }
    }

    #[test]
    fn a_link_or_a_pipe_in_the_place_of_the_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let path = root.join("a.csv");
        std::fs::write(&path, "x").unwrap();
        assert!(open(&plan(&path), 1).is_ok());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(matches!(open(&plan(&path), 1), Err(ReadError::Replaced { file: 1 })));
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(matches!(open(&plan(&path), 1), Err(ReadError::Replaced { file: 1 })));
    }

    #[test]
    fn a_folder_that_became_a_link_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("sub")).unwrap();
        std::fs::create_dir(root.join("elsewhere")).unwrap();
        std::fs::write(root.join("elsewhere/a.csv"), "x").unwrap();
        std::fs::remove_dir(root.join("sub")).unwrap();
        std::os::unix::fs::symlink(root.join("elsewhere"), root.join("sub")).unwrap();
        assert!(matches!(open(&plan(&root.join("sub/a.csv")), 1), Err(ReadError::Replaced { .. })));
    }
}
