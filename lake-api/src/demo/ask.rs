//! Asking for a release and looking at what comes back.

use std::time::{Duration, Instant};

use oscar_vetting::SUPPRESSION_MARK;

use super::narrator::Narrator;
use super::scenario::Question;
use super::stage::Stage;
use crate::api::release::{ContentFormat, Release, ReleaseRequest, ReleaseState};
use crate::cli::output::Sheet;
use crate::cli::release_state::state_name;
use crate::cli::{ApiClient, CliError};

/// A release that has not settled by then is a failure.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(60);

/// A published table.
pub(super) struct Published {
    /// The release.
    pub(super) release: Release,
    /// The question.
    pub(super) question: Question,
    /// Rows whose numbers are suppressed, all with the same mark.
    pub(super) marked: usize,
    /// Groups of few persons that have no row at all.
    pub(super) absent: usize,
}

/// Asks for a release and waits until vetting has answered.
pub(super) async fn ask(analyst: &ApiClient, question: &Question) -> Result<Release, CliError> {
    let request = ReleaseRequest {
        sql: question.sql.clone(),
        title: question.title.clone(),
        purpose: "Demonstration: descriptive table for a protocol".into(),
        permit: None,
    };
    let release = analyst.submit(&request, &uuid::Uuid::now_v7().to_string()).await?;
    settled(analyst, release).await
}

/// Waits until the platform has nothing left to do by itself.
pub(super) async fn settled(client: &ApiClient, mut release: Release) -> Result<Release, CliError> {
    let begun = Instant::now();
    while matches!(release.state, ReleaseState::Draft | ReleaseState::Vetting | ReleaseState::Approved) {
        if begun.elapsed() > PATIENCE {
            return Err(CliError::Pending(Box::new(release)));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        release = client.release(&release.id).await?;
    }
    Ok(release)
}

/// The released table, as anyone who asked would fetch it.
pub(super) async fn show(
    stage: &Stage,
    question: &Question,
    release: Release,
    narrator: &mut Narrator<'_>,
) -> Result<Published, CliError> {
    let csv = stage.cast.analyst.content(&release.id, ContentFormat::Csv).await?;
    let table = sheet(&csv)?;
    narrator.table(&table)?;
    let is_marked = |row: &&Vec<String>| row.iter().any(|cell| cell == SUPPRESSION_MARK);
    let of_key = |key: &Vec<String>| table.rows.iter().find(|row| row.starts_with(key));
    if question.few.iter().filter_map(of_key).any(|row| !is_marked(&row)) {
        return Err(CliError::Failed("a group of too few persons is shown with its number".into()));
    }
    Ok(Published {
        release,
        question: question.clone(),
        marked: table.rows.iter().filter(is_marked).count(),
        absent: question.few.iter().filter(|key| of_key(key).is_none()).count(),
    })
}

fn sheet(bytes: &[u8]) -> Result<Sheet, CliError> {
    let broken = |_| CliError::Failed("the released file is not comma-separated text".into());
    let mut reader = csv::Reader::from_reader(bytes);
    let columns = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
    let rows = reader
        .records()
        .map(|row| row.map(|row| row.iter().map(str::to_owned).collect()).map_err(broken))
        .collect::<Result<_, _>>()?;
    Ok(Sheet { columns, rows })
}

/// Why a release was refused, in words.
pub(super) fn tell_refusal(release: &Release, narrator: &mut Narrator<'_>) -> Result<(), CliError> {
    if let Some(refusal) = &release.refusal {
        narrator.say(&format!("   {}: {}", refusal.code, refusal.message))?;
        narrator.say(&format!("   Remedy: {}", refusal.remedy))?;
    }
    for finding in &release.findings {
        narrator.say(&format!("   {}: {}", finding.rule, finding.message))?;
        if !finding.remedy.is_empty() {
            narrator.say(&format!("   Remedy: {}", finding.remedy))?;
        }
    }
    Ok(())
}

/// The demo told something that did not happen.
pub(super) fn unexpected(release: &Release, wanted: &str) -> CliError {
    let rules: Vec<&str> = release.findings.iter().map(|finding| finding.rule.as_str()).collect();
    CliError::Failed(format!(
        "release \"{}\" should have been {wanted}, but is {} (rules: {}; review: {}; reason: {})",
        release.title,
        state_name(release.state),
        rules.join(", "),
        release.review_reasons.join("; "),
        release.reason.as_deref().unwrap_or("none")
    ))
}
