//! A delivery in motion.
//!
//! ```text
//!  reader thread        workers (two per core)             this task
//!  bytes → digest →     text → typed columns → checks →    keys across rows → judgement →
//!  records → blocks ─┬▶ leaks counted → pseudonyms ──────┬▶ rows to the table, bad ones to
//!                    └▶ (the next block) ────────────────┘  quarantine → staged files
//! ```
//!
//! Every channel holds two blocks, so memory does not depend on the size of the files.
//! Blocks are dealt to the workers in turn and collected in turn, so rows keep their order.

mod checked_block;
mod continuity;
mod intake;
mod person_cache;
mod person_set;
mod persons;
mod pipeline;
mod quarantine;
mod table;

pub use intake::Intake;
