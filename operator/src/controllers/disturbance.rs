//! When a firewall was last found to be other than it should be.
//!
//! What was measured before says nothing of the time between the hand that opened it and the
//! repair, so it no longer counts. The memory is this process's own: what happens while no
//! operator runs is found by its first look, and the probes go on by the clock.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

/// The last disturbance, by namespace.
#[derive(Debug, Default)]
pub struct Disturbances(Mutex<HashMap<String, Timestamp>>);

impl Disturbances {
    /// Notes one that was repaired at `at`.
    pub fn note(&self, namespace: &str, at: Timestamp) {
        self.0.lock().insert(namespace.to_owned(), at);
    }

    /// The last one in a namespace.
    #[must_use]
    pub fn last(&self, namespace: &str) -> Option<Timestamp> {
        self.0.lock().get(namespace).copied()
    }

    /// Forgets a namespace that is gone.
    pub fn forget(&self, namespace: &str) {
        self.0.lock().remove(namespace);
    }
}
