//! A door that somebody opens in an emergency, and its end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use oscar_e2e::cluster::{Cluster, tenant};
use serde_json::json;

use crate::cluster;

const GROUP: &str = "oscar-break-glass";
const NAMESPACE: &str = "oscar-entered";
/// How long the door is open.
const OPEN: Duration = Duration::from_secs(25);

/// Runs `kubectl` as a member of the break-glass group; whether it went well, and what was said.
fn as_member(cluster: &Cluster, who: &str, arguments: &[&str]) -> (bool, String) {
    let who = ["--as", who, "--as-group", GROUP, "--as-group", "system:authenticated"];
    let output = cluster.try_kubectl(&[&who[..], arguments].concat()).unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn opens(cluster: &Cluster, who: &str, until: Timestamp) -> (bool, String) {
    let until = until.strftime("host.oscar-project.com/break-glass-until=%Y-%m-%dT%H:%M:%SZ").to_string();
    let by = format!("host.oscar-project.com/break-glass-by={who}");
    let why = "host.oscar-project.com/break-glass-why=Incident 4711: the lake-api hangs in a release.";
    as_member(cluster, who, &["annotate", "--overwrite", "namespace", NAMESPACE, &by, why, &until])
}

fn enters(cluster: &Cluster, who: &str) -> (bool, String) {
    let pod = pods(cluster).pop_first().unwrap();
    as_member(cluster, who, &["-n", NAMESPACE, "exec", &pod, "--", "/lake-api", "--help"])
}

/// The lake-api's pods that are not on their way out.
fn pods(cluster: &Cluster) -> BTreeSet<String> {
    let listed = cluster.get(&["-n", NAMESPACE, "pods", "-l", "host.oscar-project.com/role=lake-api"]).unwrap();
    let stays = |pod: &&serde_json::Value| pod["metadata"]["deletionTimestamp"].is_null();
    let pods = listed["items"].as_array().unwrap().iter().filter(stays);
    pods.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn is_open(cluster: &Cluster) -> bool {
    let namespace = cluster.get(&["namespace", NAMESPACE]).unwrap();
    namespace["metadata"]["annotations"].to_string().contains("break-glass")
}

/// The notes of the tenant's events with a reason.
fn told(cluster: &Cluster, reason: &str) -> Vec<String> {
    let events = cluster.get(&["events", "-A", "--field-selector", &format!("reason={reason}")]).unwrap();
    let events = events["items"].as_array().unwrap().iter();
    let ours = events.filter(|event| event["involvedObject"]["name"] == "entered");
    ours.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_door_opened_in_an_emergency_closes_in_time_and_its_pods_are_made_anew() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    cluster
        .apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "on-call"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "Group", "name": GROUP, "apiGroup": "rbac.authorization.k8s.io"}]}))
        .unwrap();
    cluster.apply(&tenant("entered", &cluster.issuer())).unwrap();
    cluster.wait_for(&["tenant", "entered"], "Ready", "True").unwrap();
    let before = pods(cluster);
    let (entered, said) = enters(cluster, "grace");
    assert!(!entered && said.contains("tenant-doors"), "the door is closed: {said}");

    let until = Timestamp::now() + OPEN;
    let (opened, said) = opens(cluster, "grace", until);
    assert!(opened, "{said}");
    cluster.until("an open door", || Ok(enters(cluster, "grace").0.then_some(()))).unwrap();
    let (entered, said) = enters(cluster, "heidi");
    assert!(!entered && said.contains("tenant-doors"), "it is open to one person: {said}");
    let told_of = cluster.until("the event", || Ok(told(cluster, "BreakGlassOpened").pop())).unwrap();
    assert!(told_of.contains("grace") && told_of.contains("Incident 4711"), "{told_of}");
    // Longer than the operator needs to take back what somebody else has written.
    while Timestamp::now() < until - Duration::from_secs(3) {
        assert!(is_open(cluster), "the operator does not close a door before its time");
        std::thread::sleep(Duration::from_secs(1));
    }
    cluster.until("the end", || Ok((!is_open(cluster)).then_some(()))).unwrap();
    let late = Timestamp::now().duration_since(until);
    println!("closed {:.1} s after its time", late.as_secs_f64());
    assert!(late.as_secs() >= 0, "not before");
    cluster
        .until("other pods", || Ok((!pods(cluster).is_empty() && pods(cluster).is_disjoint(&before)).then_some(())))
        .unwrap();
    let (entered, said) = enters(cluster, "grace");
    assert!(!entered && said.contains("tenant-doors"), "{said}");
    let closed = told(cluster, "BreakGlassClosed").pop().unwrap();
    assert!(closed.contains("its time is over"), "{closed}");
    cluster.wait_for(&["tenant", "entered"], "Ready", "True").unwrap();

    // Nobody gives himself a door for good.
    let begun = Instant::now();
    let (opened, said) = opens(cluster, "grace", Timestamp::now() + Duration::from_hours(9));
    assert!(opened, "{said}");
    cluster.until("the end of a door for too long", || Ok((!is_open(cluster)).then_some(()))).unwrap();
    println!("an entry for nine hours was closed after {:.1} s", begun.elapsed().as_secs_f64());
    let said = cluster.until("the reason", || {
        Ok(told(cluster, "BreakGlassClosed").into_iter().find(|note| note.contains("eight hours")))
    });
    said.unwrap();
    cluster.kubectl(&["delete", "clusterrolebinding", "on-call"]).unwrap();
    cluster.kubectl(&["delete", "tenant", "entered", "--timeout=150s"]).unwrap();
}
