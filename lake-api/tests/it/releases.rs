//! The way of a release: automatic, reviewed, refused; receipts; interruptions.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use oscar_lake_api::api::keys::VerifyingKeys;
use oscar_lake_api::api::release::{Release, ReleaseState};
use oscar_permit::Sha256Digest;
use oscar_vetting::SignedReceipt;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{BY_REGION, World, permit_of_world, request};

async fn text(world: &World, path: &str) -> String {
    let response = world.get("anna", path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_goes_to_two_stewards_and_the_next_table_of_counts_does_not() {
    let world = World::start().await;
    let first = world.release("anna", BY_REGION).await;
    assert_eq!(first.state, ReleaseState::InReview, "{first:?}");
    assert!(first.review_reasons.contains(&"first-of-requester".to_owned()), "{first:?}");
    assert!(first.outputs.is_empty());
    let content = format!("/v1/releases/{}/content", first.id);
    assert_eq!(world.get("anna", &content).await.status(), StatusCode::CONFLICT, "nothing is out yet");
    let released = world.both_vote(&first.id, ["approve", "approve"]).await;
    assert_eq!(released.state, ReleaseState::Released, "{released:?}");
    let csv = text(&world, &content).await;
    let cells: BTreeMap<&str, &str> = csv.lines().filter_map(|line| line.split_once(',')).collect();
    assert_eq!(cells.get("north"), Some(&"50"), "{csv}");
    assert_eq!(cells.get("south"), Some(&"40"), "{csv}");
    assert_eq!(cells.get("east"), Some(&"25"), "rounded to five: {csv}");
    assert_eq!(cells.get("island"), Some(&".."), "four persons are not shown: {csv}");
    let again = world.release("anna", BY_REGION).await;
    assert_eq!(again.state, ReleaseState::Released, "the same counts again need nobody: {again:?}");
    assert_eq!(text(&world, &format!("/v1/releases/{}/content", again.id)).await, csv, "same release, same bytes");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_are_hidden_until_both_are_in_and_nobody_releases_alone() {
    let world = World::start().await;
    let id = world.release("anna", BY_REGION).await.id;
    let votes = format!("/v1/releases/{id}/votes");
    let pack: Value = world.get("steward", &format!("/v1/releases/{id}/review")).await.json().await.unwrap();
    assert!(pack["hiddenCells"].to_string().contains("island"), "{pack}");
    assert_eq!(pack["table"]["columns"], json!(["region", "persons"]));
    let vote = |decision: &str, content: &Value| json!({"decision": decision, "reason": "checked", "content": content});
    let stale = world.post("steward", &votes, &vote("approve", &json!("0".repeat(64)))).await;
    assert_eq!(stale.status(), StatusCode::CONFLICT, "a vote on other content does not count");
    let first = world.post("steward", &votes, &vote("approve", &pack["content"])).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let second = world.post("steward", &votes, &vote("approve", &pack["content"])).await;
    assert_eq!(second.status(), StatusCode::CONFLICT, "one steward, one vote");
    for person in ["controller", "anna", "auditor"] {
        let seen: Value = world.get(person, &votes).await.json().await.unwrap();
        assert_eq!(seen, json!({"complete": false, "votes": []}), "{person}");
        let audit: Value = world.get("auditor", "/v1/audit").await.json().await.unwrap();
        assert!(!audit.to_string().contains("vote-cast"), "the auditor learns it later, too");
    }
    let shown: Release = world.get("anna", &format!("/v1/releases/{id}")).await.json().await.unwrap();
    assert_eq!(shown.state, ReleaseState::InReview, "one vote moves nothing");
    let last = world.post("controller", &votes, &vote("reject", &pack["content"])).await;
    assert_eq!(last.status(), StatusCode::CREATED);
    let seen: Value = world.get("anna", &votes).await.json().await.unwrap();
    assert_eq!(seen["votes"].as_array().unwrap().len(), 2);
    assert!(!seen.to_string().contains("subject"), "votes are shown without their voters");
    assert_eq!(world.settled("anna", &id).await.state, ReleaseState::Conflict);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_differs_from_a_released_one_by_three_persons_is_refused() {
    let world = World::start().await;
    world.first_release().await;
    let refused = world
        .release(
            "anna",
            "SELECT region, count(DISTINCT person) AS persons FROM clinic.visit WHERE batch <> 'rare' GROUP BY region",
        )
        .await;
    assert_eq!(refused.state, ReleaseState::Refused, "{refused:?}");
    assert!(refused.findings.iter().any(|finding| finding.rule == "R7"), "{refused:?}");
    assert!(refused.findings.iter().all(|finding| !finding.remedy.is_empty()));
    let shown = serde_json::to_string(&refused.findings).unwrap();
    assert!(!shown.contains('3') && !shown.contains("north"), "a refusal names the rule and no cell: {shown}");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_would_give_a_hidden_region_away_is_refused() {
    let world = World::start().await;
    world.first_release().await;
    let total = world.release("anna", "SELECT count(DISTINCT person) AS persons FROM clinic.visit").await;
    assert_eq!(total.state, ReleaseState::Refused, "{total:?}");
    assert!(total.findings.iter().any(|finding| finding.rule == "R7"), "{total:?}");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_the_gate_refuses_ends_refused_with_its_remedy_and_counts() {
    let world = World::start().await;
    let refused = world.release("anna", "SELECT person, region FROM clinic.visit").await;
    assert_eq!(refused.state, ReleaseState::Refused);
    let refusal = refused.refusal.unwrap();
    assert_eq!(refusal.code, "row-level-result");
    let check: Value = world
        .post("anna", "/v1/queries/check", &json!({"sql": "SELECT person, region FROM clinic.visit"}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(check["verdict"], "refused");
    assert_eq!(check["refusal"]["code"], refusal.code.as_str(), "the linter is the gate");
    let permit: Value = world.get("anna", "/v1/permit").await.json().await.unwrap();
    assert_eq!(permit["permits"][0]["quota"]["releasesUsed"], 1);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_tries_use_up_the_quota() {
    let world = World::start().await;
    for _ in 0..12 {
        world.submit("anna", "SELECT person FROM clinic.visit").await;
    }
    let response = world.post("anna", "/v1/releases", &request(BY_REGION)).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "quota-releases");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_and_files_verify_offline_and_a_changed_byte_does_not() {
    let world = World::start().await;
    let released = world.first_release().await;
    let path = format!("/v1/releases/{}", released.id);
    let receipt = world.get("anna", &format!("{path}/receipt")).await.bytes().await.unwrap();
    let keys: VerifyingKeys = world.bare(Method::GET, "/v1/keys").send().await.unwrap().json().await.unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&keys.keys[0].x).unwrap();
    let key = VerifyingKey::from_bytes(&bytes.try_into().unwrap()).unwrap();
    let signed = SignedReceipt::from_json(&receipt).unwrap();
    let stated = signed.verify_signature(&key).unwrap().clone();
    assert_eq!(stated.release.as_str(), released.id);
    assert_eq!(stated.reviewers.len(), 2);
    for (format, media_type) in
        [("csv", "text/csv"), ("json", "application/json"), ("parquet", "application/vnd.apache.parquet")]
    {
        let by_name = world.get("anna", &format!("{path}/content?format={format}")).await;
        assert!(by_name.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with(media_type));
        assert!(by_name.headers().contains_key("repr-digest"));
        let by_name = by_name.bytes().await.unwrap();
        let accepted =
            world.request("anna", Method::GET, &format!("{path}/content")).header(header::ACCEPT, media_type);
        assert_eq!(accepted.send().await.unwrap().bytes().await.unwrap(), by_name, "{format}");
        let digest = Sha256Digest::of(&by_name);
        assert_eq!(stated.outputs[&format!("result.{format}")], digest);
        assert_eq!(released.outputs[format], digest.to_string());
    }
    let mut changed = receipt.to_vec();
    let place = receipt.windows(9).position(|window| window == b"\"release\"").unwrap() + 15;
    changed[place] ^= 1;
    assert!(SignedReceipt::from_json(&changed).is_ok_and(|receipt| receipt.verify_signature(&key).is_err()));
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_is_the_same_release_and_another_request_is_refused() {
    let world = World::start().await;
    let send = async |user: &str, sql: &str| {
        let request = world.request(user, Method::POST, "/v1/releases").header("idempotency-key", "try-1");
        request.json(&request_body(sql)).send().await.unwrap()
    };
    let first = send("anna", BY_REGION).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let place = first.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let first: Release = first.json().await.unwrap();
    assert_eq!(place, format!("/v1/releases/{}", first.id));
    let second = send("anna", BY_REGION).await;
    assert_eq!(second.status(), StatusCode::OK);
    assert_eq!(second.json::<Release>().await.unwrap().id, first.id);
    assert_eq!(send("anna", "SELECT 1").await.status(), StatusCode::CONFLICT);
    let other: Release = send("amir", BY_REGION).await.json().await.unwrap();
    assert_ne!(other.id, first.id, "another person's key is another key");
    let permit: Value = world.get("anna", "/v1/permit").await.json().await.unwrap();
    assert_eq!(permit["permits"][0]["quota"]["releasesUsed"], 2);
    world.running.shutdown().await;
}

fn request_body(sql: &str) -> Value {
    request(sql)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_racing_releases_that_differ_by_three_persons_cannot_both_pass() {
    let world = World::start().await;
    let without =
        "SELECT region, count(DISTINCT person) AS persons FROM clinic.visit WHERE batch <> 'rare' GROUP BY region";
    let (one, two) = tokio::join!(world.submit("anna", BY_REGION), world.submit("amir", without));
    let (one, two) = tokio::join!(world.settled("anna", &one.id), world.settled("amir", &two.id));
    let states = BTreeSet::from([format!("{:?}", one.state), format!("{:?}", two.state)]);
    assert_eq!(states, BTreeSet::from(["InReview".to_owned(), "Refused".to_owned()]), "{one:?} {two:?}");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_a_stop_interrupts_is_taken_up_by_the_next_start() {
    let world = World::start().await;
    world.first_release().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(world.submit("anna", BY_REGION).await.id);
    }
    let world = world.restart().await;
    for id in &open {
        let release = world.settled("anna", id).await;
        assert_eq!(release.state, ReleaseState::Released, "{release:?}");
        let csv = text(&world, &format!("/v1/releases/{id}/content")).await;
        assert!(csv.lines().count() > 1, "{csv}");
    }
    let audit: Value = world.get("auditor", "/v1/audit?limit=200").await.json().await.unwrap();
    for id in &open {
        let published =
            audit["entries"].as_array().unwrap().iter().filter(|entry| {
                entry["event"]["kind"] == "release-published" && entry["event"]["release"] == id.as_str()
            });
        assert_eq!(published.count(), 1, "once and only once");
    }
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_request_frees_its_place_in_the_ledger() {
    let world = World::start().await;
    let first = world.release("anna", BY_REGION).await;
    let withdrawn =
        world.post("anna", &format!("/v1/releases/{}/withdraw", first.id), &json!({"reason": "a mistake"})).await;
    assert_eq!(withdrawn.status(), StatusCode::OK);
    let without =
        "SELECT region, count(DISTINCT person) AS persons FROM clinic.visit WHERE batch <> 'rare' GROUP BY region";
    let second = world.release("anna", without).await;
    assert_eq!(second.state, ReleaseState::InReview, "what was never out differs from nothing: {second:?}");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_release_once_and_in_order() {
    let world = World::start().await;
    for _ in 0..5 {
        world.submit("anna", "SELECT person FROM clinic.visit").await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/releases?limit=2".to_owned();
    loop {
        let page: Value = world.get("anna", &path).await.json().await.unwrap();
        seen.extend(page["releases"].as_array().unwrap().iter().map(|release| release["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/releases?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 5);
    let others: Value = world.get("amir", "/v1/releases").await.json().await.unwrap();
    assert_eq!(others["releases"], json!([]), "analysts see their own");
    let all: Value = world.get("steward", "/v1/releases").await.json().await.unwrap();
    assert_eq!(all["releases"].as_array().unwrap().len(), 5);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_shows_the_contract_and_never_the_hidden_column() {
    let world = World::start().await;
    let text = text(&world, "/v1/catalogue").await;
    assert!(!text.contains("__oscar"), "{text}");
    let catalogue: Value = serde_json::from_str(&text).unwrap();
    let table = &catalogue["datasets"][0]["tables"][0];
    assert_eq!(table["personKey"], "person");
    assert_eq!(table["rows"], json!({"about": 180, "fewer": false}));
    let names: Vec<&str> = table["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["person", "sex", "region", "batch", "year"]);
    let mut permit = permit_of_world(&world, "acme", "P-1");
    permit["datasets"][0]["tables"][0]["columns"] = json!(["person", "region"]);
    world.write_permit("P-1", &permit);
    let narrowed: Value = world.get("anna", "/v1/catalogue/clinic").await.json().await.unwrap();
    assert_eq!(narrowed["tables"][0]["columns"].as_array().unwrap().len(), 2);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_the_service_wrote_shows_a_person_set_or_an_unreleased_result() {
    let world = World::start().await;
    let id = world.release("anna", BY_REGION).await.id;
    let root = world.directory.path().join("tenant");
    let files: Vec<_> = ["ledger", "release"].iter().flat_map(|folder| files_below(&root.join(folder))).collect();
    assert!(files.iter().any(|file| file.starts_with(root.join("ledger"))));
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"island"), "{} is readable", file.display());
    }
    assert!(!files.iter().any(|file| file.ends_with("result.csv")), "no file is out before its release");
    world.both_vote(&id, ["approve", "approve"]).await;
    assert!(files_below(&root.join("release")).iter().any(|file| file.ends_with("result.csv")));
    world.running.shutdown().await;
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
