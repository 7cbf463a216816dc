//! One permit file: what it said when it was read, and whether it may have changed since.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use oscar_permit::{DataPermit, PermitError};

use super::mark::Mark;
use super::permits::{HeldPermit, ProblemKind};

/// Largest permit file, in bytes.
const LIMIT: usize = 1024 * 1024;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct PermitFile {
    /// `None`: read again next time.
    mark: Option<Mark>,
    /// The permit, or why there is none.
    pub(super) content: Result<HeldPermit, ProblemKind>,
}

impl PermitFile {
    /// Reads a file; whatever goes wrong becomes its content.
    pub(super) fn read(path: &Path) -> Self {
        match read(path) {
            Ok((mark, content)) => Self { mark: mark.is_settled().then_some(mark), content },
            Err(kind) => Self { mark: None, content: Err(kind) },
        }
    }

    /// Whether the file is certainly the one that was read.
    pub(super) fn is_current(&self, path: &Path) -> bool {
        self.mark.is_some() && std::fs::symlink_metadata(path).ok().map(|meta| Mark::of(&meta)) == self.mark
    }

    /// Whether another reading brought the same permit or the same problem.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Ok(mine), Ok(theirs)) => mine.digest == theirs.digest,
            (Err(mine), Err(theirs)) => mine == theirs,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        }
    }
}

fn read(path: &Path) -> Result<(Mark, Result<HeldPermit, ProblemKind>), ProblemKind> {
    // Asked before opening: opening a pipe would wait for its other end.
    let named = std::fs::symlink_metadata(path).map_err(|_| ProblemKind::Unreadable)?;
    if !named.is_file() {
        return Err(ProblemKind::NotAFile);
    }
    let file = File::open(path).map_err(|_| ProblemKind::Unreadable)?;
    let opened = file.metadata().map_err(|_| ProblemKind::Unreadable)?;
    // Exchanged between the two calls, for a link perhaps: read next time.
    if Mark::of(&named) != Mark::of(&opened) {
        return Err(ProblemKind::Unreadable);
    }
    let mut bytes = Vec::new();
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(|_| ProblemKind::Unreadable)?;
    Ok((Mark::of(&opened), parse(bytes)))
}

fn parse(bytes: Vec<u8>) -> Result<HeldPermit, ProblemKind> {
    if bytes.len() > LIMIT {
        return Err(ProblemKind::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|_| ProblemKind::NotText)?;
    let permit = DataPermit::from_yaml(&text).map_err(|error| invalid(&error))?;
    let digest = permit.digest().map_err(|error| invalid(&error))?;
    Ok(HeldPermit { permit: Arc::new(permit), digest })
}

/// What is wrong and where. Below its first line a syntax error quotes the file, persons
/// included, and problems are shown at a door without a lock.
fn invalid(error: &PermitError) -> ProblemKind {
    ProblemKind::Invalid(error.to_string().lines().next().unwrap_or_default().to_owned())
}
