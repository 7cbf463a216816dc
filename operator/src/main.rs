//! The program `oscar-operator`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // Both `ring` and `aws-lc-rs` may be linked; which one counts is said here, once.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::error!("another cryptography provider was installed before");
        return ExitCode::FAILURE;
    }
    match oscar_operator::cli::run(oscar_operator::cli::Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator ended");
            ExitCode::FAILURE
        }
    }
}
