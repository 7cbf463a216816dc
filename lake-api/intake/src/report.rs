//! What an intake did, in numbers.

use std::collections::BTreeMap;

use oscar_permit::{DatasetName, Sha256Digest, TableName};
use serde::Serialize;

/// The outcome of a delivery that was not refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryReport {
    /// The dataset.
    pub dataset: DatasetName,
    /// The delivery's identity.
    pub delivery: Sha256Digest,
    /// Digest of the contract in force.
    pub contract: Sha256Digest,
    /// Whether this very delivery had been accepted before; then nothing was done.
    pub already_delivered: bool,
    /// Distinct persons in this delivery.
    pub persons: u64,
    /// The tables, by name.
    pub tables: BTreeMap<TableName, TableReport>,
}

/// The outcome for one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// The version that is visible now.
    pub version: u64,
    /// Rows stored.
    pub rows: u64,
    /// Rows in quarantine.
    pub quarantined: u64,
    /// Version of the quarantine table, when rows were put there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine_version: Option<u64>,
    /// Files read.
    pub files: u64,
    /// Faults by `field: rule`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub faults: BTreeMap<String, u64>,
    /// Fields that were not stored: free text without permission, or dropped by the holder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Cells in which a person number was masked, by field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub masked: BTreeMap<String, u64>,
}
