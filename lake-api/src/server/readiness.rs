//! Ready, or what is missing.
//!
//! The report names parts and files, no persons. A broken permit file takes only its own
//! permit out of force, and a service without any permit serves nobody until one comes:
//! both are warnings. The digests say by which permits the service judges at this moment,
//! so whoever has written one sees that it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use oscar_access::{PermitBook, TokenVerifier};
use oscar_journal::{Journal, ReleaseRecord, ReleaseState};
use oscar_permit::{PermitId, Sha256Digest};
use parking_lot::Mutex;
use serde::Serialize;

/// What the service needs to serve.
#[derive(Debug)]
pub(crate) struct Readiness {
    permits: Arc<PermitBook>,
    verifier: TokenVerifier,
    journal: Journal,
    store: Mutex<Option<Result<(), String>>>,
}

/// The answer of `/ready`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ready: bool,
    pub(crate) missing: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// Digests of the permits that count, by reference number.
    pub(crate) permits: BTreeMap<PermitId, Sha256Digest>,
    /// Datasets in the lake.
    pub(crate) datasets: usize,
    /// Releases that were published.
    pub(crate) releases: usize,
}

impl Readiness {
    pub(crate) const fn new(permits: Arc<PermitBook>, verifier: TokenVerifier, journal: Journal) -> Self {
        Self { permits, verifier, journal, store: Mutex::new(None) }
    }

    /// Looks, once the store has passed its check, whether it still answers and the journal is still sound, by asking for what
    /// was recorded last. Without either nothing is accepted and nothing can be released.
    pub(crate) async fn look_again(&self) {
        let answer = self.journal.refresh().await;
        self.store_checked(answer.map(drop).map_err(|error| error.to_string()));
    }

    /// Notes what the store was last found to be: first by the check of put-if-absent under many
    /// writers, then by looking again.
    pub(crate) fn store_checked(&self, answer: Result<(), String>) {
        *self.store.lock() = Some(answer);
    }

    pub(crate) fn report(&self) -> Report {
        let mut missing = Vec::new();
        match &*self.store.lock() {
            Some(Ok(())) => {}
            Some(Err(why)) => missing.push(format!("the object store: {why}")),
            None => missing.push("the object store: the check of put-if-absent has not ended yet".to_owned()),
        }
        let permits = self.permits.permits();
        let mut warnings: Vec<String> = permits.problems().iter().map(ToString::to_string).collect();
        let outdated = self.verifier.issuers_with_outdated_keys();
        for issuer in self.verifier.issuers_without_keys() {
            let what = format!("the keys of token issuer {issuer}");
            // Its tokens are refused; the other issuers' persons need not go without the service.
            if outdated.contains(&issuer) { warnings.push(what + " are too old") } else { missing.push(what) }
        }
        if permits.iter().next().is_none() {
            warnings.push("permits: no permit in the permits directory counts, so nobody may do anything".to_owned());
        }
        let state = self.journal.state();
        let released = |record: &&Arc<ReleaseRecord>| record.state() == ReleaseState::Released;
        Report {
            ready: missing.is_empty(),
            missing,
            warnings,
            permits: permits.iter().map(|held| (held.permit.id.clone(), held.digest)).collect(),
            datasets: state.datasets().len(),
            releases: state.releases().values().filter(released).count(),
        }
    }
}
