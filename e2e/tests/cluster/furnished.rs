//! A tenant with a permit, an extract and people who ask and vote.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use oscar_e2e::{DATASET, Delivery, binary};
use serde_json::{Value, json};

/// Persons by region: one region has four, whom no table may show.
pub(crate) const BY_REGION: &str =
    "SELECT region, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY region";
/// Everybody: less the regions that were shown, it is the four.
pub(crate) const ALL: &str = "SELECT count(DISTINCT person_id) AS persons FROM contacts.contact";
/// Nothing that a table by region could be subtracted from.
pub(crate) const BY_SEX: &str = "SELECT sex, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY sex";

/// A tenant as its people see it.
pub(crate) struct Furnished<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) name: &'static str,
    pub(crate) bucket: String,
    pub(crate) delivery: Delivery,
    alice: String,
}

impl<'c> Furnished<'c> {
    /// From nothing to a delivered extract.
    pub(crate) fn new(cluster: &'c Cluster, name: &'static str) -> Self {
        let begun = Instant::now();
        cluster.apply(&tenant(name, &cluster.issuer())).unwrap();
        cluster.wait_for(&["tenant", name], "Ready", "True").unwrap();
        println!("{name}: from kubectl apply to Ready: {:.1} s", begun.elapsed().as_secs_f64());
        let status = cluster.get(&["tenant", name]).unwrap()["status"].clone();
        let bucket = status["bucket"].as_str().unwrap().to_owned();
        cluster.apply(&permit(name, &cluster.issuer())).unwrap();
        let (delivery, alice) = (Delivery::write(3_000).unwrap(), cluster.token("alice").unwrap());
        let furnished = Self { cluster, name, bucket, delivery, alice };
        furnished.deliver();
        let seconds = furnished.seconds_until_admitted(true);
        println!("{name}: permit in force and extract delivered: {seconds:.1} s");
        furnished
    }

    /// The name of the permit's and the extract's object.
    pub(crate) fn permit(&self) -> String {
        format!("fseid-{}", self.name)
    }

    /// Puts the delivery into the landing zone and has it taken in.
    fn deliver(&self) {
        for file in ["contact.csv", "datapackage.json"] {
            let path = self.delivery.folder().join(file);
            self.cluster.put(&self.bucket, &format!("landing/contacts/2026-11/{file}"), &path).unwrap();
        }
        let digest = self.delivery.descriptor_digest().unwrap();
        self.cluster.apply(&extract(&self.permit(), self.name, &self.permit(), DATASET, &digest)).unwrap();
        self.cluster.wait_for(&["-n", HOME, "extract", &self.permit()], "Delivered", "True").unwrap();
    }

    /// Seconds until alice may, or may no longer, see the catalogue.
    pub(crate) fn seconds_until_admitted(&self, admitted: bool) -> f64 {
        let begun = Instant::now();
        let asked = || Ok((self.oscar(&["catalogue", DATASET]).status.success() == admitted).then_some(()));
        self.cluster.until("the permit's effect", asked).unwrap();
        begun.elapsed().as_secs_f64()
    }

    /// Runs `oscar` as alice.
    pub(crate) fn oscar(&self, arguments: &[&str]) -> std::process::Output {
        self.cluster.oscar(self.name, &self.alice, arguments).unwrap()
    }

