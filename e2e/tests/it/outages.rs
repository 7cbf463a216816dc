//! The store goes away in the middle: of an intake, of a release, of a journal append. A real
//! object store behind a link that is cut, and a real disk that is full.

use std::process::Output;
use std::time::{Duration, Instant};

use oscar_e2e::{DATASET, Delivery, Installation, Link, Served};
use oscar_peers::{OidcProvider, SeaweedFs, required_in_ci};

const BY_SEX: &str = "SELECT sex, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY sex";
const PERSONS: usize = 20_000;
/// Kilobytes on which everything here has room.
const ROOMY: u64 = 64 * 1024;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// An intake that failed for its store: an error with words, that says what to do and is no
/// refusal of the package (exit code 3).
fn assert_clear_failure(output: &Output, what: &str) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    assert!(said.contains("again"), "{what}: nobody is told that it can be delivered again: {said}");
}

fn assert_delivered(output: &Output, what: &str) {
    let said = said(output);
    assert!(output.status.success(), "{what}: {said}");
    assert!(said.contains(&format!("\"rows\":{}", PERSONS * 2)), "{what}: {said}");
}

/// Whether alice is shown the dataset.
fn is_visible(served: &Served<'_>) -> bool {
    let shown = served.oscar("alice", &["catalogue", DATASET]).unwrap();
    assert!(matches!(shown.status.code(), Some(0 | 4)), "{}", said(&shown));
    shown.status.success()
}

/// A service that runs already sees another process's delivery within seconds.
fn until_visible(served: &Served<'_>) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_visible(served) {
        assert!(Instant::now() < deadline, "what was delivered is not visible");
    }
}

#[test]
fn an_object_store_that_goes_away_in_the_middle_of_an_intake_shows_nothing_and_the_next_try_completes() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let Some(store) = required_in_ci(SeaweedFs::start()) else { return };
    let delivery = Delivery::write(PERSONS).unwrap();
    let link = Link::to(&store.endpoint()).unwrap();
    let installation = |bucket: &str| Installation::on_s3_at(&link.endpoint(), &store, bucket, &provider).unwrap();
    assert_delivered(&installation("undisturbed").intake(&delivery).unwrap(), "undisturbed");
    let whole = link.carried();
    assert!(whole > 100_000, "only {whole} bytes went over the link");
    for percent in [0, 30, 60, 90] {
        let installation = installation(&format!("cut-{percent}"));
        link.cut_after(whole * percent / 100);
        assert_clear_failure(&installation.intake(&delivery).unwrap(), &format!("cut at {percent} %"));
        assert!(link.is_cut());
        link.mend();
        let served = installation.serve().unwrap();
        served.log_in(&provider, "alice").unwrap();
        assert!(!is_visible(&served), "cut at {percent} %, and something is visible");
        assert_delivered(&installation.intake(&delivery).unwrap(), "the next try");
        until_visible(&served);
    }
}

/// Submits under an idempotency key.
fn submit(served: &Served<'_>, key: &str) -> Output {
    let words = ["release", "submit", "--sql", BY_SEX, "--title", "By sex", "--purpose", "test"];
    served.oscar("alice", &[&words[..], &["--idempotency-key", key, "--output", "json"]].concat()).unwrap()
}

fn id_of(submitted: &Output) -> String {
    assert!(submitted.status.success(), "{}", said(submitted));
    let release: serde_json::Value = serde_json::from_slice(&submitted.stdout).unwrap();
    release["id"].as_str().unwrap().to_owned()
}

/// A submission that the service could not take: told as such (6), and worth another try.
fn assert_taken_or_unavailable(submitted: &Output) {
    let said = said(submitted);
    assert!(matches!(submitted.status.code(), Some(0 | 6)), "{said}");
}

fn state_of(served: &Served<'_>, id: &str) -> String {
    let release = served.ask("alice", &["release", "show", id, "--wait"]).unwrap_or_else(|error| panic!("{error:#}"));
    release["state"].as_str().unwrap().to_owned()
}

fn assert_listed(served: &Served<'_>, expected: usize) {
    let listed = served.ask("alice", &["release", "list"]).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(listed.as_array().unwrap().len(), expected, "{listed}");
}

fn vote(served: &Served<'_>, steward: &str, id: &str) -> Output {
    served.oscar(steward, &["release", "vote", id, "approve", "--reason", "large groups"]).unwrap()
}

fn log_in_all(served: &Served<'_>, provider: &OidcProvider) {
    for user in ["alice", "carol", "dave"] {
        served.log_in(provider, user).unwrap_or_else(|error| panic!("{user}: {error:#}"));
    }
}

