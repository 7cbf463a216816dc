//! The guarded engine.

mod backend;
mod catalog;
mod evidence;
mod finish;
mod gate;
mod limits;
mod output;
mod scan;
pub mod worker;

pub use backend::{InProcess, QueryBackend, QueryError, QueryJob, evidence_from_tables};
pub use catalog::{CatalogError, PermittedCatalog, PermittedTable, PinnedVersions};
pub use finish::FinishError;
pub use gate::{
    AggregateOutline, CheckedQuery, GateRefusal, KeyOutline, OutputColumnOutline, OutputRole, RefusalCode, ReviewFlag,
    check,
};
pub use limits::QueryLimits;
pub use output::{OutputColumn, OutputJsonError, OutputParquetError, OutputTable};
pub use worker::WorkerProcess;
