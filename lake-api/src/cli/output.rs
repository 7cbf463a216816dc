//! Where data and words go.
//!
//! Data goes to standard output in the format that was asked for; words go to standard
//! error. Colours appear only on a terminal, and never when `NO_COLOR` is set.

use std::io::{self, IsTerminal as _, Write};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};
use serde::Serialize;

use super::CliError;
use super::arguments::{Format, Global};
use super::printable::printable;

/// A table for people and spreadsheets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// The column names.
    pub(crate) columns: Vec<String>,
    /// The rows.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Sheet {
    /// A sheet with these columns and no rows yet.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Draws it with lines, numbers to the right, and nothing in it that acts on a terminal.
    pub(crate) fn draw(&self, width: Option<u16>) -> String {
        let mut table = Table::new();
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| printable(cell)));
        table
            .load_preset(UTF8_FULL_CONDENSED)
            .set_header(self.columns.iter().map(|name| printable(name)))
            .add_rows(rows);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            // Names are copied from here: the first column is broken only where it takes half the width.
            let widest = table.column_max_content_widths().first().copied().unwrap_or(0);
            if let Some(names) = table.column_mut(0).filter(|_| widest <= width / 2) {
                names.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            let numeric =
                |row: &Vec<String>| row.get(place).is_some_and(|cell| cell.parse::<f64>().is_ok() || cell == "..");
            if !self.rows.is_empty() && self.rows.iter().all(numeric) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}

/// The program's two voices.
pub(crate) struct Output {
    format: Format,
    colour: bool,
    colour_talk: bool,
    verbose: u8,
    out: io::Stdout,
    err: io::Stderr,
}

impl Output {
    /// Voices as the options and the terminal ask for.
    pub(crate) fn new(global: &Global) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let allowed = !global.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            format: global.output,
            colour: allowed && out.is_terminal(),
            colour_talk: allowed && err.is_terminal(),
            verbose: global.verbose,
            out,
            err,
        }
    }

    /// Shows a value: whole as JSON, or its sheet as table or comma-separated text.
    pub(crate) fn show<T: Serialize>(&mut self, value: &T, sheet: impl FnOnce(&T) -> Sheet) -> Result<(), CliError> {
        match self.format {
            Format::Json => {
                let text = serde_json::to_string_pretty(value)
                    .map_err(|_| CliError::Failed("the answer has no JSON form".into()))?;
                writeln!(self.out.lock(), "{text}")?;
            }
            Format::Csv => self.csv(&sheet(value))?,
            Format::Table => self.line(&sheet(value).draw(self.width()))?,
        }
        Ok(())
    }

    fn csv(&mut self, sheet: &Sheet) -> Result<(), CliError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |_| CliError::Failed("the answer has no comma-separated form".into());
        writer.write_record(&sheet.columns).map_err(failed)?;
        for row in &sheet.rows {
            writer.write_record(row).map_err(failed)?;
        }
        let bytes =
            writer.into_inner().map_err(|_| CliError::Failed("the answer has no comma-separated form".into()))?;
        self.raw(&bytes)
    }

    /// Bytes, exactly.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = self.out.lock();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(())
    }

    /// One line of data for people.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.out.lock(), "{text}")?;
        Ok(())
    }

    /// One line of words on standard error. A standard error that is gone is no reason to stop.
    pub(crate) fn talk(&mut self, text: &str) {
        let _ = writeln!(self.err.lock(), "{text}");
    }

    /// A line of words that only `-v` shows.
    pub(crate) fn detail(&mut self, text: &str) {
        if self.verbose > 0 {
            self.talk(text);
        }
    }

    /// What went wrong, by which rule, and what to do.
    pub(crate) fn error(&mut self, error: &CliError) {
        let bold = Style::new().bold();
        // That people have not decided yet is nobody's error.
        let (label, colour) = match error {
            CliError::Pending(_) => ("pending:", AnsiColor::Yellow),
            _ => ("error:", AnsiColor::Red),
        };
        let label = paint(self.colour_talk, bold.fg_color(Some(colour.into())), label);
        let text = format!("{label} {}", printable(&error.to_string()));
        self.talk(&text);
        if let Some(rule) = error.rule() {
            let text = format!("  {} {}", paint(self.colour_talk, bold, "rule:"), printable(&rule));
            self.talk(&text);
        }
        if let Some(remedy) = error.remedy() {
            let text = format!("  {} {}", paint(self.colour_talk, bold, "remedy:"), printable(&remedy));
            self.talk(&text);
        }
    }

    /// `text` in a style, where data is shown on a terminal.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        paint(self.colour, style, text)
    }

    /// Whether data is asked for as JSON or comma-separated text.
    pub(crate) fn for_programs(&self) -> bool {
        self.format != Format::Table
    }

    /// Whether data is shown on a terminal.
    pub(crate) fn shows_on_a_terminal(&self) -> bool {
        self.out.is_terminal()
    }

    /// Whether words are shown on a terminal: only then do progress bars make sense.
    pub(crate) fn talks_to_a_terminal(&self) -> bool {
        self.err.is_terminal()
    }

    /// The terminal's width, where data is shown on one.
    pub(crate) fn width(&self) -> Option<u16> {
        terminal_size::terminal_size_of(&self.out).map(|(width, _)| width.0)
    }
}

fn paint(colour: bool, style: Style, text: &str) -> String {
    if colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
}
