//! Differencing: a table that, subtracted from an earlier one, would single out a few persons.

use super::ask::{Published, ask, tell_refusal, unexpected};
use super::narrator::Narrator;
use super::play::MOST_TRIES;
use super::scenario::{Attack, Question, Scenario};
use super::stage::Stage;
use crate::api::query::{QueryCheckRequest, StaticVerdict};
use crate::api::release::{Release, ReleaseState, WithdrawRequest};
use crate::cli::CliError;

/// Act 4: a table that, subtracted from an earlier one, would single out a few persons.
pub(super) async fn differencing(
    stage: &Stage,
    scenario: &Scenario,
    published: &[Published],
    narrator: &mut Narrator<'_>,
) -> Result<(), CliError> {
    let derived = derived_attacks(published);
    for attack in scenario.attacks.iter().chain(&derived).take(MOST_TRIES) {
        if !admissible(stage, &attack.question).await? {
            continue;
        }
        narrator.step(&format!("An attack by subtraction: \"{}\"", attack.question.title))?;
        narrator.say(&format!("   {}", attack.thought))?;
        narrator.statement(&attack.question.sql)?;
        let release = ask(&stage.cast.analyst, &attack.question).await?;
        if release.state == ReleaseState::Refused {
            tell_refusal(&release, narrator)?;
            if release.findings.iter().any(|finding| finding.rule == "R7") {
                return narrator.ended("refused: the ledger remembers who was in the earlier tables (R7)");
            }
            narrator.ended("refused, but for another reason; the next attack is tried")?;
        } else if attack.certain {
            return Err(unexpected(&release, "refused by R7"));
        } else {
            withdraw(stage, &release).await?;
            narrator.ended("this one singles nobody out; the next attack is tried")?;
        }
    }
    Err(CliError::Failed("no differencing attack was refused by rule R7".into()))
}

/// Every table of large groups is asked again without the persons of a group that was too
/// small to be shown: an attacker may guess who they are, and the demo's author knows.
fn derived_attacks(published: &[Published]) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for small in published {
        let Some(small_shape) = &small.question.shape else { continue };
        for base in published.iter().filter(|base| base.question.few.is_empty()) {
            let Some(base_shape) = &base.question.shape else { continue };
            for key in &small.question.few {
                let Some(sql) = base_shape.without(small_shape, key) else { continue };
                let title = format!("{}, without a few", base.release.title);
                let thought = format!(
                    "The analyst guesses a group that \"{}\"\n   does not show, and asks for \"{}\" again without it, \
                     to subtract.",
                    small.release.title, base.release.title
                );
                let question = Question { title, sql, shape: None, few: Vec::new() };
                attacks.push(Attack { question, thought, certain: false });
            }
        }
    }
    attacks
}

async fn admissible(stage: &Stage, question: &Question) -> Result<bool, CliError> {
    let request = QueryCheckRequest { sql: question.sql.clone(), permit: None };
    Ok(stage.cast.analyst.check(&request).await?.verdict != StaticVerdict::Refused)
}

async fn withdraw(stage: &Stage, release: &Release) -> Result<(), CliError> {
    if release.state == ReleaseState::InReview {
        let request = WithdrawRequest { reason: "Only a try of the demo's attacker".into() };
        stage.cast.analyst.withdraw(&release.id, &request).await?;
    }
    Ok(())
}
