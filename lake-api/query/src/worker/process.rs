//! The parent's side of the pipe.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use oscar_vetting::Evidence;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use super::Answer;
use crate::backend::{QueryBackend, QueryError, QueryJob};

/// Seconds the worker gets beyond the job's deadline to say so itself.
const GRACE_SECONDS: u64 = 5;
/// Lines of a worker's private messages that are kept.
const MAX_LOG_LINES: usize = 200;
/// The only environment a worker gets: storage credentials, scratch folder, log filter.
const ENVIRONMENT: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ENDPOINT_URL_STS",
    "SSL_CERT_FILE",
    "TMPDIR",
    "RUST_LOG",
];

/// Computes each job in a process of its own: `program worker`.
#[derive(Debug, Clone)]
pub struct WorkerProcess {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl WorkerProcess {
    /// A backend that starts `program worker`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: vec!["worker".into()] }
    }

    /// The same with other arguments than `worker`.
    #[must_use]
    pub fn with_arguments(mut self, arguments: Vec<OsString>) -> Self {
        self.arguments = arguments;
        self
    }

    fn start(&self) -> Result<Child, QueryError> {
        let environment = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| unavailable(&error))
    }
}

#[async_trait]
impl QueryBackend for WorkerProcess {
    async fn evidence(&self, job: &QueryJob) -> Result<Evidence, QueryError> {
        let text = serde_json::to_vec(job).map_err(|error| unavailable(&error))?;
        let mut child = self.start()?;
        let deadline = Duration::from_secs(job.limits.deadline_seconds.saturating_add(GRACE_SECONDS));
        // Whatever ends this wait (the deadline, or the caller dropping the future) drops
        // the child, and dropping it kills the process.
        if let Ok(answer) = tokio::time::timeout(deadline, converse(&mut child, &text, job.limits.answer_bytes())).await
        {
            return answer;
        }
        if let Err(error) = child.kill().await {
            tracing::warn!(%error, "a query worker could not be stopped");
        }
        Err(QueryError::Deadline)
    }
}

async fn converse(child: &mut Child, job: &[u8], longest: u64) -> Result<Evidence, QueryError> {
    let (Some(mut input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(QueryError::Unavailable);
    };
    let send = async move {
        // A worker that died early breaks the pipe; its missing answer tells.
        if let Err(error) = input.write_all(job).await {
            tracing::debug!(%error, "the query worker did not read its job");
        }
    };
    let receive = async move {
        let mut text = Vec::new();
        output.take(longest.saturating_add(1)).read_to_end(&mut text).await.map(|_| text)
    };
    let ((), received, ()) = tokio::join!(send, receive, log_private(errors));
    let text = received.map_err(|error| unavailable(&error))?;
    let status = child.wait().await.map_err(|error| unavailable(&error))?;
    if text.len() as u64 > longest {
        return Err(QueryError::TooLarge);
    }
    match serde_json::from_slice::<Answer>(&text) {
        Ok(Answer::Evidence(evidence)) if status.success() => Ok(*evidence),
        Ok(Answer::Failed(error)) => Err(error),
        // It crashed or was killed: outside that looks like any other failure on rows.
        Ok(Answer::Evidence(_)) | Err(_) => {
            tracing::warn!(target: "oscar_query::private", %status, "a query worker ended without an answer");
            Err(QueryError::ExecutionFailed)
        }
    }
}

/// The worker's private messages, into the log inside the workspace.
async fn log_private(errors: ChildStderr) {
    let mut lines = BufReader::new(errors).lines();
    let mut kept = 0usize;
    while let Ok(Some(line)) = lines.next_line().await {
        if kept < MAX_LOG_LINES {
            tracing::warn!(target: "oscar_query::private", worker = %line, "query worker");
        }
        kept += 1;
    }
}

fn unavailable(error: &dyn std::error::Error) -> QueryError {
    tracing::warn!(target: "oscar_query::private", %error, "the query worker is not available");
    QueryError::Unavailable
}
