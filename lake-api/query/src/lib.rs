//! The guarded query engine: SQL in, judged before it touches data, computed with the
//! permit inside the scan, and handed to vetting as evidence.
//!
//! ```text
//!  SQL ─▶ check ─▶ CheckedQuery ─▶ evidence (worker process) ─▶ vetting ─▶ finish ─▶ CSV, JSON, Parquet
//!         gate/    labelled plan    scan/, evidence/             oscar-vetting  finish, output/
//!         no data                   pinned versions, row filter,
//!                                   hidden person column
//! ```
//!
//! The engine itself is DataFusion. What is added is around it: [`check`] decides on the
//! analysed plan which statements may run at all; a [`QueryBackend`] runs the part below
//! the aggregation on the versions that were pinned, behind the permit's rows and columns,
//! and reports *who* is in each cell; [`CheckedQuery::finish`] runs the part above the
//! aggregation over the cells that vetting left. Between the two nothing but cells exists,
//! so no expression of the statement can reach a row after vetting or a mark before it.
//!
//! Two things every part keeps: a refusal or error never repeats a value or the text of
//! the statement, and what is not known (a plan node, a function, where a column comes
//! from, a number without exact form) ends in a refusal.
//!
//! What it cannot do: whoever may choose predicates and read refusals has a low-rate
//! channel. The gate bounds the statement (literals, names, length); quotas, review and
//! the ledger bound the rest.

mod backend;
mod catalog;
mod evidence;
mod finish;
mod gate;
mod limits;
mod output;
mod scan;
mod total;
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
pub use scan::guarded_table;
pub use worker::WorkerProcess;
