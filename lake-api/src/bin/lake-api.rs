//! `lake-api`: the tenant's service and its parts. See `lake-api --help`.

use std::process::ExitCode;

use clap::Parser;
use oscar_lake_api::{service, telemetry};

fn main() -> ExitCode {
    let command = service::Command::parse();
    // Two TLS back ends are linked; the choice between them must be made before any use.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    telemetry::start();
    match service::run(command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
