//! The acts: what is asked, and how each must end.

use std::time::Instant;

use super::ask::{Published, ask, show, tell_refusal, unexpected};
use super::attack::differencing;
use super::narrator::Narrator;
use super::review;
use super::scenario::{Question, Scenario};
use super::stage::Stage;
use crate::api::query::{QueryCheckRequest, StaticVerdict};
use crate::api::release::{Release, ReleaseState};
use crate::cli::CliError;

/// No candidate list is followed further than this: every try counts against the quota.
pub(super) const MOST_TRIES: usize = 12;

/// Plays all acts; the published tables come back.
pub(super) async fn play(
    stage: &Stage,
    scenario: &Scenario,
    narrator: &mut Narrator<'_>,
) -> Result<Vec<Published>, CliError> {
    // On generated registers every one of the first questions is asked, for each dataset its
    // own; on a real delivery they are candidates for one. The table that needs nobody comes
    // before those of the other datasets: where persons are in several groups of one table,
    // the proof that no series of tables singles out few of them ends, and people look.
    let alone = if stage.generated.is_some() { 1 } else { scenario.first.len() };
    let (first, others) = scenario.first.split_at(alone.min(scenario.first.len()));
    let mut published = first_releases(stage, first, narrator).await?;
    automatic(stage, scenario, &mut published, narrator).await?;
    if !others.is_empty() {
        published.extend(first_releases(stage, others, narrator).await?);
    }
    suppressed(stage, scenario, &mut published, narrator).await?;
    differencing(stage, scenario, &published, narrator).await?;
    rows(stage, &scenario.rows, narrator).await?;
    Ok(published)
}

/// Act 1: whatever a newcomer asks first, people look at.
async fn first_releases(
    stage: &Stage,
    questions: &[Question],
    narrator: &mut Narrator<'_>,
) -> Result<Vec<Published>, CliError> {
    let mut published = Vec::new();
    let every_one = stage.generated.is_some();
    for question in questions.iter().take(MOST_TRIES) {
        narrator.step(&format!("{}'s first question of its kind: \"{}\"", stage.names.analyst, question.title))?;
        narrator.statement(&question.sql)?;
        let release = ask(&stage.cast.analyst, question).await?;
        match release.state {
            ReleaseState::InReview => {
                narrator.say(&format!("   In review, because: {}.", reasons_in_words(&release)))?;
                let release = review::by_two_stewards(stage, &release.id, narrator).await?;
                published.push(show(stage, question, release, narrator).await?);
                narrator.ended("released after two stewards said yes")?;
            }
            ReleaseState::Released => {
                published.push(show(stage, question, release, narrator).await?);
                narrator.ended("released without review")?;
            }
            ReleaseState::Refused => {
                tell_refusal(&release, narrator)?;
                narrator.ended("refused; another question is tried")?;
                continue;
            }
            _ => return Err(unexpected(&release, "in review")),
        }
        if !every_one {
            break;
        }
    }
    let reviewed = published.iter().any(|table| !table.release.review_reasons.is_empty());
    if published.is_empty() || !reviewed || (every_one && published.len() < questions.len()) {
        return Err(CliError::Failed("a first release should have been reviewed and released, and was not".into()));
    }
    Ok(published)
}

/// Act 2: a table that no person needs to look at.
async fn automatic(
    stage: &Stage,
    scenario: &Scenario,
    published: &mut Vec<Published>,
    narrator: &mut Narrator<'_>,
) -> Result<(), CliError> {
    let before = published.len();
    let mut reasons = String::new();
    for question in fresh(&scenario.automatic, published).into_iter().take(MOST_TRIES) {
        narrator.step(&format!("A table that no person needs to look at: \"{}\"", question.title))?;
        narrator.statement(&question.sql)?;
        let release = ask(&stage.cast.analyst, &question).await?;
        match release.state {
            ReleaseState::Released => {
                published.push(show(stage, &question, release, narrator).await?);
                return narrator.ended("released by the rules alone");
            }
            ReleaseState::InReview => {
                reasons = reasons_in_words(&release);
                narrator.say(&format!("   In review all the same, because: {reasons}."))?;
                let release = review::by_two_stewards(stage, &release.id, narrator).await?;
                published.push(show(stage, &question, release, narrator).await?);
                narrator.ended("released after review; another question is tried for the automatic way")?;
            }
            ReleaseState::Refused => {
                tell_refusal(&release, narrator)?;
                narrator.ended("refused; another question is tried")?;
            }
            _ => return Err(unexpected(&release, "released")),
        }
    }
    if published.len() == before {
        return Err(CliError::Failed("no table could be released by the rules alone or after review".into()));
    }
    narrator.say(&format!("   On this delivery every table went to people first ({reasons})."))
}

