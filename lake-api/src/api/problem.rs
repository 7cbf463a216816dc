//! RFC 9457 problem details.
//!
//! `code` is stable and made for programs; `detail` and `remedy` are for people. None of
//! them ever holds a value that the caller or the data supplied.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was not carried out (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Identifies the kind of problem: `urn:oscar-host:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable code for programs.
    pub code: String,
    /// What went wrong with this request.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The id under which the request is found in the log; also the header `x-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
