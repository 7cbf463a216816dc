//! The journal as an auditor reads it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of the journal, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Pass as `after` for the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One recorded event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// The journal record's sequence number; several entries may share one.
    pub sequence: u64,
    /// When it was recorded.
    pub time: DateTime<Utc>,
    /// Who acted.
    #[schema(value_type = Object)]
    pub actor: serde_json::Value,
    /// What happened.
    #[schema(value_type = Object)]
    pub event: serde_json::Value,
}
