//! What is broken on purpose mends itself, without hands, and loses nothing that was held.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::{Value, json};

use crate::firewall::set_locked;
use crate::furnished::{ALL, BY_REGION, BY_SEX, Furnished, verifies};
use crate::{cluster, own_cluster};

const OPERATORS: &str = "app.kubernetes.io/name=oscar-operator";
const LAKE_API: &str = "host.oscar-project.com/role=lake-api";

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

/// Kills the pods of a namespace that carry a label.
fn kill(cluster: &Cluster, namespace: &str, label: &str) {
    cluster.kubectl(&["-n", namespace, "delete", "pod", "-l", label, "--grace-period=0", "--force"]).unwrap();
}

#[test]
fn a_killed_operator_a_deleted_policy_and_a_killed_lake_api_are_mended_without_hands() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let object = ["tenant", "sturdy"];
    // Four times in the middle of building the tenant up.
    cluster.apply(&tenant("sturdy", &cluster.issuer())).unwrap();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(1500));
        kill(cluster, HOME, OPERATORS);
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

    kill(cluster, "oscar-sturdy", LAKE_API);
    set_locked(cluster, true);
    let serving = ["-n", "oscar-sturdy", "rollout", "status", "deployment/lake-api", "--timeout=5s"];
    seconds_until(cluster, "a killed lake-api serves again", || Ok(cluster.try_kubectl(&serving)?.status.success()));
    cluster.wait_for(&object, "Ready", "True").unwrap();
    cluster.kubectl(&["delete", "tenant", "sturdy", "--timeout=150s"]).unwrap();
}

/// Everything that must still be so after a disruption.
struct Held<'c> {
    tenant: Furnished<'c>,
    /// Id, title and state of every release so far, oldest first.
    releases: Vec<(String, String, String)>,
}

impl Held<'_> {
    /// Seconds until the tenant serves again, with every release as it was.
    fn recovers(&self, from: &str) {
        let what = format!("after {from}: every release is there");
        seconds_until(self.tenant.cluster, &what, || {
            let listed = self.tenant.oscar(&["release", "list", "--limit", "1000", "--output", "json"]);
            Ok(listed.status.success())
        });
        assert_eq!(self.tenant.releases(), self.releases, "after {from}");
        let begun = Instant::now();
        self.tenant.cluster.wait_for(&["tenant", self.tenant.name], "Ready", "True").unwrap();
        println!("after {from}: Ready {:.1} s later", begun.elapsed().as_secs_f64());
    }
}

#[test]
fn no_release_is_lost_or_doubled_by_anything_that_breaks() {
    let Some(turn) = own_cluster() else { return };
    let cluster: &Cluster = &turn;
    let tenant = Furnished::new(cluster, "lasting");
    let id = tenant.approve(&tenant.submit(BY_REGION, "Persons by region", &["--wait"]));
    let folder = tenant.fetch(&id);
    let mut held = Held { releases: tenant.releases(), tenant };
    lake_api_killed_in_the_middle_of_a_release(&mut held);
    two_operators(&held);
    api_server_restarted(&held);
    store_down_for_a_minute(&held);
    disk_full(&held);
    node_rebooted(&held);
    certificate_authority_replaced(&held);
    access_keys_rotated(&held);
    chart_upgraded(&held);

    // The ledger has forgotten nothing, the table is what it was, and the journal is whole.
    let all = held.tenant.submit(ALL, "Everybody", &["--wait"]);
    assert_eq!(all["state"], "REFUSED", "the ledger knows the first table: {all}");
    let table = std::fs::read(folder.join("table.csv")).unwrap();
    let again = held.tenant.fetch(&id);
    assert!(verifies(&again) && std::fs::read(again.join("table.csv")).unwrap() == table);
    journal_is_whole(&held.tenant, &again.join("keys.json"));
    held.tenant.gone();
}

fn lake_api_killed_in_the_middle_of_a_release(held: &mut Held<'_>) {
    let tenant = &held.tenant;
    set_locked(tenant.cluster, false);
    for round in 0..3 {
        // Accepted, and the answer is out; what follows is cut off at another point each time.
        let title = format!("Persons by region, {round}");
        let submitted = tenant.submit(BY_REGION, &title, &[]);
        std::thread::sleep(Duration::from_millis(150 * round));
        kill(tenant.cluster, "oscar-lasting", LAKE_API);
        let id = submitted["id"].as_str().unwrap();
        let begun = Instant::now();
        let found = tenant.cluster.until("a release that was cut off goes on", || {
            let shown = tenant.oscar(&["release", "show", id, "--output", "json"]);
            let shown: Option<Value> = serde_json::from_slice(&shown.stdout).ok();
            Ok(shown.filter(|release| {
                ["IN_REVIEW", "RELEASED", "REFUSED", "FAILED"].contains(&release["state"].as_str().unwrap_or_default())
            }))
        });
        let found = found.unwrap();
        let state = found["state"].clone();
        println!("a release that was cut off is {state} after {:.1} s", begun.elapsed().as_secs_f64());
        assert!(state == "IN_REVIEW" || state == "RELEASED", "it is not lost: {found}");
        let titled = tenant.releases().into_iter().filter(|(_, known, _)| *known == title).count();
        assert_eq!(titled, 1, "and not doubled");
    }
    set_locked(tenant.cluster, true);
    held.releases = held.tenant.releases();
    held.recovers("three kills of the lake-api in the middle of a release");
}

