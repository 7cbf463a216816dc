//! The three custom resources of the platform and the words of their status.
//!
//! | kind | scope | says |
//! |---|---|---|
//! | [`Tenant`] | cluster | one company: organisation, token issuers, storage, compute, deletion policy |
//! | [`DataPermit`] | the operator's namespace | who may use which data, for what, until when |
//! | [`Extract`] | the operator's namespace | one delivery that is to be taken in |
//!
//! Only the platform writes these objects; tenants have no Kubernetes access at all. Every
//! reference is a name in a fixed place: no object names a namespace. What one object can
//! say about itself is checked by CEL rules in the schema, before it is stored; what needs
//! other objects is checked by the operator and said in conditions ([`condition`]).
//!
//! The crate has no client and no runtime: whoever reads or writes the objects uses it.

#![expect(clippy::duplicated_attributes, reason = "print columns and rules repeat their words")]
#![expect(unreachable_pub, reason = "the schema derive repeats each struct inside a function of its own")]

pub mod condition;
mod data_permit;
mod definitions;
mod extract;
mod tenant;

pub use data_permit::{
    DataPermit, DataPermitSpec, DataPermitStatus, FeeCap, PermitDataset, PermitPerson, PermitPhase, PermitRole,
    PermitTable, RowCondition, SpecError,
};
pub use definitions::definitions;
pub use extract::{Delivery, Extract, ExtractPhase, ExtractRun, ExtractSpec, ExtractStatus};
pub use tenant::{
    Compute, ComputeSize, DeletionPolicy, Isolation, Organisation, RESERVED_TENANT_NAMES, Storage, Tenant, TenantSpec,
    TenantStatus, TokenIssuer,
};

/// The API group.
pub const GROUP: &str = "host.oscar-project.com";

/// The version that is stored.
pub const VERSION: &str = "v1alpha1";
