//! The commands of the `lake-api` program.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | it failed; trying again may help |
//! | 2 | the command line is not one |
//! | 3 | refused: a delivery by a rule, a firewall by what was measured; trying again will not help |

mod intake;
mod probe;
mod serve;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// The tenant's service: vetted results out of pseudonymised register data.
#[derive(Debug, Parser)]
#[command(name = "lake-api", version)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Serve the HTTP API and vet releases.
    ///
    /// Settings come from --config FILE, or from --data-dir DIR (with tenant/, keys/,
    /// permits/, profiles/) and flags. The log is JSON on stderr; `RUST_LOG` filters it.
    #[command(after_help = "Examples:\n  \
        lake-api serve --config /etc/oscar/serve.yaml\n  \
        lake-api serve --data-dir ./data --tenant acme --issuer https://login.example.dk --audience oscar-host\n  \
        lake-api serve --data-dir ./data --tenant acme --dev-issuer alice,bob --dev-issuer-listen 127.0.0.1:8085")]
    Serve(Box<serve::Serve>),
    /// Take a data holder's package into the lake.
    ///
    /// Person numbers become pseudonyms on the way; a delivery is visible as a whole or not at all.
    /// The exit code is 3 when a rule refuses the package, and 1 when something else failed.
    #[command(after_help = "Examples:\n  lake-api intake ./extract --permit permit.yaml --data-dir ./data\n  \
        lake-api intake ./extract --permit permit.yaml --config /etc/oscar/serve.yaml\n  \
        lake-api intake --landing contacts/2026-11/datapackage.json --permit permit.json --config serve.yaml")]
    Intake(Box<intake::IntakeArguments>),
    /// Measure the firewall from inside: try everything that must not work, report what does.
    ///
    /// The exit code is 3 when something is not as it must be.
    #[command(
        after_help = "Example:\n  lake-api probe --plan /etc/oscar/probe/plan.json --report /dev/termination-log"
    )]
    Probe(probe::ProbeArguments),
    /// Compute the evidence of one query; started by `serve`, speaks on stdin and stdout.
    #[command(hide = true)]
    Worker,
}

/// Runs a command to its end.
///
/// # Errors
/// What stopped it.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    match command.what {
        What::Serve(serve) => runtime.block_on(serve::run(*serve)).map(|()| ExitCode::SUCCESS),
        What::Intake(arguments) => runtime.block_on(intake::run(&arguments)),
        What::Probe(arguments) => runtime.block_on(probe::run(&arguments)),
        What::Worker => {
            runtime.block_on(oscar_query::worker::run_stdio()).context("the worker ended early")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