/// Act 3: cells of few persons are hidden.
async fn suppressed(
    stage: &Stage,
    scenario: &Scenario,
    published: &mut Vec<Published>,
    narrator: &mut Narrator<'_>,
) -> Result<(), CliError> {
    for question in fresh(&scenario.suppressed, published).into_iter().take(MOST_TRIES) {
        narrator.step(&format!("A table with small cells: \"{}\"", question.title))?;
        narrator.statement(&question.sql)?;
        let mut release = ask(&stage.cast.analyst, &question).await?;
        if release.state == ReleaseState::InReview {
            narrator.say(&format!("   In review, because: {}.", reasons_in_words(&release)))?;
            release = review::by_two_stewards(stage, &release.id, narrator).await?;
        }
        match release.state {
            ReleaseState::Released => {
                let table = show(stage, &question, release, narrator).await?;
                let (marked, absent) = (table.marked, table.absent);
                published.push(table);
                match (marked, absent) {
                    (0, 0) => narrator.ended("released; no cell was small, so another question is tried")?,
                    (marked, 0) => {
                        return narrator.ended(&format!("released with {marked} suppressed cells, all marked alike"));
                    }
                    (_, absent) => {
                        narrator.say(&format!("   {absent} groups have too few persons: they are not shown, like groups that do not exist."))?;
                        return narrator.ended(&format!("released with {} suppressed cells", marked + absent));
                    }
                }
            }
            ReleaseState::Refused => {
                tell_refusal(&release, narrator)?;
                narrator.ended("refused; a coarser question is tried")?;
            }
            _ => return Err(unexpected(&release, "released")),
        }
    }
    Err(CliError::Failed("no question gave a releasable table with suppressed cells".into()))
}

/// Act 5: rows never leave.
async fn rows(stage: &Stage, question: &Question, narrator: &mut Narrator<'_>) -> Result<(), CliError> {
    narrator.step(&format!("Rows instead of a table: \"{}\"", question.title))?;
    narrator.statement(&question.sql)?;
    let request = QueryCheckRequest { sql: question.sql.clone(), permit: None };
    let begun = Instant::now();
    let answer = stage.cast.analyst.check(&request).await?;
    let spent = begun.elapsed();
    let Some(refusal) = answer.refusal.filter(|_| answer.verdict == StaticVerdict::Refused) else {
        return Err(CliError::Failed("a row-level statement was not refused by the gate".into()));
    };
    narrator.say(&format!(
        "   The gate, after {} ms and without touching data: {}",
        spent.as_millis(),
        refusal.message
    ))?;
    narrator.say(&format!("   Remedy: {}", refusal.remedy))?;
    let release = ask(&stage.cast.analyst, question).await?;
    if release.state != ReleaseState::Refused {
        return Err(unexpected(&release, "refused"));
    }
    narrator.ended(&format!("refused ({})", refusal.code))
}

/// The questions that have not been answered yet: asking again would only cost quota.
fn fresh(questions: &[Question], published: &[Published]) -> Vec<Question> {
    questions
        .iter()
        .filter(|question| published.iter().all(|table| table.release.sql != question.sql))
        .cloned()
        .collect()
}

/// Why people look at a release; codes are words with dashes.
fn reasons_in_words(release: &Release) -> String {
    release.review_reasons.join(", ").replace('-', " ")
}
