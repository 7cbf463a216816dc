//! `oscar audit`: is the journal whole, and what is in it?

use std::path::Path;

use oscar_lake::{Storage, StorageConfig};
use serde::Serialize;

use crate::api::audit::AuditPage;
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::session::Session;
use crate::cli::verification::{journal, read_key};
use crate::cli::{CliError, Output};

/// Verifies a journal directory without asking any server.
pub(super) async fn verify(
    directory: &Path,
    key: &Path,
    checkpoint: Option<&Path>,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let key = read_key(key)?;
    let checkpoint = match checkpoint {
        Some(file) => Some(std::fs::read(file).map_err(CliError::file("the checkpoint"))?),
        None => None,
    };
    if !directory.join("journal").is_dir() {
        return Err(CliError::Usage("the directory has no folder 'journal' in it".into()));
    }
    let storage = Storage::open(&StorageConfig::Local { root: directory.to_owned() })
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let trusted = checkpoint.is_some();
    let report = journal(&storage.store(), &key, checkpoint).await?;
    let summary = Soundness {
        records: report.records,
        events: report.events,
        checkpoints: report.checkpoints,
        head: report.head.digest.to_string(),
        against_own_checkpoint: trusted,
    };
    output.show(&summary, soundness)?;
    if !trusted {
        output.talk("Only a checkpoint kept elsewhere (--checkpoint) can show that the newest events were cut off.");
    }
    Ok(Exit::Ok)
}

/// A journal that passed, in numbers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Soundness {
    records: u64,
    events: u64,
    checkpoints: u64,
    head: String,
    against_own_checkpoint: bool,
}

fn soundness(found: &Soundness) -> Sheet {
    let mut sheet = Sheet::new(&["journal", "sound"]);
    sheet.row(["records", &found.records.to_string()]);
    sheet.row(["events", &found.events.to_string()]);
    sheet.row(["checkpoints", &found.checkpoints.to_string()]);
    sheet.row(["newest record (SHA-256)", &found.head]);
    sheet.row(["checked against an own checkpoint", if found.against_own_checkpoint { "yes" } else { "no" }]);
    sheet
}

/// What was recorded, for auditors.
pub(super) async fn list(
    session: &Session,
    after: Option<u64>,
    limit: u32,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let page = session.client.audit(after, limit).await?;
    output.show(&page, sheet)?;
    if let Some(next) = page.next {
        output.talk(&format!("More: oscar audit list --after {next}"));
    }
    Ok(Exit::Ok)
}

fn sheet(page: &AuditPage) -> Sheet {
    let mut sheet = Sheet::new(&["number", "time (UTC)", "who", "what"]);
    for entry in &page.entries {
        let kind = entry.event.get("kind").and_then(serde_json::Value::as_str).unwrap_or("event");
        let release = entry.event.get("release").and_then(serde_json::Value::as_str).unwrap_or("");
        sheet.row([
            entry.sequence.to_string(),
            entry.time.format("%Y-%m-%d %H:%M:%S").to_string(),
            actor(&entry.actor),
            format!("{kind} {release}").trim_end().to_owned(),
        ]);
    }
    sheet
}

/// The person's name at their provider, the service's name, or that nobody could be told.
fn actor(actor: &serde_json::Value) -> String {
    let subject = actor.pointer("/identity/subject").or_else(|| actor.get("name")).or_else(|| actor.get("kind"));
    subject.and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned()
}
