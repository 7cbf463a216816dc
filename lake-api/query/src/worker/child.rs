//! The worker's side of the pipe.

use std::io;

use rlimit::Resource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Answer;
use crate::backend::{InProcess, QueryBackend, QueryError, QueryJob};
use crate::limits::QueryLimits;

/// Longest job in bytes: the statement is capped at 64 KiB, the rest are contracts.
const MAX_JOB_BYTES: u64 = 64 << 20;

/// Reads one job from standard input, computes it and writes the answer to standard
/// output. Nothing else may write to standard output; logs belong on standard error.
///
/// # Errors
/// When the pipe breaks or the system grants no limit of memory; what goes wrong with the query itself is part
/// of the answer.
pub async fn run_stdio() -> io::Result<()> {
    let mut job = Vec::new();
    tokio::io::stdin().take(MAX_JOB_BYTES + 1).read_to_end(&mut job).await?;
    let answer = match read(&job) {
        Some(job) => {
            bound_memory(&job.limits)?;
            compute(&job).await
        }
        None => Answer::Failed(QueryError::Unavailable),
    };
    let mut out = tokio::io::stdout();
    out.write_all(&serde_json::to_vec(&answer)?).await?;
    out.flush().await
}

/// The answer to one job, both as they cross the pipe.
///
/// # Errors
/// When the answer has no JSON form.
pub async fn answer(job: &[u8]) -> io::Result<Vec<u8>> {
    let answer = match read(job) {
        Some(job) => compute(&job).await,
        None => Answer::Failed(QueryError::Unavailable),
    };
    Ok(serde_json::to_vec(&answer)?)
}

fn read(job: &[u8]) -> Option<QueryJob> {
    let parsed = serde_json::from_slice(job).ok()?;
    (job.len() as u64 <= MAX_JOB_BYTES).then_some(parsed)
}

async fn compute(job: &QueryJob) -> Answer {
    match InProcess.evidence(job).await {
        Ok(evidence) => Answer::Evidence(Box::new(evidence)),
        Err(error) => Answer::Failed(error),
    }
}

/// Whatever the engine does not count, the system does: a worker that wants more ends, and nothing else.
fn bound_memory(limits: &QueryLimits) -> io::Result<()> {
    let most = u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX).min(Resource::DATA.get_hard()?);
    Resource::DATA.set(most, most)
}