fn leader(cluster: &Cluster) -> String {
    let lease = cluster.get(&["-n", HOME, "lease", "oscar-operator"]).unwrap();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

fn two_operators(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    cluster.run_operators(2).unwrap();
    cluster.kubectl(&["-n", HOME, "rollout", "status", "deployment/oscar-operator", "--timeout=60s"]).unwrap();
    let first = leader(cluster);
    set_locked(cluster, false);
    let policy = ["-n", "oscar-lasting", "networkpolicy", "deny-all"];
    let before = uid(cluster, &policy);
    // The one that leads dies, and there is something to mend.
    cluster.kubectl(&["-n", HOME, "delete", "pod", &first, "--grace-period=0", "--force"]).unwrap();
    cluster.kubectl(&["-n", "oscar-lasting", "delete", "networkpolicy", "deny-all"]).unwrap();
    seconds_until(cluster, "with two operators, one killed: a deleted policy is there again", || {
        Ok(![before.as_str(), ""].contains(&uid(cluster, &policy).as_str()))
    });
    set_locked(cluster, true);
    assert_ne!(leader(cluster), first, "the other one leads");
    one_writes_at_a_time(cluster);
    cluster.run_operators(1).unwrap();
    held.recovers("the death of the operator that led");
}

/// By the API server's own log: the writes of different operators' pods in tenants' namespaces
/// never alternate.
fn one_writes_at_a_time(cluster: &Cluster) {
    let mut turns: Vec<String> = Vec::new();
    for event in cluster.audit_log().unwrap() {
        let by_operator = event["user"]["username"] == "system:serviceaccount:oscar-host:oscar-operator";
        let writes = ["create", "update", "patch", "delete"].contains(&event["verb"].as_str().unwrap_or_default());
        let place = event["objectRef"]["namespace"].as_str().unwrap_or_default();
        if !(by_operator && writes && place == "oscar-lasting") {
            continue;
        }
        let pod = event["user"]["extra"]["authentication.kubernetes.io/pod-name"][0].as_str().unwrap_or_default();
        if turns.last().map(String::as_str) != Some(pod) {
            turns.push(pod.to_owned());
        }
    }
    let different: std::collections::BTreeSet<&String> = turns.iter().collect();
    assert!(turns.len() > 1 && turns.len() == different.len(), "each operator has one turn: {turns:?}");
}

fn api_server_restarted(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    cluster.stop(&["apiserver"]).unwrap();
    // Long enough for the operator to lose its Lease.
    std::thread::sleep(Duration::from_secs(20));
    cluster.start_stopped().unwrap();
    held.recovers("20 s without the API server");
}

fn store_down_for_a_minute(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    cluster.store_runs(false).unwrap();
    let begun = Instant::now();
    let refused = held.tenant.oscar(&["release", "submit", "--sql", BY_SEX, "--title", "Lost", "--purpose", "none"]);
    assert!(!refused.status.success(), "nothing is accepted that could not be kept");
    let said = cluster.until("what is missing", || {
        let said = cluster.wait_for(&["tenant", held.tenant.name], "Ready", "False")?;
        Ok(Some(said))
    });
    println!("without the store: {}", said.unwrap());
    std::thread::sleep(Duration::from_mins(1).saturating_sub(begun.elapsed()));
    cluster.store_runs(true).unwrap();
    held.recovers("a minute without the object store");
}

/// Fills the scratch space of the lake-api as a query that spills without end would.
fn disk_full(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    let pods = cluster.get(&["-n", "oscar-lasting", "pods", "-l", LAKE_API]).unwrap();
    let pod = &pods["items"][0]["metadata"];
    let (name, uid) = (pod["name"].as_str().unwrap(), pod["uid"].as_str().unwrap());
    let volumes = cluster.state().join("kubelet/pods").join(uid).join("volumes/kubernetes.io~empty-dir");
    let scratch = std::fs::read_dir(&volumes).unwrap().next().unwrap().unwrap().path();
    let filled = Command::new("fallocate").args(["-l", "1200M"]).arg(scratch.join("spill")).status().unwrap();
    assert!(filled.success());
    seconds_until(cluster, "a lake-api whose disk is full is replaced", || {
        let pods = cluster.get(&["-n", "oscar-lasting", "pods", "-l", LAKE_API])?;
        let others = pods["items"].as_array().into_iter().flatten().filter(|pod| pod["metadata"]["name"] != name);
        Ok(others.into_iter().any(|pod| pod["status"]["containerStatuses"][0]["ready"] == true))
    });
    held.recovers("a full disk");
}

fn node_rebooted(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    cluster.stop(&["node"]).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    let begun = Instant::now();
    cluster.start_stopped().unwrap();
    println!("the node is up {:.1} s after its start", begun.elapsed().as_secs_f64());
    seconds_until(cluster, "after the reboot: the gateway answers", || {
        let asked = ["-n", "gateway", "exec", "gateway", "--", "/busybox", "true"];
        Ok(cluster.try_kubectl(&asked)?.status.success())
    });
    held.recovers("a reboot of the node");
}

fn certificate_authority_replaced(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    let count = |text: &str| text.matches("BEGIN CERTIFICATE").count();
    let serial = || -> String {
        let secret = cluster.get(&["-n", "oscar-lasting", "secret", "tls"]).unwrap();
        secret["data"]["tls.crt"].as_str().unwrap().to_owned()
    };
    let (before, trusted) = (serial(), cluster.trusted().unwrap().unwrap());
    cluster
        .kubectl(&["-n", HOME, "annotate", "secret", "oscar-ca", "host.oscar-project.com/deletion=allowed"])
        .unwrap();
    cluster.kubectl(&["-n", HOME, "delete", "secret", "oscar-ca"]).unwrap();
    seconds_until(cluster, "a new authority has issued the tenant's certificate", || Ok(serial() != before));
    let both = cluster.trusted().unwrap().unwrap();
    assert_eq!(count(&both), count(&trusted) + 1, "clients trust the new one and, until its end, the old one");
    assert!(both.contains(trusted.trim()));
    cluster.trust().unwrap();
    held.recovers("the replacement of the certificate authority");
}

/// The tenant's access keys are replaced once their time has come.
fn access_keys_rotated(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    let secrets = cluster.get(&["-n", HOME, "secrets", "-l", "host.oscar-project.com/tenant=lasting"]).unwrap();
    let secret = &secrets["items"][0];
    let name = secret["metadata"]["name"].as_str().unwrap();
    let id = |secret: &Value| secret["data"]["workspace.access-key-id"].as_str().unwrap().to_owned();
    let before = id(secret);
    let due = json!({"stringData": {"renew-at": "1"}}).to_string();
    cluster.kubectl(&["-n", HOME, "patch", "secret", name, "--type", "merge", "-p", &due]).unwrap();
    seconds_until(
        cluster,
        "the access keys are new",
        || Ok(id(&cluster.get(&["-n", HOME, "secret", name])?) != before),
    );
    held.recovers("the rotation of the access keys");
    // The lake-api works with the new ones: a statement that it has not computed before.
    let sql = "SELECT sex, region, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY sex, region";
    let checked = held.tenant.oscar(&["query", "check", "--sql", sql]);
    assert!(checked.status.success() || checked.status.code() == Some(3), "{checked:?}");
}

/// From another version of the chart, with another image, to the present one.
fn chart_upgraded(held: &Held<'_>) {
    let cluster = held.tenant.cluster;
    let before = chart_of_version(cluster, "0.0.9");
    let image = cluster.another_lake_api_image().unwrap();
    cluster.upgrade(&before, &[&format!("lakeApi.image={}", json!(image))]).unwrap();
    let runs = |image: &str| {
        let pods = cluster.get(&["-n", "oscar-lasting", "pods", "-l", LAKE_API])?;
        let ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        let items = pods["items"].as_array().cloned().unwrap_or_default();
        Ok(items.iter().any(|pod| pod["spec"]["containers"][0]["image"] == *image && ready(pod)))
    };
    seconds_until(cluster, "another version of the chart runs its image", || runs(&image));
    held.recovers("a change to another version of the chart");
    cluster.upgrade(&Cluster::chart(), &[]).unwrap();
    seconds_until(cluster, "the upgraded chart runs its image", || runs(cluster.lake_api_image()));
    held.recovers("the upgrade of the chart");
}

fn chart_of_version(cluster: &Cluster, version: &str) -> PathBuf {
    let folder = cluster.folder().join("chart-before");
    let copied = Command::new("cp").arg("-r").arg(Cluster::chart()).arg(&folder).status().unwrap();
    assert!(copied.success());
    let file = folder.join("Chart.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with("version:") { format!("version: {version}") } else { line.to_owned() })
        .collect();
    std::fs::write(&file, changed.join("\n") + "\n").unwrap();
    folder
}

/// Verifies the journal as an auditor with a copy of it would.
fn journal_is_whole(tenant: &Furnished<'_>, keys: &Path) {
    let folder = tenant.cluster.folder().join("journal-copy");
    let objects = tenant.cluster.download(&tenant.bucket, "journal/", &folder).unwrap();
    let mut verify = Command::new(oscar_e2e::binary("oscar"));
    let verified = verify.args(["audit", "verify"]).arg(&folder).arg("--key").arg(keys).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned() + &String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{said}");
    println!("a journal of {objects} objects verifies offline:\n{said}");
}
