//! The words every other crate speaks: identifiers, data permits, dataset contracts,
//! disclosure profiles and verdict-free value types.
//!
//! The crate is pure: it parses and judges values and does no input or output. A permit
//! file on a laptop and a `DataPermit` object in a cluster become the same
//! [`DataPermit`]; whatever a request may touch is answered by [`DataPermit::access`].
//!
//! ```text
//!  permit.yaml ─▶ DataPermit ─┐
//!                             ├─▶ access(identity, now) ─▶ Grant { role, datasets, … } | Denial
//!  contract.json ─▶ DatasetContract (tables, columns, person key, code lists, tags)
//!  profile.yaml ─▶ DisclosureProfile (thresholds; the strictest of several wins)
//! ```

mod canonical;
mod contract;
mod digest;
mod erasure;
mod grant;
mod id;
mod identity;
mod intake_run;
mod permit;
mod person_number;
mod probe;
mod profile;
mod row_filter;
mod signature;
mod value;
mod written;

pub use canonical::{CanonicalError, canonical_json};
pub use contract::{
    CodeList, ColumnContract, ColumnTag, ContractError, DatasetContract, LogicalType, PersonNaming, StructuralZero,
    TableContract, TableKind,
};
pub use digest::Sha256Digest;
pub use erasure::{Erasure, ErasureCertificate, ErasureError};
pub use grant::{Denial, Grant};
pub use id::{ColumnName, DatasetName, IdError, PermitId, PersonIndex, ReleaseId, TableName, TableRef, TenantName};
pub use identity::{Identity, Role};
pub use intake_run::{EXIT_REFUSED, IntakeRun};
pub use permit::{DataPermit, DatasetGrant, PermitError, PermitPerson, TableGrant};
pub use person_number::{PersonNumber, PersonNumberKind, PersonNumberTrace, person_number_traces};
pub use probe::{Attempt, ProbePlan, ProbeReport, ProbeStore};
pub use profile::{DisclosureProfile, Dominance, HARD_FLOOR, ProfileError, Quotas};
pub use row_filter::{Condition, RowFilter, RowFilterError};
pub use signature::{SignatureError, key_digest, sign_statement, verify_statement};
pub use value::Value;

/// Name of the hidden column that intake adds to every table of persons: a spoke-wide
/// dense person index (`UInt32`, nullable). Only evidence and ledger read it; the query
/// gate never lets a statement name it and the catalogue never lists it.
pub const PERSON_INDEX_COLUMN: &str = "__oscar_person";

/// Every name that begins like this belongs to the platform: no contract, alias or
/// statement may use it.
pub const RESERVED_PREFIX: &str = "__oscar";
