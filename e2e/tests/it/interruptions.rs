//! What happens when the service is killed, and when a permit ends under it.

use oscar_e2e::{Delivery, Installation, Served};
use oscar_peers::{OidcProvider, required_in_ci};
use serde_json::Value;

const BY_SEX: &str = "SELECT sex, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY sex";

fn submit(served: &Served<'_>, key: &str) -> String {
    let words = ["release", "submit", "--sql", BY_SEX, "--title", "By sex", "--purpose", "test"];
    let answer = served.ask("alice", &[&words[..], &["--idempotency-key", key]].concat());
    answer.unwrap_or_else(|error| panic!("{error:#}"))["id"].as_str().unwrap().to_owned()
}

fn settled(served: &Served<'_>, id: &str) -> Value {
    served.ask("alice", &["release", "show", id, "--wait"]).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn a_service_that_is_killed_in_the_middle_loses_and_doubles_no_release() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = Installation::on_disk(&provider).unwrap();
    assert!(installation.intake(&Delivery::write(1_000).unwrap()).unwrap().status.success());
    let mut submitted = Vec::new();
    for round in 0..3 {
        let served = installation.serve().unwrap();
        served.log_in(&provider, "alice").unwrap();
        submitted.push(submit(&served, &format!("key-{round}")));
        served.kill().unwrap();
    }
    let served = installation.serve().unwrap();
    for user in ["alice", "erin"] {
        served.log_in(&provider, user).unwrap();
    }
    for (round, id) in submitted.iter().enumerate() {
        let release = settled(&served, id);
        assert!(release["state"] == "IN_REVIEW" || release["state"] == "RELEASED", "{release}");
        assert_eq!(&submit(&served, &format!("key-{round}")), id, "the same request is the same release");
    }
    let listed = served.ask("alice", &["release", "list"]).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(listed.as_array().or_else(|| listed["releases"].as_array()).unwrap().len(), submitted.len());

    let key = installation.folder().join("key.json");
    std::fs::write(&key, served.get("/v1/keys").unwrap()).unwrap();
    let tenant = installation.folder().join("tenant");
    let words = ["audit", "verify", tenant.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let verified = served.oscar("erin", &words).unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn a_permit_that_ends_or_forgets_a_person_takes_effect_at_the_next_request() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = Installation::on_disk(&provider).unwrap();
    assert!(installation.intake(&Delivery::write(300).unwrap()).unwrap().status.success());
    let served = installation.serve().unwrap();
    served.log_in(&provider, "alice").unwrap();
    let sees = || served.oscar("alice", &["catalogue", "contacts"]).unwrap().status.success();
    assert!(sees());
    let valid = installation.permit().unwrap();
    for (field, value) in [
        ("validUntil", serde_json::json!("2021-01-01T00:00:00Z")),
        ("revokedAt", serde_json::json!("2021-01-01T00:00:00Z")),
        ("persons", serde_json::json!([valid["persons"][1]])),
        ("tenant", serde_json::json!("another")),
    ] {
        let mut ended = valid.clone();
        ended[field] = value;
        installation.write_permit(&ended).unwrap();
        assert!(!sees(), "{field} has no effect");
        installation.write_permit(&valid).unwrap();
        assert!(sees(), "{field} did not come back");
    }
}
