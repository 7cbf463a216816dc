//! The main job on the cluster: from a tenant to a verified table, and back to nothing.

use std::time::Instant;

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use oscar_journal::verifying_key_from_hex;
use oscar_permit::ErasureCertificate;
use serde_json::{Value, json};

use crate::cluster;
use crate::furnished::{ALL, BY_REGION, Furnished, permit, verifies};

#[test]
fn a_tenant_goes_from_an_extract_to_a_verified_table_and_is_erased_without_a_trace() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let acme = Furnished::new(cluster, "acme");
    cluster.wait_for(&["-n", HOME, "datapermit", &acme.permit()], "Delivered", "True").unwrap();

    let id = acme.approve(&acme.submit(BY_REGION, "Persons by region", &["--wait"]));
    let folder = acme.fetch(&id);
    assert!(verifies(&folder), "a receipt verifies outside");
    let table = std::fs::read_to_string(folder.join("table.csv")).unwrap();
    assert!(table.starts_with("region,persons\n") && table.contains("\n1099,..\n"), "{table}");
    std::fs::write(folder.join("table.csv"), table.replace("..", "5")).unwrap();
    assert!(!verifies(&folder), "a changed table does not verify");

    let all = acme.submit(ALL, "Everybody", &["--wait"]);
    assert_eq!(all["state"], "REFUSED", "everybody less the regions shown is the island's four: {all}");
    let mallory = cluster.token("mallory").unwrap();
    assert!(!cluster.oscar("acme", &mallory, &["catalogue"]).unwrap().status.success());
    let log = cluster.kubectl(&["-n", "oscar-acme", "logs", "deployment/lake-api"]).unwrap();
    let numbers = acme.delivery.person_numbers();
    assert!(!log.contains("SELECT") && !numbers.iter().any(|number| log.contains(number)), "{log}");

    let revoked = json!({"spec": {"revokedAt": "2026-01-02T00:00:00Z"}}).to_string();
    cluster.kubectl(&["-n", HOME, "patch", "datapermit", &acme.permit(), "--type", "merge", "-p", &revoked]).unwrap();
    let seconds = acme.seconds_until_admitted(false);
    println!("revocation in force after {seconds:.1} s");
    assert!(seconds <= 5.0, "a revocation takes {seconds:.1} s");
    erased(acme);
    used_again(cluster);
}

/// Deletes the tenant: nothing of it is left but the certificate.
fn erased(acme: Furnished<'_>) {
    let (cluster, bucket) = (acme.cluster, acme.bucket.clone());
    assert_eq!(cluster.bucket_status(&bucket).unwrap(), "200");
    assert!(identities(cluster).iter().any(|user| user.contains("acme")), "the store knows the tenant's identities");
    let begun = Instant::now();
    acme.gone();
    println!("erased after {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(cluster.bucket_status(&bucket).unwrap(), "404");
    let left: Vec<String> = identities(cluster).into_iter().filter(|user| user.contains("acme")).collect();
    assert!(left.is_empty(), "identities that are left: {left:?}");
    for namespace in ["oscar-acme", "oscar-acme-intake"] {
        let gone = cluster.until("the end of the namespace", || {
            Ok((!cluster.try_kubectl(&["get", "namespace", namespace])?.status.success()).then_some(()))
        });
        gone.unwrap();
    }
    let kept = of_acme(cluster);
    // Tenants of this name that were before have theirs.
    assert!(kept.iter().all(|name| name.starts_with("erasure-")), "an erasure leaves certificates only: {kept:?}");
    let erasure = certificate(cluster, &bucket);
    assert!(erasure.bucket == bucket && erasure.objects_removed > 0 && erasure.keys_destroyed, "{erasure:?}");
    let again = cluster.kubectl(&["delete", "tenant", "acme", "--ignore-not-found"]).unwrap();
    assert_eq!(again, "", "a second erasure finds nothing");
    assert_eq!(of_acme(cluster), kept, "and leaves no second certificate");
}

/// A tenant of the same name inherits nothing: no bucket, no dataset, no release, no permit.
fn used_again(cluster: &Cluster) {
    let before = of_acme(cluster);
    // A permit from before the tenant belongs to the first tenant that comes; one that an
    // earlier tenant had went with it.
    assert!(cluster.get(&["-n", HOME, "datapermits"]).unwrap()["items"].as_array().unwrap().is_empty());
    cluster.apply(&tenant("acme", &cluster.issuer())).unwrap();
    cluster.wait_for(&["tenant", "acme"], "Ready", "True").unwrap();
    let status = cluster.get(&["tenant", "acme"]).unwrap()["status"].clone();
    assert_eq!((&status["datasets"], &status["releases"]), (&json!(0), &json!(0)), "{status}");
    let bucket = status["bucket"].as_str().unwrap().to_owned();
    assert!(before.iter().all(|name| !name.ends_with(bucket.trim_start_matches("oscar-"))), "{bucket} is new");
    let alice = cluster.token("alice").unwrap();
    let refused = cluster.oscar("acme", &alice, &["catalogue"]).unwrap();
    assert!(!refused.status.success(), "without a permit of its own nobody sees anything");
    // With a permit the person is let in, and there is still nothing to see.
    cluster.apply(&permit("acme", &cluster.issuer())).unwrap();
    let releases = cluster.until("the new permit", || {
        let listed = cluster.oscar("acme", &alice, &["release", "list", "--output", "json"])?;
        Ok(listed.status.success().then(|| serde_json::from_slice::<Value>(&listed.stdout)).transpose()?)
    });
    assert_eq!(releases.unwrap(), json!([]));
    cluster.kubectl(&["delete", "tenant", "acme", "--timeout=150s"]).unwrap();
    let gone = cluster.until("the permit's end with its tenant", || {
        let left = cluster.get(&["-n", HOME, "datapermits"])?;
        Ok(left["items"].as_array().is_some_and(Vec::is_empty).then_some(()))
    });
    gone.unwrap();
    assert!(certificate(cluster, &bucket).objects_removed > 0);
}

fn identities(cluster: &Cluster) -> Vec<String> {
    let listed = cluster.iam("ListUsers", &[]).unwrap();
    listed.split("<UserName>").skip(1).filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect()
}

/// What the operator's namespace holds under the tenant's name.
fn of_acme(cluster: &Cluster) -> Vec<String> {
    let kept = cluster.get(&["-n", HOME, "secrets,configmaps"]).unwrap();
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    kept["items"].as_array().unwrap().iter().map(name).filter(|name| name.contains("acme")).collect()
}

/// The certificate of a bucket's erasure, which verifies.
fn certificate(cluster: &Cluster, bucket: &str) -> oscar_permit::Erasure {
    let name = format!("erasure-{}", bucket.trim_start_matches("oscar-"));
    let certificate = cluster.get(&["-n", HOME, "configmap", &name]).unwrap();
    let data = |key: &str| certificate["data"][key].as_str().unwrap();
    let key = verifying_key_from_hex(data("public-key")).unwrap();
    ErasureCertificate::from_json(data("certificate.json").as_bytes()).unwrap().verify(&key).unwrap().clone()
}
