//! The permits of one machine: a folder of files, looked at again at every request.
//!
//! Each call of [`PermitBook::permits`] asks the file system for names, times and sizes
//! and reads only what changed, so a revoked, shortened or removed permit counts at the
//! very next request without a signal or a restart. Whatever is in doubt gives nothing:
//!
//! * a file that cannot be read, is not a permit, is a link or not a plain file, or is
//!   longer than 1 MiB: its permit does not exist, also when it existed a moment ago;
//! * two files with one permit id: neither counts;
//! * a permit of another tenant (see [`PermitBook::for_tenant`]): it does not count;
//! * a folder that cannot be listed: no permit exists.
//!
//! Each of these is shown in [`Permits::problems`]. Files are `*.yaml`, `*.yml` and
//! `*.json`; names that begin with a dot and other endings are left alone.
//!
//! A file system's clock may be too coarse to tell two quick changes apart, so a file
//! that changed less than two seconds before it was read is read again next time.
//!
//! The folder itself may be a link, its entries may not: where a Kubernetes `ConfigMap` is
//! mounted, name its `..data` folder, which is exchanged as a whole.

mod decision;
mod file;
mod permits;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use oscar_permit::{Identity, TenantName};
use parking_lot::Mutex;

pub use decision::{Decision, HeldGrant};
pub use permits::{HeldPermit, PermitProblem, Permits, ProblemKind};

use file::PermitFile;

/// Why a permit folder cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum PermitBookError {
    /// No such folder, or not a folder, or not readable.
    #[error("the permit folder cannot be listed; create it, or correct its path and rights")]
    Folder(#[source] std::io::Error),
}

/// The permit files of a folder. Calls may come from many threads.
#[derive(Debug)]
pub struct PermitBook {
    folder: PathBuf,
    tenant: Option<TenantName>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    files: BTreeMap<OsString, PermitFile>,
    permits: Arc<Permits>,
}

impl PermitBook {
    /// Opens a folder of permit files.
    ///
    /// # Errors
    /// When the folder cannot be listed. Broken files are no error, see [`Permits::problems`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, PermitBookError> {
        let book = Self { folder: folder.into(), tenant: None, known: Mutex::default() };
        std::fs::read_dir(&book.folder).map_err(PermitBookError::Folder)?;
        Ok(book)
    }

    /// Lets only the permits of one tenant count.
    #[must_use]
    pub fn for_tenant(self, tenant: TenantName) -> Self {
        Self { folder: self.folder, tenant: Some(tenant), known: Mutex::default() }
    }

    /// The permits as the files are now.
    #[must_use]
    pub fn permits(&self) -> Arc<Permits> {
        let mut known = self.known.lock();
        match names(&self.folder) {
            Ok(names) => {
                if refresh(&mut known.files, &self.folder, names) || known.permits.is_without_folder() {
                    known.permits = Arc::new(Permits::new(&known.files, self.tenant.as_ref()));
                }
            }
            Err(error) => {
                if !known.permits.is_without_folder() {
                    tracing::error!(%error, "the permit folder cannot be listed, so no permit counts");
                    known.files.clear();
                    known.permits = Arc::new(Permits::without_folder());
                }
            }
        }
        Arc::clone(&known.permits)
    }

    /// What the permits, as the files are now, give `identity` at `now`.
    #[must_use]
    pub fn decide(&self, identity: &Identity, now: DateTime<Utc>) -> Decision {
        self.permits().decide(identity, now)
    }

    /// What is wrong with the files now; empty when all is well.
    #[must_use]
    pub fn problems(&self) -> Vec<PermitProblem> {
        self.permits().problems().to_vec()
    }
}

/// The names of the permit files in a folder.
fn names(folder: &Path) -> std::io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let ending = Path::new(&name).extension().map(std::ffi::OsStr::to_ascii_lowercase);
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && ending.is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known)) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Brings `files` up to date and says whether anything changed.
fn refresh(files: &mut BTreeMap<OsString, PermitFile>, folder: &Path, names: BTreeSet<OsString>) -> bool {
    let before = files.len();
    files.retain(|name, _| names.contains(name));
    let mut changed = files.len() != before;
    for name in names {
        let path = folder.join(&name);
        if files.get(&name).is_some_and(|file| file.is_current(&path)) {
            continue;
        }
        let file = PermitFile::read(&path);
        changed |= files.get(&name).is_none_or(|old| !old.says_the_same(&file));
        files.insert(name, file);
    }
    changed
}
