//! The main job on the cluster: from a tenant to a verified table, and back to nothing.

use std::time::Instant;

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use oscar_e2e::{DATASET, Delivery, binary};
use oscar_journal::verifying_key_from_hex;
use oscar_permit::ErasureCertificate;
use serde_json::{Value, json};

use crate::cluster;

const BY_REGION: &str = "SELECT region, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY region";
const ALL: &str = "SELECT count(DISTINCT person_id) AS persons FROM contacts.contact";

fn permit(name: &str, issuer: &str) -> Value {
    let person = |subject: &str, role: &str| json!({"issuer": issuer, "subject": subject, "role": role});
    json!({"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "DataPermit",
        "metadata": {"name": "fseid-00001234", "namespace": HOME},
        "spec": {"id": "FSEID-00001234", "tenant": name, "authority": "Danish Health Data Authority",
            "legalBasis": "EHDS Art. 68", "purpose": ["DUO:0000007"],
            "persons": [person("alice", "analyst"), person("carol", "steward"), person("dave", "controller-steward"), person("erin", "auditor")],
            "datasets": [{"dataset": DATASET, "tables": [{"table": "contact"}]}],
            "profile": "sds", "validFrom": "2026-01-01T00:00:00Z", "validUntil": "2099-01-01T00:00:00Z"}})
}

/// Puts a delivery into the tenant's landing zone and has it taken in.
fn deliver(cluster: &Cluster, bucket: &str, tenant: &str) -> Delivery {
    let delivery = Delivery::write(3_000).unwrap();
    for file in ["contact.csv", "datapackage.json"] {
        cluster.put(bucket, &format!("landing/contacts/2026-11/{file}"), &delivery.folder().join(file)).unwrap();
    }
    let digest = delivery.descriptor_digest().unwrap();
    cluster
        .apply(&json!({"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "Extract",
            "metadata": {"name": "contacts-2026-11", "namespace": HOME},
            "spec": {"tenant": tenant, "permit": "fseid-00001234", "dataset": DATASET,
                "delivery": {"folder": "contacts/2026-11", "digest": digest}}}))
        .unwrap();
    delivery
}

/// Seconds until somebody may, or may no longer, see the catalogue.
fn seconds_until_admitted(cluster: &Cluster, tenant: &str, token: &str, admitted: bool) -> f64 {
    let begun = Instant::now();
    cluster
        .until("the permit's effect", || {
            let asked = cluster.oscar(tenant, token, &["catalogue", DATASET])?;
            Ok((asked.status.success() == admitted).then_some(()))
        })
        .unwrap();
    begun.elapsed().as_secs_f64()
}

#[test]
fn a_tenant_goes_from_an_extract_to_a_verified_table_and_is_erased_without_a_trace() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let object = ["tenant", "acme"];
    let begun = Instant::now();
    cluster.apply(&tenant("acme", &cluster.issuer())).unwrap();
    cluster.wait_for(&object, "Ready", "True").unwrap();
    println!("from kubectl apply to Ready: {:.1} s", begun.elapsed().as_secs_f64());
    let status = cluster.get(&object).unwrap()["status"].clone();
    let bucket = status["bucket"].as_str().unwrap().to_owned();

    cluster.apply(&permit("acme", &cluster.issuer())).unwrap();
    let alice = cluster.token("alice").unwrap();
    let delivery = deliver(cluster, &bucket, "acme");
    cluster.wait_for(&["-n", HOME, "extract", "contacts-2026-11"], "Delivered", "True").unwrap();
    println!("permit in force, extract delivered: {:.1} s", seconds_until_admitted(cluster, "acme", &alice, true));

    cluster.wait_for(&["-n", HOME, "datapermit", "fseid-00001234"], "Delivered", "True").unwrap();
    let table = release(cluster, &alice);
    assert!(table.starts_with("region,persons\n") && table.contains("\n1099,..\n"), "{table}");
    let purpose = ["--title", "Everybody", "--purpose", "planning of an outpatient clinic", "--wait"];
    let all = cluster.ask("acme", &alice, &[&["release", "submit", "--sql", ALL][..], &purpose].concat()).unwrap();
    assert_eq!(all["state"], "REFUSED", "everybody less the regions shown is the island's four: {all}");
    let mallory = cluster.token("mallory").unwrap();
    assert!(!cluster.oscar("acme", &mallory, &["catalogue", DATASET]).unwrap().status.success());
    let log = cluster.kubectl(&["-n", "oscar-acme", "logs", "deployment/lake-api"]).unwrap();
    assert!(!log.contains("SELECT") && !delivery.person_numbers().iter().any(|number| log.contains(number)), "{log}");

    let revoked = json!({"spec": {"revokedAt": "2026-01-02T00:00:00Z"}}).to_string();
    cluster.kubectl(&["-n", HOME, "patch", "datapermit", "fseid-00001234", "--type", "merge", "-p", &revoked]).unwrap();
    let seconds = seconds_until_admitted(cluster, "acme", &alice, false);
    println!("revocation in force after {seconds:.1} s");
    assert!(seconds <= 5.0, "a revocation takes {seconds:.1} s");
    erased(cluster, &bucket);
}

