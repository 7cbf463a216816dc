//! `oscar`: the person's command line.
//!
//! ```text
//!  arguments ─▶ command ─▶ client (HTTP /v1) ─▶ output (stdout: data) / talk (stderr: words)
//!                   └────▶ offline: verify, audit verify, intake, demo
//! ```
//!
//! What a program may want to read goes to standard output and nothing else does; words
//! for people go to standard error. A reader that closes the pipe early (`| head`) ends
//! the program quietly. Every way to end has its own exit code, see [`exit`].

pub mod arguments;
mod client;
mod command;
mod error;
pub mod exit;
pub(crate) mod output;
mod printable;
pub(crate) mod progress;
pub(crate) mod release_state;
mod session;
mod token_store;
pub(crate) mod verification;

pub(crate) use self::client::ApiClient;
pub(crate) use self::command::refusal;
pub use self::error::CliError;
pub(crate) use self::output::Output;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use self::arguments::{Arguments, Misread};
use self::exit::Exit;

/// Runs the command line `arguments` (the program's name first) and tells how it ended.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::read(arguments) {
        Ok(arguments) => arguments,
        Err(Misread::Unfinished(help)) => {
            // A reader who has gone has had enough of it.
            let _ = write!(std::io::stderr(), "{help}");
            return Exit::Usage.into();
        }
        // Help and version are asked for and end well; everything else is a usage error.
        Err(Misread::Other(error)) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            return if error.print().is_ok() { exit.into() } else { Exit::Ok.into() };
        }
    };
    if arguments.global.verbose > 1 {
        crate::telemetry::start();
    }
    let mut output = Output::new(&arguments.global);
    match command::dispatch(arguments, &mut output).await {
        Ok(exit) => exit.into(),
        Err(CliError::ReaderGone) => Exit::Ok.into(),
        Err(error) => {
            output.error(&error);
            error.exit().into()
        }
    }
}
