//! The exit codes, in one place: the help text and the program read the same list.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something failed that none of the other codes names.
    Failure = 1,
    /// The command line itself was wrong.
    Usage = 2,
    /// The gate or vetting refused the statement, the release or the delivery.
    Refused = 3,
    /// Not there, or not for you: the two look the same on purpose.
    NotFound = 4,
    /// A receipt, content or journal is not what it claims to be.
    VerificationFailed = 5,
    /// The server cannot be reached, or asks to come back later.
    Unavailable = 6,
    /// The release has not been decided yet.
    Pending = 7,
    /// No valid token: log in first.
    LoginNeeded = 8,
}

impl Exit {
    /// Every code with what it means.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Ok, "done"),
        (Self::Failure, "failed, see the message"),
        (Self::Usage, "wrong command line"),
        (Self::Refused, "refused by the gate, by vetting or by intake"),
        (Self::NotFound, "not found, or not permitted to you"),
        (Self::VerificationFailed, "a receipt, content or journal failed verification"),
        (Self::Unavailable, "the server cannot be reached or is busy"),
        (Self::Pending, "the release is not decided yet"),
        (Self::LoginNeeded, "no valid token: run 'oscar login'"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The list as help text.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed, see the message
  2  wrong command line
  3  refused by the gate, by vetting or by intake
  4  not found, or not permitted to you
  5  a receipt, content or journal failed verification
  6  the server cannot be reached or is busy
  7  the release is not decided yet
  8  no valid token: run 'oscar login'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_text_lists_every_code() {
        for (exit, meaning) in Exit::ALL {
            assert!(HELP.contains(&format!("\n  {}  {meaning}", exit as u8)), "{exit:?} is missing from the help");
        }
        assert_eq!(HELP.lines().count(), Exit::ALL.len() + 1);
    }
}
