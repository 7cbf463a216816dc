//! What cannot be is refused by the API server, or said in a condition with its remedy.

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::{Value, json};

use crate::cluster;

fn refused(cluster: &Cluster, what: &str, object: &Value, because: &str) {
    let output = cluster.kubectl_with(&["create", "-f", "-"], &object.to_string()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(because), "{what}: {said}");
}

/// A permit for a tenant that does not exist.
fn permit(name: &str, from: &str, until: &str) -> Value {
    json!({"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "DataPermit",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"id": name.to_uppercase(), "tenant": "nobody", "authority": "A", "legalBasis": "B", "purpose": ["DUO:0000007"],
            "persons": [{"issuer": "https://login.example.dk", "subject": "alice", "role": "analyst"}],
            "datasets": [{"dataset": "contacts", "tables": [{"table": "contact"}]}],
            "profile": "sds", "validFrom": from, "validUntil": until}})
}

#[test]
fn names_and_fields_that_cannot_be_are_refused_with_the_rule() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    for (name, because) in [
        ("kube-system", "this name is reserved"),
        ("host", "this name is reserved"),
        (&"a".repeat(64), "a tenant's name has 1 to 40 characters"),
        // The last letter is Cyrillic.
        ("acm\u{435}", "a lowercase RFC 1123 subdomain"),
    ] {
        refused(cluster, name, &tenant(name, &cluster.issuer()), because);
    }
    let mut plain = tenant("plain", &cluster.issuer());
    plain["spec"]["issuers"][0]["issuer"] = json!("http://198.18.0.1");
    refused(cluster, "an issuer without TLS", &plain, "an issuer is an https URL");
    let mut inverted = permit("fseid-1", "2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    refused(cluster, "inverted dates", &inverted, "validUntil");
    inverted["spec"]["validUntil"] = json!("2028-01-01T00:00:00Z");
    inverted["spec"]["datasets"][0]["tables"][0]["rowFilter"] = json!([{"column": "a", "in": [1], "from": 2}]);
    refused(cluster, "a row filter that says two things", &inverted, "rowFilter");
}

#[test]
fn a_permit_for_nobody_and_a_tenant_without_keys_say_what_is_missing() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    cluster.apply(&permit("fseid-lost", "2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z")).unwrap();
    let said = cluster.wait_for(&["-n", HOME, "datapermit", "fseid-lost"], "Ready", "False").unwrap();
    assert!(said.contains("nobody"), "{said}");
    cluster.kubectl(&["-n", HOME, "delete", "datapermit", "fseid-lost", "--timeout=60s"]).unwrap();

    cluster.apply(&tenant("keyless", "https://203.0.113.10:8443")).unwrap();
    cluster
        .until("the unreachable issuer's name", || {
            let said = cluster.wait_for(&["tenant", "keyless"], "WorkspaceReady", "False")?;
            Ok(said.contains("https://203.0.113.10:8443").then_some(()))
        })
        .unwrap();
    cluster.kubectl(&["delete", "tenant", "keyless", "--timeout=150s"]).unwrap();
}
