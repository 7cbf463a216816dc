//! Why a command did not do what was asked: what, by which rule, and what to do now.

use std::io;

use super::client::ClientError;
use super::exit::Exit;
use super::release_state::state_name;
use crate::api::query::Refusal;
use crate::api::release::{Release, ReleaseState};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Whoever was reading standard output has stopped: not an error at all.
    #[error("the reader has gone")]
    ReaderGone,
    /// A file or stream of this machine.
    #[error("{what} cannot be used: {source}")]
    File {
        /// Which one, by its role.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server's answer, or none.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The gate refused the statement.
    #[error("the gate refuses this statement: {}", .0.message)]
    Gate(Box<Refusal>),
    /// A release was refused, rejected or withdrawn.
    #[error("release {} is {}", .0.id, state_name(.0.state))]
    NotReleased(Box<Release>),
    /// A release is not decided yet.
    #[error("release {} is not decided yet ({}); {}", .0.id, state_name(.0.state), .0.next)]
    Pending(Box<Release>),
    /// Something is not what it claims to be.
    #[error("{0}")]
    Verification(String),
    /// A journal is not whole: how many findings, and one line for each.
    #[error("the journal is not sound: {0} finding(s)\n{1}")]
    Journal(usize, String),
    /// A delivery was refused.
    #[error("the delivery is refused: {words}")]
    Delivery {
        /// Id of the rule.
        rule: String,
        /// What is wrong and what mends it.
        words: String,
    },
    /// Wrong input that the argument parser cannot see.
    #[error("{0}")]
    Usage(String),
    /// No token.
    #[error("there is no valid token for this server")]
    LoginNeeded,
    /// Nobody has given the caller anything.
    #[error("no permit in force names you")]
    NoPermit,
    /// Anything else, in words that hold no data.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::ReaderGone => Exit::Ok,
            Self::File { .. } | Self::Failed(_) => Exit::Failure,
            Self::Client(error) => error.exit(),
            Self::Gate(_) | Self::NotReleased(_) | Self::Delivery { .. } => Exit::Refused,
            Self::Pending(_) => Exit::Pending,
            Self::Verification(_) | Self::Journal(..) => Exit::VerificationFailed,
            Self::Usage(_) => Exit::Usage,
            Self::LoginNeeded => Exit::LoginNeeded,
            Self::NoPermit => Exit::NotFound,
        }
    }

    /// The rule that spoke, where one did.
    #[must_use]
    pub fn rule(&self) -> Option<String> {
        match self {
            Self::Gate(refusal) => Some(refusal.code.clone()),
            Self::Client(error) => error.rule(),
            Self::NotReleased(release) => {
                let rules = release.findings.iter().map(|f| format!("{}: {}", f.rule, f.message));
                let gate = release.refusal.iter().map(|r| format!("{}: {}", r.code, r.message));
                let all: Vec<String> = gate.chain(rules).collect();
                (!all.is_empty()).then(|| all.join("; "))
            }
            Self::Delivery { rule, words: _ } => Some(rule.clone()),
            Self::ReaderGone
            | Self::File { .. }
            | Self::Pending(_)
            | Self::Verification(_)
            | Self::Journal(..)
            | Self::Usage(_)
            | Self::LoginNeeded
            | Self::NoPermit
            | Self::Failed(_) => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Gate(refusal) => Some(refusal.remedy.clone()),
            Self::Client(error) => error.remedy(),
            Self::NotReleased(release) => Some(release.next.clone()),
            Self::NoPermit => Some("ask the authority that decides on permits".into()),
            Self::LoginNeeded => Some("run 'oscar login', or set OSCAR_TOKEN".into()),
            Self::Pending(release) => Some(match release.state {
                ReleaseState::Draft | ReleaseState::Vetting | ReleaseState::Approved => {
                    format!("ask again with 'oscar release show {} --wait'", release.id)
                }
                _ => format!("look again later: 'oscar release show {}'", release.id),
            }),
            Self::Verification(_) => {
                Some("do not use the file; fetch it again, and ask the data holder if it stays so".into())
            }
            Self::ReaderGone
            | Self::File { .. }
            | Self::Journal(..)
            | Self::Delivery { .. }
            | Self::Usage(_)
            | Self::Failed(_) => None,
        }
    }

    /// Wraps an error of a local file with the file's role.
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::File { what, source }
    }
}

impl From<io::Error> for CliError {
    /// Errors while printing: a closed pipe is the reader's choice.
    fn from(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::File { what: "standard output".into(), source }
        }
    }
}
