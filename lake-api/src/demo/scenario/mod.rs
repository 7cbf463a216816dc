//! Which questions the demo asks.
//!
//! For the generated registers the questions are written by hand, for a real delivery
//! they are derived from the catalogue alone, as a newcomer would find them: count
//! persons by a code list, by a year, by tens of a number. Each part of the story has
//! several candidates, because only the gate and the data decide which of them serve.

mod derived;
mod generated;
mod shape;

use crate::api::catalogue::Catalogue;
use crate::cli::CliError;

use super::generate::Generated;
use super::scout::Scout;

pub(crate) use self::shape::{Group, Key, Shape};

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// A title for the release.
    pub(crate) title: String,
    /// The statement.
    pub(crate) sql: String,
    /// What the question is, as it was made, where the demo may build on it.
    pub(crate) shape: Option<Shape>,
    /// Keys of groups that the demo's author knows to be too small to be shown.
    pub(crate) few: Vec<Vec<String>>,
}

/// The questions of a story.
pub(crate) struct Scenario {
    /// For the first release, which two stewards review. Of generated registers every one of
    /// these is asked, so that each dataset has had its first release.
    pub(crate) first: Vec<Question>,
    /// For the release that nobody needs to look at: the first that serves is taken.
    pub(crate) automatic: Vec<Question>,
    /// For the table with suppressed cells: the first that has any is taken.
    pub(crate) suppressed: Vec<Question>,
    /// The differencing attacks that are known beforehand.
    pub(crate) attacks: Vec<Attack>,
    /// Rows instead of a table.
    pub(crate) rows: Question,
}

/// A question that is a table released before, minus a few persons.
pub(crate) struct Attack {
    /// The question.
    pub(crate) question: Question,
    /// How the attacker thinks.
    pub(crate) thought: String,
    /// Whether it is known to single out fewer persons than the threshold: then anything
    /// but a refusal is a failure of the demo.
    pub(crate) certain: bool,
}

impl Scenario {
    /// The questions about the generated registers.
    pub(crate) fn of_generated(generated: &Generated) -> Self {
        generated::scenario(generated)
    }

    /// Questions about whatever the catalogue holds.
    pub(crate) async fn derived_from(catalogue: &Catalogue, scout: &Scout, threshold: u64) -> Result<Self, CliError> {
        let mut offer = derived::offer(catalogue)?;
        let mut groups = scout.all_groups(&offer.shapes).await?;
        let pairs = derived::pairs(&offer.shapes, &groups);
        groups.extend(scout.all_groups(&pairs).await?);
        offer.shapes.extend(pairs);
        let scenario = derived::choose(offer, groups, threshold);
        if scenario.first.is_empty() || scenario.suppressed.is_empty() {
            let words = "in this delivery no table by one or two columns has large groups only, or just a few small ones; \
                         declare code lists (oscar.codes), dates or coarser columns";
            return Err(CliError::Usage(words.into()));
        }
        Ok(scenario)
    }
}

impl Question {
    /// A question written by hand.
    fn new(title: &str, sql: &str) -> Self {
        Self { title: title.to_owned(), sql: sql.to_owned(), shape: None, few: Vec::new() }
    }

    /// The question that a shape asks.
    fn of(shape: Shape) -> Self {
        Self { title: shape.title(), sql: shape.sql(), shape: Some(shape), few: Vec::new() }
    }
}
