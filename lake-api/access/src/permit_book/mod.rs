//! The permits of one machine: a folder of files, looked at again at every request.
//!
//! Each call of [`PermitBook::permits`] asks the file system for times and sizes, of the folder
//! (which names it holds) and of every file, and reads only what changed, so a revoked, shortened or removed permit counts at the
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
//! A file system's clock may be too coarse to tell two quick changes apart, so what changed
//! less than two seconds before it was read is read again next time.
//!
//! The folder itself may be a link, its entries may not: where a Kubernetes `ConfigMap` is
//! mounted, name its `..data` folder, which is exchanged as a whole.

mod decision;
mod file;
mod mark;
mod permits;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use oscar_permit::{Identity, TenantName};
use parking_lot::RwLock;

pub use decision::{Decision, HeldGrant};
pub use permits::{HeldPermit, PermitProblem, Permits, ProblemKind};

use file::PermitFile;
use mark::Mark;

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
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The folder when its names were listed; `None`: list them again next time.
    folder: Option<Mark>,
    files: BTreeMap<OsString, PermitFile>,
    permits: Arc<Permits>,
}

impl PermitBook {
    /// Opens a folder of permit files.
    ///
    /// # Errors
    /// When the folder cannot be listed. Broken files are no error, see [`Permits::problems`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, PermitBookError> {
        let book = Self { folder: folder.into(), tenant: None, known: RwLock::default() };
        std::fs::read_dir(&book.folder).map_err(PermitBookError::Folder)?;
        Ok(book)
    }

    /// Lets only the permits of one tenant count.
    #[must_use]
    pub fn for_tenant(self, tenant: TenantName) -> Self {
        Self { folder: self.folder, tenant: Some(tenant), known: RwLock::default() }
    }

    /// The permits as the files are now.
    #[must_use]
    pub fn permits(&self) -> Arc<Permits> {
        // Callers look side by side; only a change makes them wait for each other.
        {
            let known = self.known.read();
            if known.is_current(&self.folder) {
                return Arc::clone(&known.permits);
            }
        }
        let mut known = self.known.write();
        // Before the names: a name that comes meanwhile makes the mark an old one.
        let folder = mark_of(&self.folder);
        match names(&self.folder) {
            Ok(names) => {
                known.folder = folder;
                if refresh(&mut known.files, &self.folder, names) || known.permits.is_without_folder() {
                    known.permits = Arc::new(Permits::new(&known.files, self.tenant.as_ref()));
                }
            }
            Err(error) => {
                if !known.permits.is_without_folder() {
                    tracing::error!(%error, "the permit folder cannot be listed, so no permit counts");
                    known.folder = None;
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

impl Known {
    /// Whether folder and files are certainly those that were looked at.
    fn is_current(&self, folder: &Path) -> bool {
        self.folder.is_some()
            && mark_of(folder) == self.folder
            && self.files.iter().all(|(name, file)| file.is_current(&folder.join(name)))
    }
}

/// The mark of a folder whose last change lies back; the folder may be a link.
fn mark_of(folder: &Path) -> Option<Mark> {
    let mark = Mark::of(&std::fs::metadata(folder).ok()?);
    mark.is_settled().then_some(mark)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    fn permit(id: &str) -> String {
        format!(
            "id: {id}\ntenant: acme\nauthority: a\nlegalBasis: b\npurpose: [DUO:0000007]\n\
             persons: [{{issuer: 'https://a.dk', subject: anna, role: analyst}}]\n\
             datasets: [{{dataset: clinic, tables: [{{table: visit}}]}}]\nprofile: sds\n\
             validFrom: 2020-01-01T00:00:00Z\nvalidUntil: 2199-01-01T00:00:00Z\n"
        )
    }

    fn ids(book: &PermitBook) -> Vec<String> {
        book.permits().iter().map(|held| held.permit.id.to_string()).collect()
    }

    /// What happens in `root`, where `now` links to the folder `one`, and which permits are there then.
    #[rstest]
    #[case::new(|root: &Path| std::fs::write(root.join("one/b.yaml"), permit("B")).unwrap(), &["A", "B"])]
    #[case::written_over(|root: &Path| std::fs::write(root.join("one/a.yaml"), permit("C")).unwrap(), &["C"])]
    #[case::removed(|root: &Path| std::fs::remove_file(root.join("one/a.yaml")).unwrap(), &[])]
    #[case::renamed(|root: &Path| std::fs::rename(root.join("one/a.yaml"), root.join("one/a.off")).unwrap(), &[])]
    #[case::exchanged_as_a_whole(
        |root: &Path| {
            symlink(root.join("two"), root.join("next")).unwrap();
            std::fs::rename(root.join("next"), root.join("now")).unwrap();
        },
        &["D"]
    )]
    fn a_change_counts_at_once_after_a_long_time_without_any(#[case] change: fn(&Path), #[case] expected: &[&str]) {
        let root = tempfile::tempdir().unwrap();
        for (folder, name, id) in [("one", "a.yaml", "A"), ("two", "d.yaml", "D")] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
            std::fs::write(root.path().join(folder).join(name), permit(id)).unwrap();
        }
        symlink(root.path().join("one"), root.path().join("now")).unwrap();
        let book = PermitBook::open(root.path().join("now")).unwrap();
        // Until nothing is read any more.
        while !book.known.read().is_current(&book.folder) {
            assert_eq!(ids(&book), ["A"]);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        change(root.path());
        assert_eq!(ids(&book), expected);
    }
}
