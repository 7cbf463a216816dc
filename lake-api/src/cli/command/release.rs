//! `oscar release …` for the one who asks.

use super::{LOOK_AGAIN, statement};
use crate::api::release::{ContentFormat, Release, ReleaseRequest, ReleaseState, WithdrawRequest};
use crate::cli::arguments::{ContentFormatArgument, GetArguments, SubmitArguments};
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::release_state::state_name;
use crate::cli::session::Session;
use crate::cli::{CliError, Output};

/// Asks for a release, and waits for vetting's answer where that is wanted.
pub(super) async fn submit(
    session: &Session,
    arguments: &SubmitArguments,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let request = ReleaseRequest {
        sql: statement(&arguments.statement)?,
        title: arguments.title.clone(),
        purpose: arguments.purpose.clone(),
        permit: arguments.permit.clone(),
    };
    let key = arguments.idempotency_key.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let mut release = session.client.submit(&request, &key).await?;
    if arguments.wait {
        release = settled(session, release).await?;
    }
    output.show(&release, card)?;
    match outcome(release) {
        // Nobody asked to wait: that it was taken is the answer.
        Err(CliError::Pending(release)) if !arguments.wait => {
            output.talk(&format!("Taken. See what comes of it: oscar release show {} --wait", release.id));
            Ok(Exit::Ok)
        }
        outcome => outcome,
    }
}

/// The release once nothing about it waits for the platform: it is decided, published, or
/// waits for people.
async fn settled(session: &Session, mut release: Release) -> Result<Release, CliError> {
    while matches!(release.state, ReleaseState::Draft | ReleaseState::Vetting | ReleaseState::Approved) {
        tokio::time::sleep(LOOK_AGAIN).await;
        release = session.client.release(&release.id).await?;
    }
    Ok(release)
}

/// The release as it is now, or, with `wait`, once it no longer waits for the platform.
async fn present(session: &Session, id: &str, wait: bool) -> Result<Release, CliError> {
    let release = session.client.release(id).await?;
    if wait { settled(session, release).await } else { Ok(release) }
}

/// The newest releases, page after page until there are enough.
pub(super) async fn list(session: &Session, limit: u32, output: &mut Output) -> Result<Exit, CliError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut releases: Vec<Release> = Vec::new();
    let mut after = None;
    while releases.len() < limit {
        let wanted = u32::try_from(limit - releases.len()).unwrap_or(100).min(100);
        let page = session.client.releases(after.as_deref(), wanted).await?;
        releases.extend(page.releases);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    releases.truncate(limit);
    output.show(&releases, |releases| {
        let mut sheet = Sheet::new(&["release", "state", "title", "asked by", "asked at (UTC)"]);
        for release in releases {
            sheet.row([
                release.id.clone(),
                state_name(release.state).to_owned(),
                release.title.clone(),
                release.requester.subject.clone(),
                release.submitted_at.format("%Y-%m-%d %H:%M").to_string(),
            ]);
        }
        sheet
    })?;
    Ok(Exit::Ok)
}

/// One release.
pub(super) async fn show(session: &Session, id: &str, wait: bool, output: &mut Output) -> Result<Exit, CliError> {
    let release = present(session, id, wait).await?;
    output.show(&release, card)?;
    Ok(Exit::Ok)
}

/// Fetches content and receipt.
pub(super) async fn get(session: &Session, arguments: &GetArguments, output: &mut Output) -> Result<Exit, CliError> {
    let GetArguments { id, format, to, receipt, wait } = arguments;
    if *format == ContentFormatArgument::Parquet && to.is_none() && output.shows_on_a_terminal() {
        return Err(CliError::Usage("a Parquet file is not for a terminal: name a file with --to".into()));
    }
    let release = present(session, id, *wait).await?;
    if release.state != ReleaseState::Released {
        return outcome(release);
    }
    let format = match format {
        ContentFormatArgument::Csv => ContentFormat::Csv,
        ContentFormatArgument::Json => ContentFormat::Json,
        ContentFormatArgument::Parquet => ContentFormat::Parquet,
    };
    // The receipt first: a result without its receipt is not what was asked for.
    if let Some(receipt) = receipt {
        let bytes = session.client.receipt(id).await?;
        std::fs::write(receipt, &bytes).map_err(CliError::file("the receipt's file"))?;
    }
    let bytes = session.client.content(id, format).await?;
    match to {
        Some(file) => std::fs::write(file, &bytes).map_err(CliError::file("the result's file"))?,
        None => output.raw(&bytes)?,
    }
    Ok(Exit::Ok)
}

/// Takes an own request back.
pub(super) async fn withdraw(
    session: &Session,
    id: &str,
    reason: String,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let release = session.client.withdraw(id, &WithdrawRequest { reason }).await?;
    output.show(&release, card)?;
    Ok(Exit::Ok)
}

/// Success, or the error that the state means for the one who asked.
fn outcome(release: Release) -> Result<Exit, CliError> {
    match release.state {
        ReleaseState::Released => Ok(Exit::Ok),
        ReleaseState::Draft
        | ReleaseState::Vetting
        | ReleaseState::InReview
        | ReleaseState::Approved
        | ReleaseState::Conflict => Err(CliError::Pending(Box::new(release))),
        ReleaseState::Refused
        | ReleaseState::Returned
        | ReleaseState::Rejected
        | ReleaseState::Withdrawn
        | ReleaseState::Recalled => Err(CliError::NotReleased(Box::new(release))),
    }
}

/// A release as a table of questions and answers.
pub(super) fn card(release: &Release) -> Sheet {
    let mut sheet = Sheet::new(&["release", &release.id]);
    sheet.row(["state", state_name(release.state)]);
    sheet.row(["next", &release.next]);
    sheet.row(["title", &release.title]);
    sheet.row(["permit", &release.permit]);
    sheet.row(["asked by", &release.requester.subject]);
    sheet.row(["asked at (UTC)", &release.submitted_at.format("%Y-%m-%d %H:%M:%S").to_string()]);
    if let Some(refusal) = &release.refusal {
        sheet.row(["refused by", &refusal.code]);
        sheet.row(["because", &refusal.message]);
        sheet.row(["remedy", &refusal.remedy]);
    }
    for finding in &release.findings {
        sheet.row([&finding.rule, &finding.message]);
        if !finding.remedy.is_empty() {
            sheet.row(["remedy", &finding.remedy]);
        }
    }
    if let Some(reason) = &release.reason {
        sheet.row(["reason", reason]);
    }
    for reason in &release.review_reasons {
        sheet.row(["reviewed because", reason]);
    }
    for (format, digest) in &release.outputs {
        sheet.row([&format!("{format} sha256"), digest]);
    }
    sheet.row(["statement", release.sql.trim()]);
    sheet
}
