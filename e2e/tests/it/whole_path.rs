//! The main job, done by the real programs: `lake-api` in processes of its own, `oscar` as
//! each user, tokens of a real identity provider.

use oscar_e2e::{DATASET, Delivery, Installation, Served};
use oscar_peers::{OidcProvider, SeaweedFs, required_in_ci};
use serde_json::Value;

const BY_REGION: &str = "SELECT region, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY region";
const BY_SEX: &str = "SELECT sex, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY sex";
const ALL: &str = "SELECT count(DISTINCT person_id) AS persons FROM contacts.contact";

fn submit(served: &Served<'_>, sql: &str, title: &str) -> Value {
    let purpose = "planning of an outpatient clinic";
    served
        .ask("alice", &["release", "submit", "--sql", sql, "--title", title, "--purpose", purpose, "--wait"])
        .unwrap_or_else(|error| panic!("{error}"))
}

fn state(release: &Value) -> &str {
    release["state"].as_str().unwrap()
}

fn approve(served: &Served<'_>, release: &Value) {
    let id = release["id"].as_str().unwrap();
    for steward in ["carol", "dave"] {
        let vote = ["release", "vote", id, "approve", "--reason", "counts of persons, nobody stands out"];
        served.ask(steward, &vote).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Delivers, serves, logs everybody in, and goes from a first reviewed release to a refused one.
fn main_job(installation: &Installation, provider: &OidcProvider) {
    let delivery = Delivery::write(3_000).unwrap();
    let taken = installation.intake(&delivery).unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    for (log, said) in [("intake.out", &taken.stdout), ("intake.log", &taken.stderr)] {
        std::fs::write(installation.folder().join(log), said).unwrap();
    }
    let served = installation.serve().unwrap();
    for user in ["alice", "carol", "dave", "erin", "mallory"] {
        served.log_in(provider, user).unwrap_or_else(|error| panic!("{user}: {error:#}"));
    }

    let first = submit(&served, BY_REGION, "Persons by region");
    assert_eq!(state(&first), "IN_REVIEW", "a first release is reviewed: {first}");
    approve(&served, &first);
    let id = first["id"].as_str().unwrap();
    let released = served.ask("alice", &["release", "show", id, "--wait"]).unwrap();
    assert_eq!(state(&released), "RELEASED", "{released}");

    let table = verified(installation, &served, id);
    assert!(table.starts_with("region,persons\n"), "{table}");
    assert!(table.contains("\n1099,..\n"), "the island is suppressed: {table}");

    let all = submit(&served, ALL, "Everybody");
    assert_eq!(state(&all), "REFUSED", "everybody less the regions shown is the island's four: {all}");

    let stranger = served.oscar("mallory", &["release", "show", id]).unwrap();
    assert!(!stranger.status.success(), "a stranger sees nothing");
    let searched = delivery.search(installation.folder()).unwrap();
    assert!(searched.found.is_empty(), "person numbers stand in {:?}", searched.found);
    // On an object store the files are not here, and what was fetched from it is.
    let on_disk = installation.folder().join("tenant").is_dir();
    assert!(!on_disk || searched.cells > 6_000 * 4, "{} cells of the lake were decoded", searched.cells);
    assert_eq!(delivery.search(delivery.folder()).unwrap().found, [delivery.data_file()], "the search is no blind one");
    let log = std::fs::read_to_string(installation.folder().join("serve.log")).unwrap();
    assert!(log.contains("\"request\"") && !log.contains("SELECT"), "statements stand in the log");
    assert!(!log.contains(&served.token("alice").unwrap()), "a token stands in the log");
    let _by_sex = submit(&served, BY_SEX, "Persons by sex");
    assert!(served.ask("erin", &["audit", "list"]).is_ok());
    assert!(served.ask("alice", &["catalogue", DATASET]).is_ok());
}

/// Fetches a released table with its receipt and verifies both without the server.
fn verified(installation: &Installation, served: &Served<'_>, id: &str) -> String {
    let path = |name: &str| installation.folder().join(name).to_str().unwrap().to_owned();
    let (table, receipt, key) = (path("table.csv"), path("receipt.json"), path("key.json"));
    let got = served.oscar("alice", &["release", "get", id, "--to", &table, "--receipt", &receipt]).unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    std::fs::write(&key, served.get("/v1/keys").unwrap()).unwrap();
    let verify = || served.oscar("nobody", &["verify", &receipt, &table, "--key", &key]).unwrap();
    let verified = verify();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let content = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, content.replace("..", "5")).unwrap();
    assert!(!verify().status.success(), "a changed table must not verify");
    content
}

#[test]
fn the_main_job_works_on_the_local_disk_with_tokens_of_a_real_provider() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    main_job(&Installation::on_disk(&provider).unwrap(), &provider);
}

#[test]
fn the_main_job_works_on_an_object_store() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let Some(store) = required_in_ci(SeaweedFs::start()) else { return };
    main_job(&Installation::on_s3(&store, "tenant-acme", &provider).unwrap(), &provider);
}
