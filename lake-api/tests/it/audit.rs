//! What an auditor who is something else besides may read in the journal.

use serde_json::{Value, json};

use crate::world::{World, permit_of_world};

async fn entries(world: &World, user: &str) -> Vec<Value> {
    let page: Value = world.get(user, "/v1/audit?limit=200").await.json().await.unwrap();
    page["entries"].as_array().unwrap().iter().map(|entry| entry["event"].clone()).collect()
}

/// A second permit with other people in it.
fn second_permit(world: &World, persons: &[(&str, &str)]) -> Value {
    let mut permit = permit_of_world(world, "acme", "P-2");
    let person = |(subject, role): &(&str, &str)| json!({"issuer": world.issuer(), "subject": subject, "role": role});
    permit["persons"] = persons.iter().map(person).collect();
    permit
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_of_the_own_permit_and_of_no_other() {
    let world = World::start().await;
    let id = world.first_release().await.id;
    world.write_permit("P-2", &second_permit(&world, &[("amir", "auditor")]));
    let seen = entries(&world, "amir").await;
    assert!(seen.iter().any(|event| event["kind"] == "service-started"), "what is everybody's: {seen:?}");
    let text = serde_json::to_string(&seen).unwrap();
    assert!(!text.contains(&id) && !text.contains("P-1"), "{text}");
    let own = serde_json::to_string(&entries(&world, "auditor").await).unwrap();
    assert!(own.contains(&id) && own.contains("vetting-finished"), "{own}");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_who_asks_as_well_learns_nothing_that_an_analyst_may_not_know() {
    let world = World::start().await;
    let exact = entries(&world, "auditor").await;
    let delivered = |events: &[Value]| {
        let event = events.iter().find(|event| event["kind"] == "delivery-accepted").cloned().unwrap();
        (event["persons"].clone(), event["tables"]["visit"]["rows"].clone())
    };
    assert_eq!(delivered(&exact), (json!(184), json!(184)));

    let id = world.first_release().await.id;
    let mut permit = permit_of_world(&world, "acme", "P-1");
    permit["persons"] = json!([{"issuer": world.issuer(), "subject": "anna", "role": "auditor"}]);
    world.write_permit("P-1", &permit);
    let of_own = entries(&world, "anna").await;
    assert_eq!(delivered(&of_own), delivered(&exact), "no analyst any more");
    let kinds: Vec<&Value> =
        of_own.iter().filter(|event| event["release"] == json!(id)).map(|event| &event["kind"]).collect();
    assert!(kinds.contains(&&json!("release-published")) && !kinds.contains(&&json!("vetting-finished")), "{kinds:?}");

    world.write_permit("P-2", &second_permit(&world, &[("anna", "analyst")]));
    assert_eq!(delivered(&entries(&world, "anna").await), (json!(180), json!(180)), "as the catalogue rounds");
    world.running.shutdown().await;
}
