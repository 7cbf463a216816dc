//! A progress bar for deliveries, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oscar_intake::Progress;
use oscar_permit::TableName;

/// Shows how many bytes and rows of a delivery have been read.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar on standard error, or one that nobody sees.
    pub(crate) fn new(visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style =
            ProgressStyle::with_template("   {msg} {bar:30} {bytes}/{total_bytes} {prefix} {bytes_per_sec} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Takes the bar off the screen.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn table(&self, table: &TableName, bytes: u64) {
        self.0.reset();
        self.0.set_length(bytes);
        self.0.set_message(table.to_string());
    }

    fn advance(&self, rows: u64, quarantined: u64, bytes: u64) {
        self.0.set_position(bytes);
        self.0.set_prefix(if quarantined == 0 {
            format!("{rows} rows")
        } else {
            format!("{rows} rows, {quarantined} bad")
        });
    }

    fn committing(&self) {
        self.0.set_message("making it visible");
    }
}
