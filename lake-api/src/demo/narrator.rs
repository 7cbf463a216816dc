//! Tells the story in plain words, with times.
//!
//! With `--output json` or `csv` the story goes to standard error and only the summary
//! to standard output, so that a program can read it.

use std::time::{Duration, Instant};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::cli::output::Sheet;
use crate::cli::{CliError, Output};

/// Long tables are cut here; the whole one is in the release.
const ROWS_SHOWN: usize = 14;

/// How wide the summary is where no terminal says it.
const PAGE_WIDTH: u16 = 118;

/// The storyteller.
pub(crate) struct Narrator<'o> {
    output: &'o mut Output,
    started: Instant,
    steps: Vec<Step>,
    current: Option<(String, Instant)>,
}

/// One step as it ended.
#[derive(Debug, Clone, Serialize)]
struct Step {
    name: String,
    ended: String,
    milliseconds: u64,
}

impl<'o> Narrator<'o> {
    /// A storyteller with nothing told yet.
    pub(crate) fn new(output: &'o mut Output) -> Self {
        Self { output, started: Instant::now(), steps: Vec::new(), current: None }
    }

    /// Begins a step; its number is given.
    pub(crate) fn step(&mut self, name: &str) -> Result<(), CliError> {
        let heading = format!("{}. {name}", self.steps.len() + 1);
        let heading = self.output.paint(Style::new().bold().fg_color(Some(AnsiColor::Cyan.into())), &heading);
        self.say("")?;
        self.say(&heading)?;
        self.current = Some((name.to_owned(), Instant::now()));
        Ok(())
    }

    /// Ends the step, in words.
    pub(crate) fn ended(&mut self, how: &str) -> Result<(), CliError> {
        let Some((step, begun)) = self.current.take() else { return Ok(()) };
        let spent = begun.elapsed();
        let mark = self.output.paint(Style::new().bold().fg_color(Some(AnsiColor::Green.into())), "=>");
        self.say(&format!("   {mark} {how}  [{}]", duration(spent)))?;
        let milliseconds = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        self.steps.push(Step { name: step, ended: how.to_owned(), milliseconds });
        Ok(())
    }

    /// A line of the story.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), CliError> {
        if self.output.for_programs() {
            self.output.talk(text);
            return Ok(());
        }
        self.output.line(text)
    }

    /// A statement, indented.
    pub(crate) fn statement(&mut self, sql: &str) -> Result<(), CliError> {
        let style = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
        for line in sql.trim().lines() {
            let line = self.output.paint(style, line);
            self.say(&format!("     {line}"))?;
        }
        Ok(())
    }

    /// A table, indented; a long one is cut.
    pub(crate) fn table(&mut self, sheet: &Sheet) -> Result<(), CliError> {
        let total = sheet.rows.len();
        let shown =
            Sheet { columns: sheet.columns.clone(), rows: sheet.rows.iter().take(ROWS_SHOWN).cloned().collect() };
        let width = self.output.width().map(|width| width.saturating_sub(5));
        for line in shown.draw(width).lines() {
            self.say(&format!("     {line}"))?;
        }
        if total > ROWS_SHOWN {
            self.say(&format!("     … and {} more rows", total - ROWS_SHOWN))?;
        }
        Ok(())
    }

    /// Whether a progress bar would be seen.
    pub(crate) fn on_a_terminal(&self) -> bool {
        self.output.talks_to_a_terminal()
    }

    /// The steps, how they ended and what they took.
    pub(crate) fn summary(&mut self) -> Result<(), CliError> {
        self.say("")?;
        let total = duration(self.started.elapsed());
        if self.output.for_programs() {
            self.output.show(&self.steps, |steps| overview(steps))?;
        } else {
            let width = self.output.width().unwrap_or(PAGE_WIDTH);
            self.output.line(&overview(&self.steps).draw(Some(width)))?;
        }
        self.say(&format!("Every step ended as told, in {total}."))
    }
}

fn overview(steps: &[Step]) -> Sheet {
    let mut sheet = Sheet::new(&["step", "ended", "ms"]);
    for step in steps {
        sheet.row([&step.name, &step.ended, &step.milliseconds.to_string()]);
    }
    sheet
}

fn duration(spent: Duration) -> String {
    if spent < Duration::from_secs(1) {
        format!("{} ms", spent.as_millis())
    } else {
        format!("{:.1} s", spent.as_secs_f64())
    }
}
