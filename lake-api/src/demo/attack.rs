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

/// What an attacker does who knows nothing but the released tables: a suppressed cell says
/// that its persons are few, so every other table is asked again without them.
fn derived_attacks(published: &[Published]) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for small in published {
        let Some(small_shape) = &small.shape else { continue };
        for base in published.iter().filter(|base| base.hidden_keys.is_empty()) {
            let Some(base_shape) = &base.shape else { continue };
            for key in &small.hidden_keys {
                let Some(sql) = base_shape.without(small_shape, key) else { continue };
                attacks.push(Attack {
                    question: Question { title: format!("{}, without a few", base.release.title), sql, shape: None },
                    thought: format!(
                        "A suppressed cell of \"{}\" says that its persons are few. The analyst asks for\n   \
                         \"{}\" again without them, to subtract.",
                        small.release.title, base.release.title
                    ),
                    certain: false,
                });
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
