//! `lake-api probe`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use oscar_permit::EXIT_REFUSED;

/// What to measure.
#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// The plan (JSON): what must fail and what must work.
    #[arg(long)]
    plan: PathBuf,
    /// Where to write the report; in a pod its termination message.
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Measures once.
pub(super) async fn run(arguments: &ProbeArguments) -> anyhow::Result<ExitCode> {
    let report = crate::probe::run(&arguments.plan, arguments.report.as_deref()).await?;
    if report.held() {
        tracing::info!(plan = %report.plan, "everything is as it must be");
        return Ok(ExitCode::SUCCESS);
    }
    tracing::error!(open = ?report.open, closed = ?report.closed, unclear = ?report.unclear, "not as it must be");
    Ok(ExitCode::from(EXIT_REFUSED))
}
