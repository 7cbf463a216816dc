//! What cannot be is refused by the API server, or said in a condition with its remedy.

use oscar_e2e::Delivery;
use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::{Value, json};

use crate::{cluster, furnished};

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
    let mut vast = tenant("vast", &cluster.issuer());
    vast["spec"]["storage"]["quota"] = json!("17000000Ti");
    refused(cluster, "a quota that nobody can count", &vast, "a quota is at most 100000Ti");
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

/// A condition's reason and message, once it is not true for that reason.
fn not(cluster: &Cluster, object: &[&str], kind: &str, reason: &str) -> String {
    let mut last = Value::Null;
    let found = cluster.until(reason, || {
        last = cluster.get(object)?.pointer("/status/conditions").cloned().unwrap_or_default();
        let met = last
            .as_array()
            .into_iter()
            .flatten()
            .find(|found| found["type"] == kind && found["status"] != "True" && found["reason"] == reason);
        Ok(met.map(|found| found["message"].as_str().unwrap_or_default().to_owned()))
    });
    let said = found.unwrap_or_else(|error| panic!("{object:?}: {error}: {last:#}"));
    println!("{kind} {reason}: {said}");
    said
}

#[test]
fn permits_and_extracts_that_cannot_be_followed_say_why_and_what_helps() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let mut small = tenant("picky", &cluster.issuer());
    small["spec"]["storage"]["quota"] = json!("64Mi");
    cluster.apply(&small).unwrap();
    cluster.wait_for(&["tenant", "picky"], "Ready", "True").unwrap();
    let bucket = cluster.get(&["tenant", "picky"]).unwrap()["status"]["bucket"].as_str().unwrap().to_owned();

    let mut lenient = furnished::permit("picky", &cluster.issuer());
    lenient["metadata"]["name"] = json!("fseid-lenient");
    lenient["spec"]["id"] = json!("FSEID-LENIENT");
    lenient["spec"]["profile"] = json!("lenient");
    cluster.apply(&lenient).unwrap();
    let said = not(cluster, &["-n", HOME, "datapermit", "fseid-lenient"], "Ready", "Invalid");
    assert!(said.contains("lenient") && said.contains("sds, strict"), "{said}");
    let said = not(cluster, &["tenant", "picky"], "PermitsApplied", "FaultyPermit");
    assert!(said.contains("fseid-lenient"), "{said}");
    cluster.kubectl(&["-n", HOME, "delete", "datapermit", "fseid-lenient", "--timeout=60s"]).unwrap();

    let mut permit = furnished::permit("picky", &cluster.issuer());
    permit["spec"]["datasets"].as_array_mut().unwrap().push(json!({"dataset": "nowhere", "tables": [{"table": "t"}]}));
    cluster.apply(&permit).unwrap();
    let said = not(cluster, &["-n", HOME, "datapermit", "fseid-picky"], "Delivered", "NotDelivered");
    assert!(said.contains("nowhere") && said.contains("Extract"), "{said}");

    let delivery = Delivery::write(300).unwrap();
    for file in ["contact.csv", "datapackage.json"] {
        let path = delivery.folder().join(file);
        cluster.put(&bucket, &format!("landing/contacts/2026-11/{file}"), &path).unwrap();
    }
    let digest = delivery.descriptor_digest().unwrap();
    let object = |name: &'static str| ["-n", HOME, "extract", name];
    cluster.apply(&furnished::extract("foreign", "picky", "fseid-picky", "population", &digest)).unwrap();
    let said = not(cluster, &object("foreign"), "Ready", "DatasetNotPermitted");
    assert!(said.contains("population"), "{said}");
    cluster.apply(&furnished::extract("permitless", "picky", "fseid-none", "contacts", &digest)).unwrap();
    not(cluster, &object("permitless"), "Ready", "PermitMissing");
    let other = format!("sha256:{}", oscar_permit::Sha256Digest::of("another package"));
    cluster.apply(&furnished::extract("another", "picky", "fseid-picky", "contacts", &other)).unwrap();
    let said = not(cluster, &object("another"), "Ready", "Refused");
    assert!(said.contains("descriptor-digest") && said.contains("announce"), "{said}");

    // 70 MiB beside it, and 64 MiB are all that the tenant may hold.
    let large = cluster.folder().join("large");
    std::fs::write(&large, vec![b'x'; 70 << 20]).unwrap();
    cluster.put(&bucket, "landing/other/large.csv", &large).unwrap();
    cluster.apply(&furnished::extract("toomuch", "picky", "fseid-picky", "contacts", &digest)).unwrap();
    let said = not(cluster, &object("toomuch"), "Ready", "Refused");
    assert!(said.contains("quota") && said.contains("raise"), "{said}");
    let catalogue = cluster.token("alice").unwrap();
    let seen = cluster.ask("picky", &catalogue, &["catalogue"]).unwrap();
    assert!(!seen.to_string().contains("contact_date"), "nothing of what was refused is there: {seen}");
    cluster.kubectl(&["-n", HOME, "delete", "extracts", "--all", "--timeout=60s"]).unwrap();
    cluster.kubectl(&["-n", HOME, "delete", "datapermits", "--all", "--timeout=60s"]).unwrap();
    cluster.kubectl(&["delete", "tenant", "picky", "--timeout=150s"]).unwrap();
}

#[test]
fn a_storage_class_that_is_not_there_and_an_authority_that_has_ended_are_said_with_the_remedy() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    cluster.upgrade(&Cluster::chart(), &[r#"scratch.storageClass="nowhere""#]).unwrap();
    cluster.apply(&tenant("classless", &cluster.issuer())).unwrap();
    let said = not(cluster, &["tenant", "classless"], "WorkspaceReady", "VolumeNotBound");
    assert!(said.contains("StorageClass nowhere"), "{said}");
    cluster.upgrade(&Cluster::chart(), &[]).unwrap();
    cluster.wait_for(&["tenant", "classless"], "Ready", "True").unwrap();

    let (certificate, key) = ended_authority();
    // Without the operator's label: somebody else's, which it only uses.
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "oscar-ca", "namespace": HOME},
        "stringData": {"tls.crt": certificate, "tls.key": key}});
    let replaced = cluster.kubectl_with(&["replace", "-f", "-"], &secret.to_string()).unwrap();
    assert!(replaced.status.success(), "{}", String::from_utf8_lossy(&replaced.stderr));
    cluster.apply(&tenant("ended", &cluster.issuer())).unwrap();
    let said = not(cluster, &["tenant", "ended"], "WorkspaceReady", "CertificateAuthorityExpired");
    assert!(said.contains("oscar-ca") && said.contains("delete the Secret"), "{said}");
    cluster.wait_for(&["tenant", "ended"], "Stalled", "True").unwrap();
    cluster
        .kubectl(&["-n", HOME, "annotate", "secret", "oscar-ca", "host.oscar-project.com/deletion=allowed"])
        .unwrap();
    cluster.kubectl(&["-n", HOME, "delete", "secret", "oscar-ca"]).unwrap();
    cluster.wait_for(&["tenant", "ended"], "Ready", "True").unwrap();
    cluster.trust().unwrap();
    cluster.kubectl(&["delete", "tenant", "classless", "ended", "--timeout=150s"]).unwrap();
}

fn ended_authority() -> (String, String) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    let key = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}
