//! The tenant's lake: where its bytes are, its Delta tables, and the contracts that describe them.
//!
//! ```text
//!  StorageConfig ─▶ Storage ─▶ one object store, rooted at the tenant's prefix
//!                      │
//!                      ├─ contracts/<dataset>/<digest>.json      written once, verified on every read
//!                      └─ lake/<dataset>/<table>/                a Delta table
//!                             part-00000-<uuid>.parquet          staged by a TableWriter, invisible
//!                             _delta_log/<version>.json          created with put-if-absent: now a version
//! ```
//!
//! **Two steps make data visible.** A [`TableWriter`] stages Parquet files and commits them as a
//! Delta version. What users see is decided later and elsewhere: the journal's last accepted
//! delivery pins a version of every table of the dataset. A version that no accepted delivery
//! pins (its intake was killed in between) is a leftover: nobody reads it, and the next commit
//! takes its files out of the active set again. So a delivery of many tables appears at once or
//! not at all.
//!
//! **A version never changes.** [`Lake::provider`] reads exactly the files of one version, so the
//! same query on the same version gives the same answer for ever. Nothing here deletes from
//! `_delta_log/` or removes a data file.
//!
//! **The hidden column.** Tables of persons carry [`oscar_permit::PERSON_INDEX_COLUMN`] last.
//! Delta has no unsigned numbers, so the 32 bits of the index are stored as an `Int32`;
//! [`person_index_to_storage`] and [`person_index_from_storage`] are the only conversions.

mod commit;
mod contracts;
mod durable_local;
mod keys;
mod lake;
mod mounted_credentials;
mod parquet_file;
mod part_upload;
mod pseudonym;
mod put_if_absent;
mod row_group;
mod scan;
mod scanned_store;
mod schema;
mod snapshot;
mod storage;
mod table_location;
mod table_writer;

pub use contracts::ContractStoreError;
pub use keys::{FileKeys, KeyError, KeyProvider, KeyPurpose, KeysConfig, SecretKey};
pub use lake::Lake;
pub use pseudonym::Pseudonym;
pub use put_if_absent::PutIfAbsentError;
pub use schema::{arrow_schema, arrow_type, person_index_from_storage, person_index_to_storage, scan_type};
pub use snapshot::{DataFile, TableError};
pub use storage::{Storage, StorageConfig, StorageError};
pub use table_writer::{StagedTable, TableWriter, WriteMode};
