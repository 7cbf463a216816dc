//! Quotas: how much a tenant may ask under a permit. Refused tries count, because a
//! refusal tells something too.

use oscar_permit::Quotas;
use serde::{Deserialize, Serialize};

/// What has been used, or what a request would use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaUse {
    /// Submitted releases, refused ones included.
    pub releases: u64,
    /// Released cells.
    pub cells: u64,
    /// Literals in the statement; not added up over releases.
    pub literals: u32,
}

/// Which quota a request exceeds. The limits are the profile's, not the data's, so the
/// message may name them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaExceeded {
    /// Too many submissions under the permit.
    #[error("the permit's quota of {0} releases is used up; ask the authority to extend it")]
    Releases(u32),
    /// Too many cells under the permit.
    #[error("the permit's quota of {0} released cells would be exceeded; ask for a smaller table")]
    Cells(u32),
    /// Too many literals in one statement.
    #[error("the statement has more than {0} literals; use ranges or code-list columns instead")]
    Literals(u32),
}

/// Whether `asked` fits beside `used`.
///
/// # Errors
/// The first quota that is exceeded.
pub fn quota_decision(used: QuotaUse, asked: QuotaUse, quotas: &Quotas) -> Result<(), QuotaExceeded> {
    // `cells_per_release` is judged on the table itself, by `judge`.
    let Quotas { releases, cells, cells_per_release: _, literals } = quotas;
    if used.releases.saturating_add(asked.releases) > u64::from(*releases) {
        return Err(QuotaExceeded::Releases(*releases));
    }
    if used.cells.saturating_add(asked.cells) > u64::from(*cells) {
        return Err(QuotaExceeded::Cells(*cells));
    }
    if asked.literals > *literals {
        return Err(QuotaExceeded::Literals(*literals));
    }
    Ok(())
}