/// A first release, which two stewards look at; the table, once its receipt was verified outside.
fn release(cluster: &Cluster, alice: &str) -> String {
    let purpose = ["--title", "Persons by region", "--purpose", "planning of an outpatient clinic", "--wait"];
    let first =
        cluster.ask("acme", alice, &[&["release", "submit", "--sql", BY_REGION][..], &purpose].concat()).unwrap();
    assert_eq!(first["state"], "IN_REVIEW", "a first release is reviewed: {first}");
    let id = first["id"].as_str().unwrap();
    for steward in ["carol", "dave"] {
        let token = cluster.token(steward).unwrap();
        let vote = ["release", "vote", id, "approve", "--reason", "counts of persons, nobody stands out"];
        cluster.ask("acme", &token, &vote).unwrap();
    }
    let released = cluster.ask("acme", alice, &["release", "show", id, "--wait"]).unwrap();
    assert_eq!(released["state"], "RELEASED", "{released}");
    let got = ["release", "get", id, "--to", "/tmp/table.csv", "--receipt", "/tmp/receipt.json"];
    let got = cluster.oscar("acme", alice, &got).unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    let keys = cluster.oscar("acme", alice, &["keys", "--output", "json"]).unwrap();
    std::fs::write(cluster.folder().join("keys.json"), &keys.stdout).unwrap();
    for file in ["table.csv", "receipt.json"] {
        let content =
            cluster.kubectl(&["-n", "gateway", "exec", "gateway", "--", "/busybox", "cat", &format!("/tmp/{file}")]);
        std::fs::write(cluster.folder().join(file), content.unwrap()).unwrap();
    }
    let verify = || {
        let mut command = std::process::Command::new(binary("oscar"));
        command.current_dir(cluster.folder()).args(["verify", "receipt.json", "table.csv", "--key", "keys.json"]);
        command.output().unwrap()
    };
    let verified = verify();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let table = std::fs::read_to_string(cluster.folder().join("table.csv")).unwrap();
    std::fs::write(cluster.folder().join("table.csv"), table.replace("..", "5")).unwrap();
    assert!(!verify().status.success(), "a changed table does not verify");
    table
}

/// Deletes the tenant: nothing of it is left but the certificate.
fn erased(cluster: &Cluster, bucket: &str) {
    assert_eq!(cluster.bucket_status(bucket).unwrap(), "200");
    cluster.kubectl(&["-n", HOME, "delete", "extract", "contacts-2026-11", "--timeout=60s"]).unwrap();
    cluster.kubectl(&["-n", HOME, "delete", "datapermit", "fseid-00001234", "--timeout=60s"]).unwrap();
    let begun = Instant::now();
    cluster.kubectl(&["delete", "tenant", "acme", "--timeout=150s"]).unwrap();
    println!("erased after {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(cluster.bucket_status(bucket).unwrap(), "404");
    for namespace in ["oscar-acme", "oscar-acme-intake"] {
        let gone = cluster.until("the end of the namespace", || {
            Ok((!cluster.try_kubectl(&["get", "namespace", namespace])?.status.success()).then_some(()))
        });
        gone.unwrap();
    }
    let kept = cluster.get(&["-n", HOME, "secrets,configmaps"]).unwrap();
    let kept = kept["items"].as_array().unwrap();
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    // Tenants of this name that were before have theirs.
    let left: Vec<String> = kept.iter().map(name).filter(|name| name.contains("acme")).collect();
    assert!(left.iter().all(|name| name.starts_with("erasure-")), "an erasure leaves certificates only: {left:?}");
    let certified = format!("erasure-{}", bucket.trim_start_matches("oscar-"));
    let certificate = kept.iter().find(|object| name(object) == certified).unwrap();
    let data = |key: &str| certificate["data"][key].as_str().unwrap();
    let key = verifying_key_from_hex(data("public-key")).unwrap();
    let certificate = ErasureCertificate::from_json(data("certificate.json").as_bytes()).unwrap();
    let erasure = certificate.verify(&key).unwrap();
    assert!(erasure.bucket == bucket && erasure.objects_removed > 0 && erasure.keys_destroyed, "{erasure:?}");
}
