//! Releases: one declared statement, its verdict and what came of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::permit::Person;
use super::query::Refusal;

/// Asks the platform to compute a statement, vet the result and release it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseRequest {
    /// One SELECT statement; the platform computes it itself on pinned table versions.
    #[schema(
        min_length = 1,
        max_length = 65536,
        pattern = "^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F][^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*$",
        example = "SELECT sex, count(*) AS contacts FROM hospital.contacts GROUP BY sex"
    )]
    pub sql: String,
    /// A title for people.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F][^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*$"
    )]
    pub title: String,
    /// What the result is for; reviewers read it.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = "^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F][^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*$"
    )]
    pub purpose: String,
    /// The permit to ask under; may be left out when the caller is an analyst under exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    pub permit: Option<String>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: ReleaseState,
    /// What happens next, or what to do, in words.
    pub next: String,
    /// The title.
    pub title: String,
    /// What it is for.
    pub purpose: String,
    /// The permit it was asked under.
    pub permit: String,
    /// Who asked.
    pub requester: Person,
    /// The statement.
    pub sql: String,
    /// When it was asked.
    pub submitted_at: DateTime<Utc>,
    /// When its state last changed.
    pub updated_at: DateTime<Utc>,
    /// The table versions it is computed on.
    pub versions: BTreeMap<String, u64>,
    /// Why the gate refused the statement; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The rules for which it was refused, without any figure; not in lists.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Why the platform could not compute it, or why it was ended: a stable code or the reason given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why two stewards look at it.
    #[serde(default)]
    pub review_reasons: Vec<String>,
    /// SHA-256 of every released file, by format; only once released.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
}

/// A rule that had something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// What it means, neutral.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReleaseState {
    /// Not submitted yet.
    Draft,
    /// The platform computes and judges it.
    Vetting,
    /// The rules forbid it.
    Refused,
    /// Two stewards look at it.
    InReview,
    /// A steward has asked the requester for a change.
    Returned,
    /// The stewards disagree.
    Conflict,
    /// Accepted; about to be published.
    Approved,
    /// Published.
    Released,
    /// The stewards said no.
    Rejected,
    /// Taken back before it was published, by the requester or by the end of the permit.
    Withdrawn,
    /// Taken back after it was published.
    Recalled,
}

/// One page of releases, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleasePage {
    /// The releases.
    pub releases: Vec<Release>,
    /// Pass as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Why the requester takes a release back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawRequest {
    /// The reason, for the record.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = "^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F][^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*$"
    )]
    pub reason: String,
}

/// A released table as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContentTable {
    /// The columns in their order.
    pub columns: Vec<ContentColumn>,
    /// The rows; dates and times are ISO 8601 text, a hidden value is null.
    #[schema(value_type = Vec<Vec<serde_json::Value>>)]
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// One column of a released table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentColumn {
    /// Its name.
    pub name: String,
    /// `key` or `measure`.
    pub role: String,
    /// boolean, integer, number, string, date or datetime.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// The formats of a released file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContentFormat {
    /// `text/csv`, comma separated, UTF-8.
    Csv,
    /// `application/json`.
    Json,
    /// `application/vnd.apache.parquet`.
    Parquet,
}

impl ContentFormat {
    /// Every format, in the order of preference.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Parquet];

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The file name extension, also the format's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }
}
