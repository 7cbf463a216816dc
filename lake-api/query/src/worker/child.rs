//! The worker's side of the pipe.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Answer;
use crate::backend::{InProcess, QueryBackend, QueryError, QueryJob};

/// Longest job in bytes: the statement is capped at 64 KiB, the rest are contracts.
const MAX_JOB_BYTES: u64 = 64 << 20;

/// Reads one job from standard input, computes it and writes the answer to standard
/// output. Nothing else may write to standard output; logs belong on standard error.
///
/// # Errors
/// When the pipe breaks; what goes wrong with the query itself is part of the answer.
pub async fn run_stdio() -> io::Result<()> {
    let mut job = Vec::new();
    tokio::io::stdin().take(MAX_JOB_BYTES + 1).read_to_end(&mut job).await?;
    let mut out = tokio::io::stdout();
    out.write_all(&answer(&job).await?).await?;
    out.flush().await
}

/// The answer to one job, both as they cross the pipe.
///
/// # Errors
/// When the answer has no JSON form.
pub async fn answer(job: &[u8]) -> io::Result<Vec<u8>> {
    let answer = match serde_json::from_slice::<QueryJob>(job) {
        Ok(parsed) if job.len() as u64 <= MAX_JOB_BYTES => match InProcess.evidence(&parsed).await {
            Ok(evidence) => Answer::Evidence(Box::new(evidence)),
            Err(error) => Answer::Failed(error),
        },
        Ok(_) | Err(_) => Answer::Failed(QueryError::Unavailable),
    };
    serde_json::to_vec(&answer).map_err(io::Error::other)
}
