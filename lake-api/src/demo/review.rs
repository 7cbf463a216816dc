//! Two stewards look at a release. Neither learns what the other said, or whether,
//! before both have spoken; the demo checks that as it goes.

use super::ask::{settled, unexpected};
use super::narrator::Narrator;
use super::stage::Stage;
use crate::api::release::{Release, ReleaseState};
use crate::api::review::{VoteDecision, VoteRequest};
use crate::cli::exit::Exit;
use crate::cli::{ApiClient, CliError};

/// Both stewards read the pack and approve; the release comes back published.
pub(super) async fn by_two_stewards(stage: &Stage, id: &str, narrator: &mut Narrator<'_>) -> Result<Release, CliError> {
    let (cast, names) = (&stage.cast, &stage.names);
    requester_may_not_vote(&cast.analyst, id).await?;
    let reason = "Every shown cell has many persons; nothing stands out";
    approve(&cast.controller, id, reason).await?;
    narrator.say(&format!("   {} (for the data controller) has read the pack and votes.", names.controller))?;
    let seen = cast.steward.votes(id).await?;
    if seen.complete || seen.yours.is_some() || !seen.votes.is_empty() {
        return Err(CliError::Failed("a steward could see a vote before both were in".into()));
    }
    if cast.steward.release(id).await?.state != ReleaseState::InReview {
        return Err(CliError::Failed("one vote alone changed the release's state".into()));
    }
    narrator
        .say(&format!("   {} asks for the votes and sees none: they are hidden until both are in.", names.steward))?;
    approve(&cast.steward, id, reason).await?;
    narrator.say(&format!("   {} has read the pack and votes.", names.steward))?;
    let votes = cast.steward.votes(id).await?;
    if !votes.complete || votes.votes.len() != 2 {
        return Err(CliError::Failed("both votes are in and are not shown".into()));
    }
    let release = settled(&cast.analyst, cast.analyst.release(id).await?).await?;
    if release.state == ReleaseState::Released { Ok(release) } else { Err(unexpected(&release, "released")) }
}

async fn approve(steward: &ApiClient, id: &str, reason: &str) -> Result<(), CliError> {
    let pack = steward.review(id).await?;
    let vote = VoteRequest { decision: VoteDecision::Approve, reason: reason.into(), content: pack.content };
    steward.vote(id, &vote).await?;
    Ok(())
}

/// Whoever asks cannot decide: the reviewer pack is not even there for them.
async fn requester_may_not_vote(analyst: &ApiClient, id: &str) -> Result<(), CliError> {
    match analyst.review(id).await {
        Err(error) if error.exit() == Exit::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(CliError::Failed("the requester could open the reviewer pack".into())),
    }
}
