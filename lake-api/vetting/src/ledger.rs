//! The ledger's unit: the person sets of one released table.
//!
//! A *family* is what one grouping set shows of one way of counting: the persons of its
//! cells, or the persons behind one aggregate of its cells. The cells of a family are
//! usually disjoint, but need not be (a person may have several diagnoses).
//!
//! Only sets that were **shown** are kept: a hidden cell tells nothing, and keeping it
//! would make later releases look computable that are not.

use std::collections::BTreeMap;

use oscar_permit::{ReleaseId, Sha256Digest, TableRef};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::person_set;

/// Person sets of one released table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerTable {
    /// The release.
    pub release: ReleaseId,
    /// The tables and versions it was computed from.
    pub lineage: BTreeMap<TableRef, u64>,
    /// T of the profile it was judged by; unknown in entries of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
    /// The shown cells' person sets, family by family.
    pub families: Vec<Family>,
}

/// The person sets of one grouping set, counted in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Family {
    /// One set per shown cell.
    #[serde(with = "person_set::list")]
    pub cells: Vec<RoaringBitmap>,
}

impl LedgerTable {
    /// A table that shows nothing.
    #[must_use]
    pub const fn empty(release: ReleaseId, lineage: BTreeMap<TableRef, u64>) -> Self {
        Self { release, lineage, threshold: None, families: Vec::new() }
    }

    /// All person sets.
    pub fn sets(&self) -> impl Iterator<Item = &RoaringBitmap> {
        self.families.iter().flat_map(|family| &family.cells)
    }

    /// SHA-256 over the members of every set, whatever their representation in memory.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        let mut hasher = Sha256::new();
        let mut buffer = Vec::new();
        hasher.update((self.families.len() as u64).to_le_bytes());
        for family in &self.families {
            hasher.update((family.cells.len() as u64).to_le_bytes());
            for cell in &family.cells {
                hasher.update(cell.len().to_le_bytes());
                buffer.clear();
                buffer.extend(cell.iter().flat_map(u32::to_le_bytes));
                hasher.update(&buffer);
            }
        }
        Sha256Digest::from_bytes(hasher.finalize().into())
    }
}
