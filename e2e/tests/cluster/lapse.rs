//! What a suspension or the end of a permit does to extracts: nothing runs any more, and what
//! was delivered stays delivered.

use oscar_e2e::DATASET;
use oscar_e2e::cluster::{Cluster, HOME};
use serde_json::{Value, json};

use crate::cluster;
use crate::furnished::{Furnished, extract};

const INTAKE: &str = "oscar-lapsing-intake";

fn suspend(cluster: &Cluster, suspend: bool) {
    let patch = json!({"spec": {"suspend": suspend}}).to_string();
    cluster.kubectl(&["patch", "tenant", "lapsing", "--type", "merge", "-p", &patch]).unwrap();
}

fn is_scheduled(cluster: &Cluster) -> bool {
    let found = cluster.try_kubectl(&["-n", INTAKE, "get", "cronjob", "extract-nightly"]).unwrap();
    found.status.success()
}

fn jobs(cluster: &Cluster, extract: &str) -> Vec<String> {
    let label = format!("host.oscar-project.com/extract={extract}");
    let listed = cluster.get(&["-n", INTAKE, "jobs", "-l", &label]).unwrap();
    listed["items"].as_array().unwrap().iter().map(|job| job["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The extract's phase and whether it counts as delivered.
fn standing(cluster: &Cluster, extract: &str) -> (String, bool) {
    let status = cluster.get(&["-n", HOME, "extract", extract]).unwrap()["status"].clone();
    let delivered = |found: &&Value| found["type"] == "Delivered" && found["status"] == "True";
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    (status["phase"].as_str().unwrap_or_default().to_owned(), conditions.iter().any(|found| delivered(&found)))
}

#[test]
fn a_schedule_ends_with_what_it_rests_on_and_a_delivery_is_made_once() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let furnished = Furnished::new(cluster, "lapsing");
    let once = furnished.permit();
    let mut nightly = extract("nightly", "lapsing", &once, DATASET, "");
    nightly["spec"]["delivery"] = json!({"folder": "contacts/2026-11"});
    nightly["spec"]["schedule"] = json!("0 3 1 1 *");
    cluster.apply(&nightly).unwrap();
    cluster.until("the schedule", || Ok(is_scheduled(cluster).then_some(()))).unwrap();

    suspend(cluster, true);
    cluster.until("the schedule's end", || Ok((!is_scheduled(cluster)).then_some(()))).unwrap();
    let waits = ["-n", HOME, "extract", "nightly"];
    let said = cluster.wait_for(&waits, "Ready", "False").unwrap();
    assert!(said.contains("suspended"), "{said}");
    assert_eq!(standing(cluster, &once), ("Delivered".to_owned(), true), "what was delivered stays so");
    // As Kubernetes does when the Job's time is over.
    let operator = "--as=system:serviceaccount:oscar-host:oscar-operator";
    for job in jobs(cluster, &once) {
        cluster.kubectl(&[operator, "-n", INTAKE, "delete", "job", &job]).unwrap();
    }
    suspend(cluster, false);
    cluster.until("the schedule's return", || Ok(is_scheduled(cluster).then_some(()))).unwrap();
    cluster.wait_for(&["tenant", "lapsing"], "Ready", "True").unwrap();
    assert_eq!(standing(cluster, &once), ("Delivered".to_owned(), true));
    assert!(jobs(cluster, &once).is_empty(), "one delivery is taken in once");

    // Without its schedule it is an extract of one package.
    let digest = furnished.delivery.descriptor_digest().unwrap();
    let patch = json!({"spec": {"schedule": null, "delivery": {"digest": digest}}}).to_string();
    cluster.kubectl(&["-n", HOME, "patch", "extract", "nightly", "--type", "merge", "-p", &patch]).unwrap();
    cluster.until("the schedule's removal", || Ok((!is_scheduled(cluster)).then_some(()))).unwrap();
    cluster.wait_for(&waits, "Delivered", "True").unwrap();

    cluster.kubectl(&["-n", HOME, "delete", "datapermit", &once, "--timeout=60s"]).unwrap();
    let seconds = furnished.seconds_until_admitted(false);
    println!("a deleted permit has ended after {seconds:.1} s");
    assert!(seconds < 15.0, "nobody waits for the next round: {seconds:.1} s");
    assert_eq!(standing(cluster, &once), ("Delivered".to_owned(), true));
    cluster.kubectl(&["-n", HOME, "delete", "extract", &once, "nightly", "--timeout=60s"]).unwrap();
    cluster.kubectl(&["delete", "tenant", "lapsing", "--timeout=150s"]).unwrap();
}
