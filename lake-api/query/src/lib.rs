//! The guarded engine.

mod catalog;
mod gate;

pub use catalog::{CatalogError, PermittedCatalog, PermittedTable, PinnedVersions};
pub use gate::{
    AggregateOutline, CheckedQuery, GateRefusal, KeyOutline, OutputColumnOutline, OutputRole, RefusalCode, ReviewFlag,
    check,
};
