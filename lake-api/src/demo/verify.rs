//! The last acts: everything that came out is verified without asking the server, and the
//! auditor looks at what was recorded.

use super::ask::Published;
use super::narrator::Narrator;
use super::stage::Stage;
use crate::api::release::ContentFormat;
use crate::cli::CliError;
use crate::cli::exit::Exit;
use crate::cli::verification::{journal, parse_key, receipt};
use oscar_journal::JournalKey;
use oscar_lake::{FileKeys, KeyProvider as _, KeyPurpose};

/// Verifies receipts and journal, and shows that a changed byte is found.
pub(super) async fn verify(
    stage: &Stage,
    published: &[Published],
    narrator: &mut Narrator<'_>,
) -> Result<(), CliError> {
    receipts(stage, published, narrator).await?;
    audit(stage, narrator).await
}

async fn receipts(stage: &Stage, published: &[Published], narrator: &mut Narrator<'_>) -> Result<(), CliError> {
    narrator.step("Anyone verifies the receipts, offline")?;
    let keys = stage.cast.stranger.keys().await?;
    let text = serde_json::to_string(&keys).map_err(|_| CliError::Failed("the keys have no text".into()))?;
    let key = parse_key(&text).ok_or_else(|| CliError::Failed("the server's keys are not usable".into()))?;
    let mut files = 0;
    for table in published {
        let id = &table.release.id;
        let signed = stage.cast.analyst.receipt(id).await?;
        for format in ContentFormat::ALL {
            let content = stage.cast.analyst.content(id, format).await?;
            receipt(&signed, &content, &key)?;
            files += 1;
            let mut changed = content.to_vec();
            let Some(byte) = changed.last_mut() else { continue };
            *byte ^= 1;
            if receipt(&signed, &changed, &key).is_ok() {
                return Err(CliError::Failed("a changed file passed verification".into()));
            }
        }
        not_for_strangers(stage, id).await?;
    }
    narrator.say("   A single changed bit is found in every one of them, and a stranger gets none of them.")?;
    narrator.ended(&format!("{files} files of {} releases are what their receipts say", published.len()))
}

async fn not_for_strangers(stage: &Stage, id: &str) -> Result<(), CliError> {
    match stage.cast.stranger.content(id, ContentFormat::Csv).await {
        Err(error) if error.exit() == Exit::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(CliError::Failed("a person without a permit could read a release".into())),
    }
}

async fn audit(stage: &Stage, narrator: &mut Narrator<'_>) -> Result<(), CliError> {
    narrator.step(&format!("{} reads the journal, and verifies it offline", stage.names.auditor))?;
    let page = stage.cast.auditor.audit(None, 100).await?;
    if page.entries.is_empty() {
        return Err(CliError::Failed("the auditor sees an empty journal".into()));
    }
    match stage.cast.analyst.audit(None, 1).await {
        Err(error) if error.exit() == Exit::NotFound => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(CliError::Failed("somebody who is no auditor could read the journal".into())),
    }
    let seed = FileKeys::directory(stage.directory.join("keys"))
        .key(KeyPurpose::Journal)
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let key = JournalKey::from_seed(seed.expose()).verifying_key();
    let storage = oscar_lake::Storage::open(&oscar_lake::StorageConfig::Local { root: stage.directory.join("tenant") })
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let report = journal(&storage.store(), &key, None).await?;
    narrator.ended(&format!(
        "{} events in {} records, one unbroken chain, every signature right",
        report.events, report.records
    ))
}
