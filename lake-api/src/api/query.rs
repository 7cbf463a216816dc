//! The requester's linter: the gate's static answer about a statement.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A statement to check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryCheckRequest {
    /// One SELECT statement.
    #[schema(max_length = 65536, example = "SELECT sex, count(*) AS contacts FROM hospital.contacts GROUP BY sex")]
    pub sql: String,
    /// The permit to check under; may be left out when the caller is an analyst under exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    pub permit: Option<String>,
}

/// The gate's answer. No data has been touched for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryCheck {
    /// What would happen to a release of this statement, as far as its text alone decides.
    pub verdict: StaticVerdict,
    /// The permit it was checked under.
    pub permit: String,
    /// Identity of the checked plan, the same for texts that differ in white space only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// The tables it reads.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The columns of its result.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Literals in it, which count against the profile's limit.
    #[serde(default)]
    pub literals: u32,
    /// Why a person would look at it.
    #[serde(default)]
    pub review_reasons: Vec<String>,
    /// Why it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// What the text of a statement decides by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StaticVerdict {
    /// May be submitted; the rules about the data are still to come.
    Admissible,
    /// May be submitted; two stewards will look at the result.
    Review,
    /// Would be refused.
    Refused,
}

/// Why a statement is refused. Never holds a literal of the statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Stable code.
    pub code: String,
    /// The rule in words.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
    /// Where: line and column, or the path of plan nodes from the root.
    pub place: String,
}
