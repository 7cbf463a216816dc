//! The permit inside the scan.
//!
//! ```text
//!  user's operators
//!  ───────────────────── BarrierExec: no predicate, limit or projection passes downwards
//!  permitted columns (+ the hidden person column, when evidence is collected)
//!  FilterExec: the permit's row filter (column compared with literals; cannot fail)
//!  the table at its pinned version
//! ```
//!
//! A predicate of the user that ran below the row filter could fail on a hidden row and
//! so tell that the row exists. Therefore nothing passes the barrier, except copies of
//! predicates that cannot fail (visible column, operator, literal of the same type): they
//! may *skip* whole row groups and are evaluated again above. Results and errors are then
//! those of a physically filtered copy of the table.

mod barrier;
mod leak_proof;
mod policy_scan;
mod row_filter;

pub(crate) use barrier::BarrierExec;
pub(crate) use policy_scan::PolicyScan;
pub use policy_scan::guarded_table;
