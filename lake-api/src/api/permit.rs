//! The caller's own permits.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who the caller is here, and under which permits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Permits {
    /// The caller as the identity provider names them.
    pub identity: Person,
    /// The permits in force that name the caller.
    pub permits: Vec<Permit>,
}

/// A person or program at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// The identity provider.
    pub issuer: String,
    /// The person at that provider.
    pub subject: String,
}

/// One permit as its holder sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permit {
    /// The authority's reference number.
    pub id: String,
    /// The caller's role under it: analyst, steward, controller-steward or auditor.
    pub role: String,
    /// Who decided.
    pub authority: String,
    /// What for.
    pub purpose: Vec<String>,
    /// Name of the disclosure profile.
    pub profile: String,
    /// Persons behind every released figure, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
    /// First moment of validity.
    pub valid_from: DateTime<Utc>,
    /// First moment after validity.
    pub valid_until: DateTime<Utc>,
    /// The datasets and tables it names.
    pub datasets: BTreeMap<String, Vec<String>>,
    /// How much has been asked and how much may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
}

/// Use of a permit so far, or of one of its datasets under all permits, whichever is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Submitted releases, refused ones included.
    pub releases_used: u64,
    /// How many may be submitted.
    pub releases: u64,
    /// Released cells.
    pub cells_used: u64,
    /// How many may be released.
    pub cells: u64,
}
