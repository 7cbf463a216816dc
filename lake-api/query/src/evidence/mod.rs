//! Evidence: for every cell, who is in it and what they contribute, in one pass.
//!
//! ```text
//!  CheckedQuery ─▶ carry.rs       plan below the boundary + hidden person column
//!               ─▶ collect.rs     runs it, one accumulator per partition
//!               ─▶ accumulate.rs  rows ─▶ (cell, person, values)
//!               ─▶ row_log.rs     many rows at a time to their cells
//!               ─▶ cell_buffer.rs per cell: what has come
//!               ─▶ merged.rs      per cell and person: exact sums
//!               ─▶ assemble.rs    vetting's Evidence
//! ```
//!
//! The bare query would be computed by a hash aggregate; here the same rows are grouped by
//! the same keys, and beside the values every cell keeps the persons. Nothing is sampled
//! or sketched. Sums do not depend on the order in which files and threads deliver rows:
//! see [`exact_sum`].

mod accumulate;
mod assemble;
mod carry;
mod cell_buffer;
mod collect;
mod exact_sum;
mod key_values;
mod merged;
mod person_order;
mod row_log;

pub(crate) use accumulate::AccumulateError;
pub(crate) use collect::{Bounds, collect};
