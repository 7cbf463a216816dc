//! `lake-api probe`: the firewall measured from inside.
//!
//! The probe runs where a tenant's programs run, with their labels and their identity, and
//! tries everything that must not work. It changes nothing anywhere and reads no data: of a
//! bucket it asks only whether it may.
//!
//! **What counts as open is decided against the firewall.** Any answer to a packet is a way
//! out. Only silence, an unreachable network and the store's own "denied" count as closed;
//! what cannot be told is reported as unclear, and an unclear measurement is no measurement.

mod attempt;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use oscar_permit::{Attempt, ProbePlan, ProbeReport, Sha256Digest};

use self::attempt::{Outcome, attempt};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The plan cannot be read.
    #[error("the plan {path} cannot be read")]
    Read {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The plan is none.
    #[error("the plan is not usable: {0}")]
    Syntax(#[source] serde_json::Error),
    /// A plan that would let a pod without a network pass, or that tries nothing.
    #[error("the plan must name something that must fail and something that must work")]
    Empty,
    /// The report cannot be written.
    #[error("the report {path} cannot be written")]
    Write {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Runs a plan and writes the report where it is wanted.
///
/// # Errors
/// See [`ProbeError`]; a firewall that does not hold is no error but a report.
pub async fn run(plan: &Path, report: Option<&Path>) -> Result<ProbeReport, ProbeError> {
    let bytes = std::fs::read(plan).map_err(|source| ProbeError::Read { path: plan.to_owned(), source })?;
    let measured = measure(&bytes).await?;
    if let Some(path) = report {
        let text = serde_json::to_vec(&measured).map_err(ProbeError::Syntax)?;
        std::fs::write(path, text).map_err(|source| ProbeError::Write { path: path.to_owned(), source })?;
    }
    Ok(measured)
}

/// Tries everything at once; the whole takes little longer than the slowest attempt.
async fn measure(bytes: &[u8]) -> Result<ProbeReport, ProbeError> {
    let plan: ProbePlan = serde_json::from_slice(bytes).map_err(ProbeError::Syntax)?;
    if plan.must_fail.is_empty() || plan.must_work.is_empty() {
        return Err(ProbeError::Empty);
    }
    let longest = Duration::from_millis(u64::from(plan.attempt_milliseconds));
    let tried = |name: &String, what: &Attempt, must_work: bool| {
        let (name, what, store) = (name.clone(), what.clone(), plan.store.clone());
        async move { (name, must_work, attempt(&what, &store, longest).await) }
    };
    let fail = plan.must_fail.iter().map(|(name, what)| tried(name, what, false));
    let work = plan.must_work.iter().map(|(name, what)| tried(name, what, true));
    let outcomes = join_all(fail.chain(work)).await;
    let mut report = ProbeReport {
        plan: Sha256Digest::of(bytes),
        firewall: plan.firewall,
        open: Vec::new(),
        closed: Vec::new(),
        unclear: Vec::new(),
    };
    for (name, must_work, outcome) in outcomes {
        match (must_work, outcome) {
            (false, Outcome::Closed) | (true, Outcome::Open) => {}
            (false, Outcome::Open) => report.open.push(name),
            (true, Outcome::Closed) => report.closed.push(name),
            (_, Outcome::Unclear(why)) => report.unclear.push(format!("{name} ({why})")),
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    use oscar_permit::ProbeStore;
    use tokio::net::{TcpListener, UdpSocket};

    fn plan(must_fail: &[(&str, Attempt)], must_work: &[(&str, Attempt)]) -> Vec<u8> {
        let named = |attempts: &[(&str, Attempt)]| -> BTreeMap<String, Attempt> {
            attempts.iter().map(|(name, attempt)| ((*name).to_owned(), attempt.clone())).collect()
        };
        let plan = ProbePlan {
            firewall: Sha256Digest::of("firewall"),
            attempt_milliseconds: 500,
            store: ProbeStore {
                endpoint: "http://127.0.0.1:9".to_owned(),
                region: "us-east-1".to_owned(),
                credentials: "/nowhere".to_owned(),
            },
            must_fail: named(must_fail),
            must_work: named(must_work),
        };
        plan.file().unwrap()
    }

    const fn tcp(address: SocketAddr, refusal_shows_path: bool) -> Attempt {
        Attempt::Tcp { address, refusal_shows_path }
    }

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_connection_that_opens_is_an_open_path() {
        let (_listener, address) = listening().await;
        let bytes = plan(&[("door", tcp(address, true))], &[("own", tcp(address, true))]);
        let report = measure(&bytes).await.unwrap();
        assert_eq!(report.open, ["door"]);
        assert!(report.closed.is_empty() && !report.held());
        assert_eq!(report.plan, Sha256Digest::of(&bytes));
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_where_a_host_speaks_for_itself() {
        let (listener, address) = listening().await;
        let (_own, own) = listening().await;
        drop(listener);
        let must_fail = [("host", tcp(address, true)), ("service", tcp(address, false))];
        let report = measure(&plan(&must_fail, &[("own", tcp(own, true))])).await.unwrap();
        assert_eq!(report.open, ["host"]);
    }

    #[tokio::test]
    async fn a_dns_server_that_answers_is_an_open_path_and_a_silent_one_is_not() {
        let (answers, silent) =
            (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (_own, own) = listening().await;
        let must_fail = [
            ("answers", Attempt::Dns { address: answers.local_addr().unwrap() }),
            ("silent", Attempt::Dns { address: silent.local_addr().unwrap() }),
        ];
        let bytes = plan(&must_fail, &[("own", tcp(own, true))]);
        let server = async {
            let mut question = [0; 512];
            let (length, from) = answers.recv_from(&mut question).await.unwrap();
            answers.send_to(&question[..length], from).await.unwrap();
        };
        let (report, ()) = tokio::join!(measure(&bytes), server);
        assert_eq!(report.unwrap().open, ["answers"]);
    }

    #[tokio::test]
    async fn a_name_that_resolves_is_an_open_path() {
        let (_own, own) = listening().await;
        let must_fail = [
            ("this machine", Attempt::Resolve { host: "localhost".to_owned() }),
            ("nowhere", Attempt::Resolve { host: "nowhere.invalid".to_owned() }),
        ];
        let report = measure(&plan(&must_fail, &[("own", tcp(own, true))])).await.unwrap();
        assert_eq!(report.open, ["this machine"]);
    }

    #[tokio::test]
    async fn what_must_work_and_does_not_is_no_measurement() {
        let (listener, address) = listening().await;
        drop(listener);
        let report =
            measure(&plan(&[("service", tcp(address, false))], &[("own", tcp(address, false))])).await.unwrap();
        assert_eq!(report.closed, ["own"]);
        assert!(!report.held());
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_leaves_it_unclear() {
        let (_own, own) = listening().await;
        let bucket = Attempt::Bucket { bucket: "other".to_owned(), prefix: "lake/".to_owned() };
        let report = measure(&plan(&[("other's bucket", bucket)], &[("own", tcp(own, true))])).await.unwrap();
        assert!(report.open.is_empty() && report.unclear.len() == 1, "{report:?}");
    }

    #[tokio::test]
    async fn a_plan_that_tries_nothing_measures_nothing() {
        let (_own, own) = listening().await;
        assert!(matches!(measure(&plan(&[], &[("own", tcp(own, true))])).await, Err(ProbeError::Empty)));
        assert!(matches!(measure(&plan(&[("door", tcp(own, true))], &[])).await, Err(ProbeError::Empty)));
        assert!(matches!(measure(b"{}").await, Err(ProbeError::Syntax(_))));
    }
}
