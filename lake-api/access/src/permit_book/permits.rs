//! A snapshot of all permits that count, and of what keeps others from counting.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;

use oscar_permit::{DataPermit, PermitId, Sha256Digest, TenantName};

use super::file::PermitFile;

/// A permit that counts.
#[derive(Debug, Clone)]
pub struct HeldPermit {
    /// The permit.
    pub permit: Arc<DataPermit>,
    /// The digest of its canonical JSON, for events and receipts.
    pub digest: Sha256Digest,
}

/// Why a file's permit does not count. For the operator: it names files and rules, and
/// must not reach a tenant's users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {kind}")]
pub struct PermitProblem {
    /// The file's name in the folder; `.` is the folder itself.
    pub file: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What can be wrong with a permit file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The folder cannot be listed.
    #[error("the permit folder cannot be listed, so no permit counts; correct its path and rights")]
    NoFolder,
    /// It cannot be opened or read.
    #[error("the file cannot be read; correct its rights")]
    Unreadable,
    /// A link, folder, pipe or device.
    #[error("not a plain file; copy the permit itself into the folder, links are not followed")]
    NotAFile,
    /// Longer than 1 MiB.
    #[error("the file is longer than 1 MiB; no permit is")]
    TooLong,
    /// Not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// Not a permit.
    #[error("{0}")]
    Invalid(String),
    /// The same id in several files.
    #[error("permit {0} is in several files, so none of them counts; keep one")]
    Duplicate(PermitId),
    /// Another tenant's.
    #[error("permit {0} was given to another tenant; remove it from this folder")]
    ForeignTenant(PermitId),
}

/// All permits that count at one moment. Immutable; cheap to share.
#[derive(Debug, Default)]
pub struct Permits {
    permits: BTreeMap<PermitId, HeldPermit>,
    problems: Vec<PermitProblem>,
}

impl Permits {
    pub(super) fn new(files: &BTreeMap<OsString, PermitFile>, tenant: Option<&TenantName>) -> Self {
        let mut permits = BTreeMap::new();
        let mut problems = Vec::new();
        let duplicates = duplicate_ids(files);
        for (name, file) in files {
            let kind = match &file.content {
                Err(kind) => kind.clone(),
                // Before the tenant: a duplicate id is in doubt, whoever it was given to.
                Ok(held) if duplicates.contains(&held.permit.id) => ProblemKind::Duplicate(held.permit.id.clone()),
                Ok(held) if tenant.is_some_and(|tenant| *tenant != held.permit.tenant) => {
                    ProblemKind::ForeignTenant(held.permit.id.clone())
                }
                Ok(held) => {
                    permits.insert(held.permit.id.clone(), held.clone());
                    continue;
                }
            };
            tracing::warn!(file = %name.display(), problem = %kind, "a permit file does not count");
            problems.push(PermitProblem { file: name.display().to_string(), kind });
        }
        Self { permits, problems }
    }

    pub(super) fn without_folder() -> Self {
        let problem = PermitProblem { file: ".".to_owned(), kind: ProblemKind::NoFolder };
        Self { permits: BTreeMap::new(), problems: vec![problem] }
    }

    pub(super) fn is_without_folder(&self) -> bool {
        self.problems.iter().any(|problem| problem.kind == ProblemKind::NoFolder)
    }

    /// The permit with this id, whether or not it is in force.
    #[must_use]
    pub fn get(&self, id: &PermitId) -> Option<&HeldPermit> {
        self.permits.get(id)
    }

    /// Whether a permit that is not there may be in a file that cannot be understood, or is in several: it gives
    /// nothing then, and that it has ended cannot be said either.
    #[must_use]
    pub fn in_doubt(&self, id: &PermitId) -> bool {
        self.problems.iter().any(|problem| match &problem.kind {
            ProblemKind::NoFolder
            | ProblemKind::Unreadable
            | ProblemKind::NotAFile
            | ProblemKind::TooLong
            | ProblemKind::NotText
            | ProblemKind::Invalid(_) => true,
            ProblemKind::Duplicate(twice) => twice == id,
            ProblemKind::ForeignTenant(_) => false,
        })
    }

    /// All permits that count, by id, whether or not they are in force.
    pub fn iter(&self) -> impl Iterator<Item = &HeldPermit> {
        self.permits.values()
    }

    /// What keeps files from counting.
    #[must_use]
    pub fn problems(&self) -> &[PermitProblem] {
        &self.problems
    }
}

fn duplicate_ids(files: &BTreeMap<OsString, PermitFile>) -> BTreeSet<&PermitId> {
    let mut seen = BTreeSet::new();
    let ids = files.values().filter_map(|file| Some(&file.content.as_ref().ok()?.permit.id));
    ids.filter(|id| !seen.insert(*id)).collect()
}
