//! Ready, or what is missing.
//!
//! The report names parts and files, no persons. A broken permit file takes only its own
//! permit out of force, so it is a warning; a service without any permit is not ready.

use std::sync::Arc;

use oscar_access::{PermitBook, TokenVerifier};
use parking_lot::Mutex;
use serde::Serialize;

/// What the service needs to serve.
#[derive(Debug)]
pub(crate) struct Readiness {
    permits: Arc<PermitBook>,
    verifier: TokenVerifier,
    store: Mutex<Option<Result<(), String>>>,
}

/// The answer of `/ready`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ready: bool,
    pub(crate) missing: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl Readiness {
    pub(crate) const fn new(permits: Arc<PermitBook>, verifier: TokenVerifier) -> Self {
        Self { permits, verifier, store: Mutex::new(None) }
    }

    /// Notes the answer of the store check: put-if-absent under many writers.
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
        for issuer in self.verifier.issuers_without_keys() {
            missing.push(format!("the keys of token issuer {issuer}"));
        }
        let permits = self.permits.permits();
        if permits.iter().next().is_none() {
            missing.push("permits: no permit in the permits directory counts".to_owned());
        }
        let warnings = permits.problems().iter().map(ToString::to_string).collect();
        Report { ready: missing.is_empty(), missing, warnings }
    }
}
