//! Fairness between processes that append at once.
//!
//! Who has just won a number knows the newest state and could put the next record at
//! once; who has lost must read first and would lose again, without end. So after a few
//! wins in quick succession a writer pauses for up to some puts' time, long enough for
//! others to come in. Inside one process writers simply queue for the turn.

use std::time::{Duration, Instant};

/// So many records in a row, then a pause.
const WINS_IN_A_ROW: u32 = 4;

/// The longest pause, in puts.
const PUTS: u32 = 4;

/// What the writer whose turn it is knows of the process's last appends.
#[derive(Debug)]
pub(crate) struct Turn {
    wins: u32,
    last_win: Instant,
    put: Duration,
}

impl Turn {
    pub(crate) fn new() -> Self {
        Self { wins: 0, last_win: Instant::now(), put: Duration::ZERO }
    }

    /// Lets others in when it is time; to be called before deciding.
    pub(crate) async fn courtesy(&mut self) {
        let longest = self.put * PUTS;
        if self.wins >= WINS_IN_A_ROW && self.last_win.elapsed() < longest {
            tokio::time::sleep(longest.mul_f64(rand::random())).await;
            self.wins = 0;
        }
    }

    /// Notes a record that took `put` to write.
    pub(crate) fn won(&mut self, put: Duration) {
        self.wins = if self.last_win.elapsed() < put * (PUTS + 1) { self.wins.saturating_add(1) } else { 1 };
        self.last_win = Instant::now();
        self.put = put;
    }

    /// Notes a lost race.
    pub(crate) const fn lost(&mut self) {
        self.wins = 0;
    }
}
