//! A permit that ends, whichever way, ends what runs under it: a release that is computed,
//! one that waits for stewards, and the sight of one that is out.

use chrono::{TimeDelta, Utc};
use oscar_lake_api::api::release::{Release, ReleaseState};
use reqwest::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::interrupted::{Outage, until, written};
use crate::world::{BY_REGION, World, permit_of_world};

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The requester is taken out of it.
    PersonRemoved,
    /// It is revoked.
    Revoked,
    /// Its time runs out: nobody touches the file at that moment.
    Expired,
    /// The file is taken away.
    FileRemoved,
}

/// How long a permit is still valid that is about to expire: long enough to begin under it.
const LAST: TimeDelta = TimeDelta::milliseconds(1500);

impl End {
    /// Makes the permit end, for the one that expires a moment later.
    fn begin(self, world: &World) {
        let mut permit = permit_of_world(world, "acme", "P-1");
        match self {
            Self::PersonRemoved => {
                let persons: &mut Vec<Value> = permit["persons"].as_array_mut().unwrap();
                persons.retain(|person| person["subject"] != "anna");
            }
            Self::Revoked => permit["revokedAt"] = json!(Utc::now()),
            Self::Expired => permit["validUntil"] = json!(Utc::now() + LAST),
            Self::FileRemoved => return std::fs::remove_file(world.permit_file("P-1")).unwrap(),
        }
        world.write_permit("P-1", &permit);
    }

    fn undo(world: &World) {
        world.write_permit("P-1", &permit_of_world(world, "acme", "P-1"));
    }
}

/// Waits until the service has stopped a release for its permit, which it counts.
async fn until_stopped(world: &World) {
    until("the release is stopped", async || {
        world.admin("/metrics").await.text().await.unwrap().contains("oscar_releases_total{outcome=\"stopped\"} 1")
    })
    .await;
}

async fn seen(world: &World, user: &str, id: &str) -> Release {
    world.get(user, &format!("/v1/releases/{id}")).await.json().await.unwrap()
}

/// Waits until the journal has it: from then on the release is at its end, whatever the permit says.
async fn until_withdrawn(world: &World, user: &str, id: &str) {
    until("the release is withdrawn", async || seen(world, user, id).await.state == ReleaseState::Withdrawn).await;
    assert!(seen(world, user, id).await.reason.is_some(), "nobody is told why");
    assert!(!written(world.directory.path(), id, "result"), "something was published");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_ends_while_a_release_is_computed_ends_the_release(
    #[values(End::PersonRemoved, End::Revoked, End::Expired, End::FileRemoved)] end: End,
) {
    let world = World::start().await;
    world.first_release().await;
    // What is computed cannot be kept, so it is still being worked on when the permit ends.
    let outage = Outage::begin(world.directory.path().join("tenant/release"));
    let id = world.submit("anna", BY_REGION).await.id;
    end.begin(&world);
    until("anna is shown nothing", async || world.get("anna", "/v1/permit").await.status() == StatusCode::NOT_FOUND)
        .await;
    outage.end();
    until_stopped(&world).await;
    End::undo(&world);
    until_withdrawn(&world, "anna", &id).await;
    world.running.shutdown().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_ends_ends_a_release_under_review_and_hides_a_published_one(
    #[values(End::PersonRemoved, End::Revoked, End::Expired, End::FileRemoved)] end: End,
) {
    let world = World::start().await;
    let released = world.first_release().await;
    let content = format!("/v1/releases/{}/content", released.id);
    // Amir's first release and a count of distinct values both wait for people.
    let open = world.release("amir", BY_REGION).await;
    assert_eq!(open.state, ReleaseState::InReview, "{open:?}");
    let distinct = "SELECT region, count(DISTINCT year) AS years FROM clinic.visit GROUP BY region";
    let anna = world.release("anna", distinct).await;
    assert_eq!(anna.state, ReleaseState::InReview, "{anna:?}");
    end.begin(&world);
    until("the published result is hidden", async || {
        world.get("anna", &content).await.status() == StatusCode::NOT_FOUND
    })
    .await;
    until("what waits for stewards is stopped", async || {
        let metrics = world.admin("/metrics").await.text().await.unwrap();
        let stopped = if end == End::PersonRemoved { 1 } else { 2 };
        metrics.contains(&format!("oscar_releases_total{{outcome=\"stopped\"}} {stopped}"))
    })
    .await;
    End::undo(&world);
    until_withdrawn(&world, "anna", &anna.id).await;
    if end == End::PersonRemoved {
        let state = seen(&world, "amir", &open.id).await.state;
        assert_eq!(state, ReleaseState::InReview, "another's removal does not end what amir asked");
    } else {
        until_withdrawn(&world, "amir", &open.id).await;
    }
    assert_eq!(world.get("anna", &content).await.status(), StatusCode::OK, "a permit in force shows it again");
    world.running.shutdown().await;
}

/// A permit file that cannot be understood, and one permit in two files: nobody knows then what the permit says.
#[rstest]
#[case::unreadable("P-1", "id: P-1\ntenant: [")]
#[case::twice("P-1-copy", "")]
#[tokio::test(flavor = "multi_thread")]
async fn a_permit_in_doubt_holds_everything_up_and_ends_nothing(#[case] file: &str, #[case] text: &str) {
    let world = World::start().await;
    let open = world.release("anna", BY_REGION).await;
    let outage = Outage::begin(world.directory.path().join("tenant/release"));
    let computed = world.submit("amir", BY_REGION).await;
    let permit = permit_of_world(&world, "acme", "P-1").to_string();
    std::fs::write(world.permit_file(file), if text.is_empty() { &permit } else { text }).unwrap();
    until("anna is shown nothing", async || world.get("anna", "/v1/permit").await.status() == StatusCode::NOT_FOUND)
        .await;
    outage.end();
    // Longer than the service takes to look through what is open.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let metrics = world.admin("/metrics").await.text().await.unwrap();
    assert!(!metrics.contains("outcome=\"stopped\"") && !metrics.contains("outcome=\"failed\""), "{metrics}");
    if file != "P-1" {
        std::fs::remove_file(world.permit_file(file)).unwrap();
    }
    End::undo(&world);
    assert_eq!(world.settled("amir", &computed.id).await.state, ReleaseState::InReview);
    assert_eq!(world.both_vote(&open.id, ["approve", "approve"]).await.state, ReleaseState::Released);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stewards_cannot_release_what_the_permit_no_longer_stands_behind() {
    let world = World::start().await;
    let open = world.release("anna", BY_REGION).await;
    let pack: Value = world.get("steward", &format!("/v1/releases/{}/review", open.id)).await.json().await.unwrap();
    let vote = json!({"decision": "approve", "reason": "looked at it", "content": pack["content"]});
    let votes = format!("/v1/releases/{}/votes", open.id);
    assert_eq!(world.post("steward", &votes, &vote).await.status(), StatusCode::CREATED);
    End::PersonRemoved.begin(&world);
    // The last vote may come before the service has noticed; the publication looks again.
    let last = world.post("controller", &votes, &vote).await.status();
    assert!(matches!(last, StatusCode::CREATED | StatusCode::CONFLICT), "{last}");
    until_stopped(&world).await;
    End::undo(&world);
    until_withdrawn(&world, "anna", &open.id).await;
    world.running.shutdown().await;
}