    /// Asks as alice; the answer in JSON.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        self.cluster.ask(self.name, &self.alice, arguments).unwrap()
    }

    /// Asks for a release, and does not wait for what becomes of it.
    pub(crate) fn submit(&self, sql: &str, title: &str, more: &[&str]) -> Value {
        let words =
            ["release", "submit", "--sql", sql, "--title", title, "--purpose", "planning of an outpatient clinic"];
        self.ask(&[&words[..], more].concat())
    }

    /// Two stewards look at a release and agree to it; its id, once it is out.
    pub(crate) fn approve(&self, release: &Value) -> String {
        assert_eq!(release["state"], "IN_REVIEW", "a first release is reviewed: {release}");
        let id = release["id"].as_str().unwrap();
        for steward in ["carol", "dave"] {
            let token = self.cluster.token(steward).unwrap();
            let vote = ["release", "vote", id, "approve", "--reason", "counts of persons, nobody stands out"];
            self.cluster.ask(self.name, &token, &vote).unwrap();
        }
        let released = self.ask(&["release", "show", id, "--wait"]);
        assert_eq!(released["state"], "RELEASED", "{released}");
        id.to_owned()
    }

    /// Fetches a table with its receipt to this machine; their folder holds `table.csv`,
    /// `receipt.json` and `keys.json`.
    pub(crate) fn fetch(&self, id: &str) -> PathBuf {
        let got = self.oscar(&["release", "get", id, "--to", "/tmp/table.csv", "--receipt", "/tmp/receipt.json"]);
        assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
        let folder = self.cluster.folder().join(id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("keys.json"), self.oscar(&["keys", "--output", "json"]).stdout).unwrap();
        for file in ["table.csv", "receipt.json"] {
            let there = format!("/tmp/{file}");
            let content = self.cluster.kubectl(&["-n", "gateway", "exec", "gateway", "--", "/busybox", "cat", &there]);
            std::fs::write(folder.join(file), content.unwrap()).unwrap();
            self.cluster.kubectl(&["-n", "gateway", "exec", "gateway", "--", "/busybox", "rm", &there]).unwrap();
        }
        folder
    }

    /// All releases that alice may see, each as id, title and state, oldest first.
    pub(crate) fn releases(&self) -> Vec<(String, String, String)> {
        let listed = self.ask(&["release", "list", "--limit", "1000"]);
        let word = |release: &Value, field: &str| release[field].as_str().unwrap().to_owned();
        let mut releases: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|release| (word(release, "id"), word(release, "title"), word(release, "state")))
            .collect();
        releases.reverse();
        releases
    }

    /// Takes everything down again.
    pub(crate) fn gone(self) {
        let (cluster, permit) = (self.cluster, self.permit());
        cluster.kubectl(&["-n", HOME, "delete", "extract", &permit, "--timeout=60s"]).unwrap();
        cluster.kubectl(&["-n", HOME, "delete", "datapermit", &permit, "--timeout=60s"]).unwrap();
        cluster.kubectl(&["delete", "tenant", self.name, "--timeout=150s"]).unwrap();
    }
}

/// Verifies a table against its receipt, without the cluster.
pub(crate) fn verifies(folder: &std::path::Path) -> bool {
    let mut command = Command::new(binary("oscar"));
    command.current_dir(folder).args(["verify", "receipt.json", "table.csv", "--key", "keys.json"]);
    command.output().unwrap().status.success()
}

/// A permit with an analyst, two stewards and an auditor.
pub(crate) fn permit(tenant: &str, issuer: &str) -> Value {
    let person = |subject: &str, role: &str| json!({"issuer": issuer, "subject": subject, "role": role});
    json!({"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "DataPermit",
        "metadata": {"name": format!("fseid-{tenant}"), "namespace": HOME},
        "spec": {"id": format!("FSEID-{}", tenant.to_uppercase()), "tenant": tenant,
            "authority": "Danish Health Data Authority", "legalBasis": "EHDS Art. 68", "purpose": ["DUO:0000007"],
            "persons": [person("alice", "analyst"), person("carol", "steward"), person("dave", "controller-steward"), person("erin", "auditor")],
            "datasets": [{"dataset": DATASET, "tables": [{"table": "contact"}]}],
            "profile": "sds", "validFrom": "2026-01-01T00:00:00Z", "validUntil": "2099-01-01T00:00:00Z"}})
}

/// An extract of what lies in the landing zone.
pub(crate) fn extract(name: &str, tenant: &str, permit: &str, dataset: &str, digest: &str) -> Value {
    json!({"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "Extract",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"tenant": tenant, "permit": permit, "dataset": dataset,
            "delivery": {"folder": "contacts/2026-11", "digest": digest}}})
}
