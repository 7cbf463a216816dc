//! What the two programs really export: the names and labels in the text of their `/metrics`.
//!
//! A family without a sample is not in that text at all, so everything that is counted has to
//! happen once before it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::sync::OnceLock;

use oscar_e2e::{Delivery, Installation};
use oscar_operator::metrics::Metrics;
use oscar_peers::{OidcProvider, required_in_ci};

use crate::promql::mentioned;

/// The label that the chart's `PodMonitor` gives to what it reads of lake-apis.
pub(crate) const TENANT: &str = "tenant";

/// Labels of every series, by its name.
pub(crate) type Exported = BTreeMap<String, BTreeSet<String>>;

fn series(text: &str) -> Exported {
    let mut found = Exported::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let sample = mentioned(line);
        for name in sample.metrics {
            found.entry(name).or_default().extend(sample.labels.iter().cloned());
        }
    }
    found
}

/// What both programs export, as the monitoring sees it; nothing after having said SKIPPED.
pub(crate) fn exported() -> Option<&'static Exported> {
    static FOUND: OnceLock<Option<Exported>> = OnceLock::new();
    let read = || {
        let mut exported = of_a_lake_api(&required_in_ci(OidcProvider::start())?);
        for labels in exported.values_mut() {
            labels.insert(TENANT.to_owned());
        }
        exported.extend(of_the_operator());
        Some(exported)
    };
    FOUND.get_or_init(read).as_ref()
}

/// What the operator exports once everything has happened that it counts.
fn of_the_operator() -> Exported {
    let metrics = Metrics::default();
    drop(metrics.reconcile("tenant"));
    metrics.failed("tenant", "reason");
    metrics.wrote("tenant", 1);
    metrics.repaired();
    metrics.leads(true);
    metrics.tenant("acme", true, true);
    metrics.quarantined("acme");
    metrics.doors("acme", 1);
    series(&metrics.text().unwrap())
}

/// What a lake-api exports that has vetted a release and refused somebody without a token.
fn of_a_lake_api(provider: &OidcProvider) -> Exported {
    let installation = Installation::on_disk(provider).unwrap();
    let taken = installation.intake(&Delivery::write(500).unwrap()).unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let served = installation.serve().unwrap();
    served.log_in(provider, "alice").unwrap();
    let sql = "SELECT region, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY region";
    let submit = ["release", "submit", "--sql", sql, "--title", "Persons by region", "--purpose", "planning", "--wait"];
    served.ask("alice", &submit).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(served.get("/v1/catalogue").is_err(), "somebody without a token got in");

    let mut stream = std::net::TcpStream::connect(&served.admin).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    series(answer.split_once("\r\n\r\n").unwrap().1)
}
