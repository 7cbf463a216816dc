//! What stewards look at, and what comes of it when the request is then taken back.

use oscar_lake_api::api::release::ReleaseState;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{BY_REGION, World};

/// The same regions without the three persons of a batch.
const WITHOUT_THREE: &str =
    "SELECT region, count(DISTINCT person) AS persons FROM clinic.visit WHERE batch <> 'rare' GROUP BY region";

async fn withdraw(world: &World, id: &str) {
    let gone = world.post("anna", &format!("/v1/releases/{id}/withdraw"), &json!({"reason": "a mistake"})).await;
    assert_eq!(gone.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_steward_has_seen_is_remembered_when_it_is_taken_back() {
    for (looked_at, then) in [(false, ReleaseState::InReview), (true, ReleaseState::Refused)] {
        let world = World::start().await;
        let id = world.release("anna", BY_REGION).await.id;
        if looked_at {
            let pack = world.get("steward", &format!("/v1/releases/{id}/review")).await;
            assert_eq!(pack.status(), StatusCode::OK);
        }
        withdraw(&world, &id).await;
        let next = world.release("anna", WITHOUT_THREE).await;
        assert_eq!(next.state, then, "looked at before: {looked_at}; {next:?}");
        world.running.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_in_the_journal_and_what_is_decided_or_taken_back_is_looked_at_no_more() {
    let world = World::start().await;
    let withdrawn = world.release("anna", BY_REGION).await.id;
    withdraw(&world, &withdrawn).await;
    let released = world.first_release().await.id;
    for id in [&withdrawn, &released] {
        let pack = world.get("controller", &format!("/v1/releases/{id}/review")).await;
        assert_eq!(pack.status(), StatusCode::CONFLICT);
        assert!(!pack.text().await.unwrap().contains("north"));
    }
    let page: Value = world.get("auditor", "/v1/audit?limit=200").await.json().await.unwrap();
    let looks: Vec<&Value> =
        page["entries"].as_array().unwrap().iter().filter(|entry| entry["event"]["kind"] == "review-read").collect();
    assert_eq!(looks.len(), 1, "{page}");
    assert_eq!(
        (&looks[0]["event"]["release"], &looks[0]["actor"]["identity"]["subject"]),
        (&json!(released), &json!("steward"))
    );
    world.running.shutdown().await;
}
