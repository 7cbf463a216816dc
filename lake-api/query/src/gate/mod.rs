//! The gate: text in, [`CheckedQuery`] or [`GateRefusal`] out, without touching data.
//!
//! ```text
//!  text ─▶ caps, tokens, names, person numbers        text.rs
//!       ─▶ exactly one query of bounded size            planner.rs, expansion.rs
//!       ─▶ planned over the permit                      planner.rs, functions.rs
//!       ─▶ every node labelled PUB, UNIT or VET        walk.rs, join.rs, expression.rs, boundary.rs, result.rs
//!       ─▶ CheckedQuery: boundary, output columns, tags, plan hash
//! ```
//!
//! The gate judges the *analysed* plan (types coerced); what runs is derived from the
//! same plan, so nothing can be written in SQL that the gate has not seen. It runs on a
//! thread with a large stack and treats a panic of parser or planner as a refusal.

mod boundary;
mod checked;
mod expansion;
mod expression;
mod functions;
mod join;
mod planner;
mod refusal;
mod relation;
mod result;
mod text;
mod walk;

pub(crate) use boundary::{Boundary, Number, Statistic};
pub use checked::{AggregateOutline, CheckedQuery, KeyOutline, OutputColumnOutline, OutputRole, ReviewFlag, check};
pub(crate) use planner::PermittedSource;
pub use refusal::{GateRefusal, RefusalCode};
pub(crate) use text::is_plain_name;
