//! `oscar release …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Statement;

/// What can be done with releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Have a statement computed, vetted and released
    Submit(SubmitArguments),
    /// The releases you may see, newest first
    #[command(after_help = "Examples:\n  oscar release list\n  oscar release list --limit 100 --output csv")]
    List {
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// One release: state, rules that spoke, what happens next
    #[command(
        after_help = "Examples:\n  oscar release show rel-0198…\n  oscar release show rel-0198… --wait --output json"
    )]
    Show {
        /// The release
        id: String,
        /// Wait while the release waits for the platform (vetting, publication)
        #[arg(long)]
        wait: bool,
    },
    /// Fetch a released result, or its receipt
    Get(GetArguments),
    /// Take your own request back before it is published
    #[command(after_help = "Example:\n  oscar release withdraw rel-0198… --reason 'wrong year'")]
    Withdraw {
        /// The release
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// What a steward sees before voting: table, statement, rules, context
    Review(ReviewArguments),
    /// Vote as a steward
    Vote(VoteArguments),
    /// The votes and their reasons, once both are in
    #[command(after_help = "Example:\n  oscar release votes rel-0198…")]
    Votes {
        /// The release
        id: String,
    },
}

/// A request for a release.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  oscar release submit question.sql --title 'Contacts by sex' --purpose 'Planning' --wait\n  \
    oscar release submit --sql 'SELECT sex, count(*) AS persons FROM population.person GROUP BY sex' \\\n      \
    --title 'Persons by sex' --purpose 'Denominator for table 2'"
)]
pub struct SubmitArguments {
    /// The statement.
    #[command(flatten)]
    pub statement: Statement,
    /// A title for people
    #[arg(long)]
    pub title: String,
    /// What the result is for; reviewers read it
    #[arg(long)]
    pub purpose: String,
    /// The permit to ask under, where you have several
    #[arg(long)]
    pub permit: Option<String>,
    /// Makes a repeated request the same request
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Wait while the release waits for the platform (vetting, publication)
    #[arg(long)]
    pub wait: bool,
}

/// What to fetch.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  oscar release get rel-0198…\n  \
    oscar release get rel-0198… --format parquet --to table.parquet --receipt receipt.json")]
pub struct GetArguments {
    /// The release
    pub id: String,
    /// The format of the result
    #[arg(long, value_enum, default_value_t = ContentFormatArgument::Csv)]
    pub format: ContentFormatArgument,
    /// Write the result here instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Also write the signed receipt here
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// Wait while the release waits for the platform (vetting, publication)
    #[arg(long)]
    pub wait: bool,
}

/// What to look at.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  oscar release review rel-0198…\n\nThe votes of others stay hidden until both are in."
)]
pub struct ReviewArguments {
    /// The release
    pub id: String,
}

/// A steward's vote.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  oscar release vote rel-0198… approve --reason 'Large cells only'\n  \
    oscar release vote rel-0198… return --reason 'Please use five-year age groups'\n\n\
    The vote binds to the table as it is now; use --content to name the one you looked at.")]
pub struct VoteArguments {
    /// The release
    pub id: String,
    /// The decision
    #[arg(value_enum)]
    pub decision: VoteDecisionArgument,
    /// Why; required, and kept
    #[arg(long)]
    pub reason: String,
    /// Digest of the table that was looked at ('oscar release review' shows it)
    #[arg(long, value_name = "SHA256")]
    pub content: Option<String>,
}

/// The formats of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ContentFormatArgument {
    /// Comma-separated text
    Csv,
    /// JSON
    Json,
    /// Parquet
    Parquet,
}

/// What a steward may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VoteDecisionArgument {
    /// Let it out
    Approve,
    /// Do not let it out
    Reject,
    /// Ask the requester for a change
    Return,
}
