//! What is broken on purpose mends itself, without hands.

use std::time::Instant;

use oscar_e2e::cluster::{Cluster, HOME, tenant};

use crate::cluster;
use crate::firewall::set_locked;

/// Seconds until `what` is so again.
fn seconds_until(cluster: &Cluster, what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> f64 {
    let begun = Instant::now();
    cluster.until(what, || Ok(is_so()?.then_some(()))).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what} after {seconds:.1} s");
    seconds
}

fn uid(cluster: &Cluster, object: &[&str]) -> String {
    let found = cluster.try_kubectl(&[&["get", "-o", "jsonpath={.metadata.uid}"], object].concat()).unwrap();
    String::from_utf8(found.stdout).unwrap()
}

#[test]
fn a_killed_operator_a_deleted_object_and_a_killed_lake_api_are_mended_without_hands() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let object = ["tenant", "sturdy"];
    // Four times in the middle of building the tenant up.
    cluster.apply(&tenant("sturdy", &cluster.issuer())).unwrap();
    for _ in 0..4 {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let operator =
            ["-n", HOME, "delete", "pod", "-l", "app.kubernetes.io/name=oscar-operator", "--grace-period=0", "--force"];
        cluster.kubectl(&operator).unwrap();
    }
    let begun = Instant::now();
    cluster.wait_for(&object, "Ready", "True").unwrap();
    println!("Ready {:.1} s after the last of four kills of the operator", begun.elapsed().as_secs_f64());

    set_locked(cluster, false);
    let policy = ["-n", "oscar-sturdy", "networkpolicy", "deny-all"];
    let before = uid(cluster, &policy);
    cluster.kubectl(&["-n", "oscar-sturdy", "delete", "networkpolicy", "deny-all"]).unwrap();
    let mended = || Ok(![before.as_str(), ""].contains(&uid(cluster, &policy).as_str()));
    let seconds = seconds_until(cluster, "a deleted policy is there again", mended);
    assert!(seconds <= 5.0, "a drift is repaired after {seconds:.1} s");
    cluster.wait_for(&object, "Ready", "True").unwrap();

    cluster
        .kubectl(&[
            "-n",
            "oscar-sturdy",
            "delete",
            "pod",
            "-l",
            "host.oscar-project.com/role=lake-api",
            "--grace-period=0",
            "--force",
        ])
        .unwrap();
    set_locked(cluster, true);
    let serving = ["-n", "oscar-sturdy", "rollout", "status", "deployment/lake-api", "--timeout=5s"];
    seconds_until(cluster, "a killed lake-api serves again", || Ok(cluster.try_kubectl(&serving)?.status.success()));
    cluster.wait_for(&object, "Ready", "True").unwrap();
    cluster.kubectl(&["delete", "tenant", "sturdy", "--timeout=150s"]).unwrap();
}
