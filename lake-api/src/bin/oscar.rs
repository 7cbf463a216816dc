//! `oscar`: the person's command line. See `oscar --help`.

use std::process::ExitCode;

use oscar_lake_api::cli;

fn main() -> ExitCode {
    // Two TLS back ends are linked; the choice between them must be made before any use.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(std::env::args_os())),
        Err(_) => cli::exit::Exit::Failure.into(),
    }
}
