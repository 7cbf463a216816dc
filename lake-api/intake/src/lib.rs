//! Intake: from a data holder's package to pseudonymised tables in the lake.
//!
//! ```text
//!  datapackage.json ─▶ package ─▶ DeliveryPlan: files, types, checks, person key, contract
//!  files ──────────────▶ read ──▶ blocks of rows; digests and counts compared on the way
//!                        check ─▶ types, constraints, keys, references, plausible dates;
//!                                 bad rows → quarantine (row, field, rule; never the value);
//!                                 person numbers outside the person key → refused
//!                 pseudonymise ─▶ person key → permit-scoped pseudonym
//!                 person_index ─▶ hidden spoke-wide number, for evidence and ledger only
//!                          run ─▶ staged files → Delta commits → one journal record: visible
//! ```
//!
//! **All or nothing.** A delivery becomes visible with one record in the journal, which pins
//! a version of every table. Whatever happened before it (a refusal, a full disk, a kill)
//! leaves the dataset as it was, and delivering again completes. Delivering the same
//! package under the same permit again does nothing, and is refused once a later one replaced it.
//!
//! **What is not stored.** Raw files stay where they are and are never copied into the
//! bucket. Person keys are replaced; free text is dropped unless the permit allows the
//! column; a column with person numbers refuses the delivery, and the block that showed it is
//! not written. Files of a refused delivery that were complete before stay behind in no version
//! of a table, where no query reads them: intake may not delete.
//!
//! **Limits.** Keys are compared within one delivery: an appended row whose primary key was
//! delivered before is not noticed, and a foreign key must refer to a row of the same package.

mod check;
mod error;
mod fast_hash;
mod package;
mod person_index;
mod progress;
mod pseudonymise;
mod read;
mod report;
mod run;

pub use check::Rule;
pub use error::{IntakeError, Refusal};
pub use package::{PackageError, PathError, ResourceError};
pub use person_index::PersonIndexError;
pub use progress::{Progress, Silent};
pub use pseudonymise::{KeyCheckError, KeyedPseudonymiser, Pseudonymiser};
pub use read::ReadError;
pub use report::{DeliveryReport, TableReport};
pub use run::Intake;
