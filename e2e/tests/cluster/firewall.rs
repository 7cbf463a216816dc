//! The firewall, measured from inside: closed as it stands, open once it is taken away.

use std::collections::BTreeSet;

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::Value;

use crate::cluster;

/// What the probe of a zone must find open when nothing is in its way but the cluster's network.
const WITHOUT_FIREWALL: [&str; 6] = [
    "outside host 203.0.113.10:443",
    "outside host by UDP 203.0.113.10:53",
    "metadata service 169.254.169.254:80",
    "API server",
    "resolver",
    "kubelet",
];

/// Runs the probe of a namespace once more; its report.
fn measure(cluster: &Cluster, namespace: &str, name: &str) -> Value {
    cluster.kubectl(&["-n", namespace, "create", "job", name, "--from=cronjob/isolation-probe"]).unwrap();
    let selector = format!("job-name={name}");
    let report = cluster.until("the probe's report", || {
        let pods = cluster.get(&["-n", namespace, "pods", "-l", &selector])?;
        let ended = pods["items"][0]["status"]["containerStatuses"][0]["state"]["terminated"]["message"].as_str();
        Ok(ended.map(str::to_owned))
    });
    serde_json::from_str(&report.unwrap()).unwrap()
}

fn open(report: &Value) -> BTreeSet<String> {
    report["open"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Whether the admission policies deny. While they only audit, the administrator can do what
/// nobody may.
pub(crate) fn set_locked(cluster: &Cluster, locked: bool) {
    let actions = if locked { "[\"Deny\",\"Audit\"]" } else { "[\"Audit\"]" };
    let patch = format!("{{\"spec\":{{\"validationActions\":{actions}}}}}");
    for name in ["oscar-tenant-objects", "oscar-tenant-pods"] {
        cluster.kubectl(&["patch", "validatingadmissionpolicybinding", name, "--type", "merge", "-p", &patch]).unwrap();
    }
    // The API server learns of it by a watch and says nothing when it has.
    std::thread::sleep(std::time::Duration::from_secs(3));
}

fn operators(cluster: &Cluster, count: &str) {
    cluster.kubectl(&["-n", HOME, "scale", "deployment/oscar-operator", "--replicas", count]).unwrap();
    if count == "0" {
        cluster
            .kubectl(&[
                "-n",
                HOME,
                "wait",
                "--for=delete",
                "pod",
                "-l",
                "app.kubernetes.io/name=oscar-operator",
                "--timeout=60s",
            ])
            .unwrap();
    }
}

#[test]
fn everything_is_closed_as_it_stands_and_open_once_the_policies_are_taken_away_by_hand() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let object = ["tenant", "walled"];
    cluster.apply(&tenant("walled", &cluster.issuer())).unwrap();
    cluster.wait_for(&object, "Ready", "True").unwrap();

    operators(cluster, "0");
    set_locked(cluster, false);
    for (zone, namespace) in [("workspace", "oscar-walled"), ("intake", "oscar-walled-intake")] {
        let report = measure(cluster, namespace, "by-hand-closed");
        assert!(open(&report).is_empty() && report["unclear"].as_array().unwrap().is_empty(), "{zone}: {report}");
        cluster.kubectl(&["-n", namespace, "delete", "networkpolicy", "--all"]).unwrap();
        let report = measure(cluster, namespace, "by-hand-open");
        let found = open(&report);
        for expected in WITHOUT_FIREWALL {
            assert!(found.iter().any(|name| name.starts_with(expected)), "{zone}: {expected} is not reached: {report}");
        }
    }
    set_locked(cluster, true);
    operators(cluster, "1");
    // It repairs, measures anew, and only then lets the gateway in again.
    cluster
        .until("the repaired policies", || {
            let found = cluster.get(&["-n", "oscar-walled", "networkpolicies"])?;
            Ok((!found["items"].as_array().unwrap().is_empty()).then_some(()))
        })
        .unwrap();
    cluster.wait_for(&object, "Isolated", "True").unwrap();
    cluster.wait_for(&object, "Ready", "True").unwrap();
    cluster.kubectl(&["delete", "tenant", "walled", "--timeout=150s"]).unwrap();
}
