//! The worker: one query, one process.
//!
//! ```text
//!  parent: WorkerProcess ── QueryJob (JSON, stdin) ──▶ worker: run_stdio
//!                        ◀── Answer (JSON, stdout) ──
//!                        ◀── private messages (stderr) ── to the log inside the workspace
//! ```
//!
//! A query that exhausts memory or crashes takes its process with it and nothing else: engine and evidence keep
//! to their shares of the job's memory, and the system to all of it (`RLIMIT_DATA`), whatever they fail to count. The
//! worker gets no environment but the storage credentials and the log filter, runs the
//! gate again on the statement it was given, and is killed when the parent stops waiting:
//! at the deadline, on cancellation, and when the parent itself is dropped.

mod child;
mod process;

pub use child::{answer, run_stdio};
pub use process::WorkerProcess;

use oscar_vetting::Evidence;
use serde::{Deserialize, Serialize};

use crate::backend::QueryError;

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// The evidence.
    Evidence(Box<Evidence>),
    /// Why there is none; neutral.
    Failed(QueryError),
}
