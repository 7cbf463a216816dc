//! The command line's words.

mod global;
mod offline;
mod release;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use super::exit;

pub use self::global::{Format, Global};
pub use self::offline::{AuditArguments, AuditCommand, DemoArguments, IntakeArguments, VerifyArguments};
pub use self::release::{
    ContentFormatArgument, GetArguments, ReleaseCommand, ReviewArguments, SubmitArguments, VoteArguments,
    VoteDecisionArgument,
};

/// Everything `oscar` understands.
#[derive(Debug, Parser)]
#[command(
    name = "oscar",
    version,
    about = "Ask a guarded health data workspace for results, and check what came out of it",
    after_help = exit::HELP
)]
pub struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// See [`Misread`].
    pub fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, Misread> {
        let line: Vec<OsString> = line.into_iter().collect();
        let colour = if line.iter().any(|word| word == "--no-color") { ColorChoice::Never } else { ColorChoice::Auto };
        let mut command = Self::command().color(colour);
        let read = command.try_get_matches_from_mut(&line).and_then(|matches| Self::from_arg_matches(&matches));
        read.map_err(|error| match error.kind() {
            ErrorKind::MissingSubcommand => Misread::Unfinished(help_of(&command, &line)),
            _ => Misread::Other(error),
        })
    }
}

/// Why a command line could not be read.
#[derive(Debug)]
pub enum Misread {
    /// A command that needs another word; its help.
    Unfinished(String),
    /// What is wrong, or the help or version that was asked for.
    Other(clap::Error),
}

/// The help of the last command that `line` names.
fn help_of(root: &clap::Command, line: &[OsString]) -> String {
    let mut command = root;
    for word in line.iter().skip(1).filter_map(|word| word.to_str()) {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    command.clone().render_help().to_string()
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole path on this machine: extracts in, vetted results out
    Demo(DemoArguments),
    /// Log in at the identity provider and keep the token
    Login(LoginArguments),
    /// What data there is for you
    #[command(after_help = "Examples:\n  oscar catalogue\n  oscar catalogue hospital --output json")]
    Catalogue {
        /// Show this dataset's tables and columns
        dataset: Option<String>,
    },
    /// Your permits: role, purpose, validity, quota
    #[command(after_help = "Examples:\n  oscar permit\n  oscar permit --output json")]
    Permit,
    /// Check statements before submitting them
    #[command(subcommand)]
    Query(QueryCommand),
    /// Ask for releases, follow them, review them, fetch results
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// The server's public key, with which receipts and journal are verified
    #[command(after_help = "Examples:\n  oscar keys\n  \
        oscar keys --output json > key.json   # once, over a path that you trust")]
    Keys,
    /// Verify a receipt and its content, offline
    Verify(VerifyArguments),
    /// Verify the tenant's journal, offline, or read it
    Audit(AuditArguments),
    /// Take a delivery into the lake of a data directory on this machine
    Intake(IntakeArguments),
    /// Print a completion script for your shell
    #[command(after_help = "Examples:\n  oscar completion bash > ~/.local/share/bash-completion/completions/oscar\n  \
        oscar completion zsh > ~/.zfunc/_oscar\n  \
        oscar completion fish > ~/.config/fish/completions/oscar.fish")]
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Compute one statement from standard input; started by the service itself
    #[command(hide = true)]
    Worker,
}

/// What can be done with a statement before it is submitted.
#[derive(Debug, Subcommand)]
pub enum QueryCommand {
    /// Ask the gate about a statement; no data is touched
    #[command(after_help = "Examples:\n  oscar query check question.sql\n  \
        echo 'SELECT sex, count(*) AS persons FROM population.person GROUP BY sex' | oscar query check -\n  \
        oscar query check --sql 'SELECT * FROM population.person'   # refused, with the remedy; exit code 3")]
    Check(CheckArguments),
}

/// A statement to check.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The statement.
    #[command(flatten)]
    pub statement: Statement,
    /// The permit to check under, where you have several
    #[arg(long)]
    pub permit: Option<String>,
}

/// One SQL statement, from a file, from standard input or from the command line.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Statement {
    /// File with one SELECT statement; '-' reads standard input
    pub file: Option<PathBuf>,
    /// The statement itself
    #[arg(long)]
    pub sql: Option<String>,
}

/// How to log in.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  oscar login --issuer https://login.example.dk --client-id oscar\n  \
    oscar login --issuer https://login.example.dk --client-id oscar --device\n  \
    OSCAR_CLIENT_SECRET=… oscar login --issuer https://login.example.dk --client-id robot --client-credentials")]
pub struct LoginArguments {
    /// The identity provider
    #[arg(long, env = "OSCAR_ISSUER")]
    pub issuer: String,
    /// This program's name at the identity provider
    #[arg(long, env = "OSCAR_CLIENT_ID", default_value = "oscar-cli")]
    pub client_id: String,
    /// The resource the token is for, where the identity provider wants it said (RFC 8707)
    #[arg(long, env = "OSCAR_RESOURCE", value_name = "URI")]
    pub resource: Option<String>,
    /// Whom the identity provider may expect
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Show a code to enter on another device instead of opening a browser here
    #[arg(long, conflicts_with = "client_credentials")]
    pub device: bool,
    /// Log in as a program; the secret comes from `OSCAR_CLIENT_SECRET`
    #[arg(long)]
    pub client_credentials: bool,
}
