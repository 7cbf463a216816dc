//! Commands that need no server: `verify`, `audit verify`, `intake`, `demo`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::demo::generate::{LEAST_PERSONS, MOST_PERSONS};

/// What to verify.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  oscar verify receipt.json table.csv --key key.json\n  \
    oscar keys --output json > key.json   # fetch the key once, over a path you trust\n\n\
    Ends with code 0 only when the signature is right and the content is the one it speaks of.")]
pub struct VerifyArguments {
    /// The receipt
    pub receipt: PathBuf,
    /// The released file
    pub content: PathBuf,
    /// The verifying key: PEM, the JSON of /v1/keys, or 64 hexadecimal digits
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// What to do with the journal.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// The command.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What can be done with a journal.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check a journal directory: order, hash chain, signatures, nothing missing
    #[command(after_help = "Examples:\n  oscar audit verify ./data/tenant --key key.json\n  \
        oscar audit verify ./copy --key key.json --checkpoint kept-elsewhere.json\n\n\
        Only a checkpoint kept elsewhere can show that the newest events were cut off.")]
    Verify {
        /// The tenant's directory, or a copy of it (the folder that has 'journal/' in it)
        directory: PathBuf,
        /// The verifying key: PEM, the JSON of /v1/keys, or 64 hexadecimal digits
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// A signed checkpoint that you kept yourself
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Read what was recorded (auditors)
    #[command(after_help = "Examples:\n  oscar audit list --limit 50\n  oscar audit list --after 120 --output json")]
    List {
        /// Only what came after this number
        #[arg(long)]
        after: Option<u64>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

/// A delivery to take in.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  oscar intake delivery/datapackage.json --permit permit.yaml --data-dir ./data\n  \
    oscar intake e2e/packages/diabetes-register/datapackage.json --files ../shared/data/dk \\\n      \
    --permit permit.yaml --data-dir ./data\n\n\
    Delivering the same package again changes nothing. A refused delivery leaves nothing behind."
)]
pub struct IntakeArguments {
    /// The package descriptor (datapackage.json or .yaml)
    pub package: PathBuf,
    /// The data permit the delivery is for
    #[arg(long, value_name = "FILE")]
    pub permit: PathBuf,
    /// The data directory of this machine
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where the data files are, when not beside the descriptor
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
}

/// What the demo does.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  oscar demo\n  oscar demo --persons 100000 --seed 7 --keep\n  oscar demo --serve\n  \
    oscar demo --data e2e/packages/diabetes-register --files ../shared/data/dk\n\n\
    The demo ends with code 0 only when every step ended as the text says."
)]
pub struct DemoArguments {
    /// How many persons to generate
    #[arg(long, default_value_t = 20_000, value_parser = persons, conflicts_with = "data")]
    pub persons: usize,
    /// The same seed gives the same data
    #[arg(long, default_value_t = 1, conflicts_with = "data")]
    pub seed: u64,
    /// Use a real delivery instead of generated ones: a folder with a datapackage.json
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where that delivery's data files are, when not beside its descriptor
    #[arg(long, value_name = "DIR", requires = "data")]
    pub files: Option<PathBuf>,
    /// Work in this directory (it must be empty) instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the directory afterwards
    #[arg(long)]
    pub keep: bool,
    /// Keep serving afterwards, and print how to try it yourself
    #[arg(long)]
    pub serve: bool,
}

fn persons(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (LEAST_PERSONS..=MOST_PERSONS).contains(&count) => Ok(count),
        _ => Err(format!("must be a number from {LEAST_PERSONS} to {MOST_PERSONS}")),
    }
}
