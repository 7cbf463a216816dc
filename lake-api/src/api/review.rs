//! What stewards see and say.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::release::{Finding, Release};

/// The reviewer pack of one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewPack {
    /// The release with the requester's statement and context.
    pub release: Release,
    /// The content's digest; a vote names it, so that nobody votes on something else.
    pub content: String,
    /// The table exactly as it would be released.
    pub table: ReviewTable,
    /// What every rule said.
    pub findings: Vec<Finding>,
    /// Which cells are hidden and by which rule, as the vetting engine records it.
    #[schema(value_type = Object)]
    pub hidden_cells: serde_json::Value,
}

/// A table for people to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReviewTable {
    /// The column names.
    pub columns: Vec<String>,
    /// The rows; a suppressed cell is null.
    #[schema(value_type = Vec<Vec<serde_json::Value>>)]
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// A steward's vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// The decision.
    pub decision: VoteDecision,
    /// The reason; required.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = "^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F][^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F]*$"
    )]
    pub reason: String,
    /// The digest of the content that was looked at, from the reviewer pack.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub content: String,
}

/// What a steward may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VoteDecision {
    /// Let it out.
    Approve,
    /// Do not let it out.
    Reject,
    /// Ask the requester for a change.
    Return,
}

/// The votes of a release as the caller may see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Votes {
    /// Whether the votes are in. Until then nobody learns whether another has voted.
    pub complete: bool,
    /// The caller's own vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yours: Option<Vote>,
    /// All votes; empty until both are in.
    pub votes: Vec<Vote>,
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    /// The steward's role: steward or controller-steward.
    pub role: String,
    /// The decision.
    pub decision: VoteDecision,
    /// The reason.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}