#[test]
fn an_object_store_that_goes_away_in_the_middle_of_a_release_loses_and_doubles_nothing() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let Some(store) = required_in_ci(SeaweedFs::start()) else { return };
    let link = Link::to(&store.endpoint()).unwrap();
    let installation = Installation::on_s3_at(&link.endpoint(), &store, "releases", &provider).unwrap();
    assert!(installation.intake(&Delivery::write(1_000).unwrap()).unwrap().status.success());
    let served = installation.serve().unwrap();
    log_in_all(&served, &provider);

    // In the middle of the journal's append: whatever the caller heard, the same key is one release.
    let mut releases = Vec::new();
    for (round, bytes) in [0, 300, 1_500].into_iter().enumerate() {
        link.cut_after(bytes);
        let submitted = submit(&served, &format!("append-{round}"));
        assert_taken_or_unavailable(&submitted);
        assert!(bytes > 0 || submitted.status.code() == Some(6), "accepted without a journal: {}", said(&submitted));
        link.mend();
        releases.push(id_of(&submit(&served, &format!("append-{round}"))));
        assert_listed(&served, releases.len());
    }
    // In the middle of vetting.
    for bytes in [1_000, 10_000] {
        releases.push(id_of(&submit(&served, &format!("vetting-{bytes}"))));
        link.cut_after(bytes);
        until_cut(&link);
        link.mend();
    }
    for id in &releases {
        assert_eq!(state_of(&served, id), "IN_REVIEW");
    }
    // In the middle of the last vote and of what follows from it: the files and the receipt.
    for (bytes, id) in [2_000, 6_000, 12_000].into_iter().zip(&releases) {
        assert!(vote(&served, "carol", id).status.success());
        link.cut_after(bytes);
        let _whatever_dave_heard = vote(&served, "dave", id);
        until_cut(&link);
        link.mend();
        assert_published(&served, id);
    }
    assert_listed(&served, releases.len());
}

/// Waits until the link has carried what it was allowed to: the service looks at its journal
/// every few seconds, so there is always something to carry.
fn until_cut(link: &Link) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !link.is_cut() {
        assert!(Instant::now() < deadline, "nothing uses the link");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The release gets out, once dave's vote, if it was lost, is repeated.
fn assert_published(served: &Served<'_>, id: &str) {
    if state_of(served, id) == "IN_REVIEW" {
        let voted = vote(served, "dave", id);
        assert!(voted.status.success(), "{}", said(&voted));
    }
    assert_eq!(state_of(served, id), "RELEASED");
    let got = served.oscar("alice", &["release", "get", id]).unwrap();
    assert_eq!(said(&got), "sex,persons\nF,500\nM,500\n");
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_an_intake_shows_nothing_and_the_next_try_completes() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let delivery = Delivery::write(PERSONS).unwrap();
    let sizes = [8, 24, 64, 128, 192, 256, 512, 1024, 2048, 4096, 8192];
    for (failures, kilobytes) in sizes.into_iter().enumerate() {
        let Some(installation) = required_in_ci(Installation::on_small_disk(&provider, kilobytes)) else { return };
        let taken = installation.intake(&delivery).unwrap();
        if taken.status.success() {
            assert!(failures >= 3, "only {failures} disks were too small");
            return;
        }
        assert_clear_failure(&taken, &format!("{kilobytes} KB"));
        assert!(said(&taken).contains("No space left"), "{}", said(&taken));
        installation.disk().unwrap().grow(ROOMY).unwrap();
        let served = installation.serve().unwrap();
        served.log_in(&provider, "alice").unwrap();
        assert!(!is_visible(&served), "{kilobytes} KB were too few, and something is visible");
        assert_delivered(&installation.intake(&delivery).unwrap(), "the next try");
        until_visible(&served);
    }
    panic!("no disk was large enough");
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_release_loses_and_doubles_nothing() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let Some(installation) = required_in_ci(Installation::on_small_disk(&provider, ROOMY)) else { return };
    let disk = installation.disk().unwrap();
    assert!(installation.intake(&Delivery::write(1_000).unwrap()).unwrap().status.success());
    let served = installation.serve().unwrap();
    log_in_all(&served, &provider);
    let mut releases = Vec::new();
    // Room for the journal's record and nothing else, for the person sets, for the findings, …
    for files in 0..5 {
        disk.leave_room_for(files).unwrap();
        let submitted = submit(&served, &format!("full-{files}"));
        assert_taken_or_unavailable(&submitted);
        assert!(files > 0 || submitted.status.code() == Some(6), "accepted on a full disk: {}", said(&submitted));
        disk.make_room().unwrap();
        let id = id_of(&submit(&served, &format!("full-{files}")));
        assert_eq!(state_of(&served, &id), "IN_REVIEW", "room for {files} files");
        releases.push(id);
        assert_listed(&served, releases.len());
    }
    // Room for the last vote's record, and none or not enough for what is to be published.
    for (files, id) in releases.iter().enumerate().skip(1) {
        assert!(vote(&served, "carol", id).status.success());
        disk.leave_room_for(files.try_into().unwrap()).unwrap();
        let _whatever_dave_heard = vote(&served, "dave", id);
        disk.make_room().unwrap();
        assert_published(&served, id);
    }
    let key = installation.folder().join("key.json");
    std::fs::write(&key, served.get("/v1/keys").unwrap()).unwrap();
    let tenant = installation.folder().join("tenant");
    let words = ["audit", "verify", tenant.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let verified = served.oscar("alice", &words).unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
}
