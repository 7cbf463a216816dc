//! What holds for every command.

use clap::{Args, ValueEnum};
use url::Url;

use crate::cli::client::{AddressError, check_address};

/// Keeps these apart from a command's own options in its help.
const HEADING: &str = "Common options";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The workspace's API
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        env = "OSCAR_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_parser = server,
        value_name = "URL"
    )]
    pub server: Url,
    /// The access token; without it the one from 'oscar login' is used
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        env = "OSCAR_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub token: Option<String>,
    /// How to print data
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_enum,
        default_value_t = Format::Table,
        value_name = "FORMAT"
    )]
    pub output: Format,
    /// No colours (also: `NO_COLOR`, or a standard output that is no terminal)
    #[arg(long, global = true, help_heading = HEADING)]
    pub no_color: bool,
    /// Say more; twice for the program's own log
    #[arg(short, long, global = true, help_heading = HEADING, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

fn server(text: &str) -> Result<Url, String> {
    let server = Url::parse(text).map_err(|_| AddressError::Form.to_string())?;
    check_address(&server).map(|()| server).map_err(|error| error.to_string())
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs: everything that is known
    Json,
    /// For spreadsheets: the rows of the table
    Csv,
}
