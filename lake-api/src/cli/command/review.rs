//! `oscar release review`, `vote` and `votes`.

use super::release::card;
use crate::api::review::{ReviewTable, VoteDecision, VoteRequest, Votes};
use crate::cli::arguments::{VoteArguments, VoteDecisionArgument};
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::printable::printable;
use crate::cli::session::Session;
use crate::cli::{CliError, Output};

/// The reviewer pack: the table exactly as it would be released, beside its context.
pub(super) async fn pack(session: &Session, id: &str, output: &mut Output) -> Result<Exit, CliError> {
    let pack = session.client.review(id).await?;
    if output.for_programs() {
        output.show(&pack, |pack| table(&pack.table))?;
        return Ok(Exit::Ok);
    }
    output.show(&pack.release, card)?;
    output.line("\nThe requester writes:")?;
    output.line(&printable(&pack.release.purpose))?;
    output.line("\nThe table as it would be released ('..' is suppressed):")?;
    output.show(&pack.table, table)?;
    if !pack.findings.is_empty() {
        output.line("\nWhat the rules say:")?;
        for finding in &pack.findings {
            output.line(&format!("  {}  {}", printable(&finding.rule), printable(&finding.message)))?;
        }
    }
    output.line(&format!("\nDigest to name in a vote: {}", printable(&pack.content)))?;
    Ok(Exit::Ok)
}

/// Votes on the table as it is now, or on the one that `--content` names.
pub(super) async fn vote(session: &Session, arguments: &VoteArguments, output: &mut Output) -> Result<Exit, CliError> {
    let content = match &arguments.content {
        Some(content) => content.clone(),
        None => session.client.review(&arguments.id).await?.content,
    };
    let decision = match arguments.decision {
        VoteDecisionArgument::Approve => VoteDecision::Approve,
        VoteDecisionArgument::Reject => VoteDecision::Reject,
        VoteDecisionArgument::Return => VoteDecision::Return,
    };
    let request = VoteRequest { decision, reason: arguments.reason.clone(), content };
    let votes = session.client.vote(&arguments.id, &request).await?;
    output.show(&votes, votes_sheet)?;
    if !votes.complete {
        output.talk("Recorded. The votes are shown when both are in.");
    }
    Ok(Exit::Ok)
}

/// The votes as far as the caller may see them.
pub(super) async fn votes(session: &Session, id: &str, output: &mut Output) -> Result<Exit, CliError> {
    let votes = session.client.votes(id).await?;
    output.show(&votes, votes_sheet)?;
    if !votes.complete {
        output.talk("The votes are shown when both are in.");
    }
    Ok(Exit::Ok)
}

fn votes_sheet(votes: &Votes) -> Sheet {
    let mut sheet = Sheet::new(&["role", "decision", "reason", "at (UTC)"]);
    let shown = if votes.complete { votes.votes.as_slice() } else { votes.yours.as_slice() };
    for vote in shown {
        let decision = match vote.decision {
            VoteDecision::Approve => "approve",
            VoteDecision::Reject => "reject",
            VoteDecision::Return => "return",
        };
        sheet.row([&vote.role, decision, &vote.reason, &vote.at.format("%Y-%m-%d %H:%M:%S").to_string()]);
    }
    sheet
}

/// A released or reviewable table as text; nothing is computed here.
pub(crate) fn table(table: &ReviewTable) -> Sheet {
    let rows = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    Sheet { columns: table.columns.clone(), rows }
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "..".into(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
