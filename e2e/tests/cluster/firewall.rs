//! The firewall, measured from inside: closed as it stands, open once it is taken away.

use std::collections::BTreeSet;

use oscar_e2e::cluster::{Cluster, tenant};
use serde_json::{Value, json};

use crate::own_cluster;

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

/// Rights that nobody should have, given at the store by hand: the neighbour's bucket, and of
/// the own one what is the other zone's.
fn widen_rights(cluster: &Cluster, user: &str, buckets: &[&str]) {
    let resources: Vec<String> = buckets.iter().map(|bucket| format!("arn:aws:s3:::{bucket}*")).collect();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": resources}]});
    let document = policy.to_string();
    let parameters = [("UserName", user), ("PolicyName", "by-hand"), ("PolicyDocument", &document)];
    cluster.iam("PutUserPolicy", &parameters).unwrap();
}

#[test]
fn everything_is_closed_as_it_stands_and_open_once_the_policies_are_taken_away_by_hand() {
    let Some(turn) = own_cluster() else { return };
    let cluster: &Cluster = &turn;
    let tenants = ["walled", "beside"];
    for name in tenants {
        cluster.apply(&tenant(name, &cluster.issuer())).unwrap();
    }
    for name in tenants {
        cluster.wait_for(&["tenant", name], "Ready", "True").unwrap();
    }
    // Each now tries the other's doors, and has held.
    let doors = ["lake-api of tenant beside", "bucket of tenant beside"];
    cluster
        .until("the neighbour among what the probes try", || {
            let plan = cluster.get(&["-n", "oscar-walled", "configmap", "isolation-probe"])?;
            let plan = plan["data"]["plan.json"].as_str().unwrap_or_default();
            Ok(doors.iter().all(|door| plan.contains(door)).then_some(()))
        })
        .unwrap();
    cluster.wait_for(&["tenant", "walled"], "Isolated", "True").unwrap();

    cluster.run_operators(0).unwrap();
    set_locked(cluster, false);
    let zones = [("workspace", "oscar-walled"), ("intake", "oscar-walled-intake")];
    for (zone, namespace) in zones {
        let report = measure(cluster, namespace, "by-hand-closed");
        assert!(open(&report).is_empty() && report["unclear"].as_array().unwrap().is_empty(), "{zone}: {report}");
    }
    for namespace in ["oscar-walled", "oscar-walled-intake", "oscar-beside"] {
        cluster.kubectl(&["-n", namespace, "delete", "networkpolicy", "--all"]).unwrap();
    }
    let bucket = |name: &str| cluster.get(&["tenant", name]).unwrap()["status"]["bucket"].as_str().unwrap().to_owned();
    let (own, beside) = (bucket("walled"), bucket("beside"));
    for (zone, namespace) in zones {
        widen_rights(cluster, &format!("{own}-{zone}"), &[&own, &beside]);
        let report = measure(cluster, namespace, "by-hand-open");
        let found = open(&report);
        let prefix = if zone == "workspace" { "landing/ of the own bucket" } else { "ledger/ of the own bucket" };
        for expected in WITHOUT_FIREWALL.iter().chain(&doors).chain(&["own lake-api", prefix]) {
            assert!(found.iter().any(|name| name.starts_with(expected)), "{zone}: {expected} is not reached: {report}");
        }
    }
    set_locked(cluster, true);
    cluster.run_operators(1).unwrap();
    // It repairs, rights at the store too, measures anew, and only then lets the gateway in again.
    cluster
        .until("the repaired policies", || {
            let found = cluster.get(&["-n", "oscar-walled", "networkpolicies"])?;
            Ok((!found["items"].as_array().unwrap().is_empty()).then_some(()))
        })
        .unwrap();
    for name in tenants {
        cluster.wait_for(&["tenant", name], "Isolated", "True").unwrap();
        cluster.wait_for(&["tenant", name], "Ready", "True").unwrap();
    }
    for zone in ["workspace", "intake"] {
        let left = cluster.iam("ListUserPolicies", &[("UserName", &format!("{own}-{zone}"))]).unwrap();
        assert!(!left.contains("by-hand"), "{left}");
    }
    cluster.kubectl(&["delete", "tenant", "walled", "beside", "--timeout=150s"]).unwrap();
}
