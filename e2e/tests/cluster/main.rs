//! OSCAR HOST on a real Kubernetes with an enforced firewall, installed by its charts.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper of a test fails the test by panicking and says figures, as the test itself does"
)]

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, OnceLock};

use oscar_e2e::cluster::Cluster;
use oscar_peers::{PeerError, skipped};

mod bad_input;
mod break_glass;
mod disruption;
mod fail_closed;
mod fault_points;
mod firewall;
mod furnished;
mod hijack;
mod lapse;
mod whole_path;

/// The cluster of all tests here, for one test at a time: some take the firewall down.
pub(crate) struct Turn {
    cluster: &'static Cluster,
    _alone: MutexGuard<'static, ()>,
}

impl Deref for Turn {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster
    }
}

/// The cluster, or `None` after having said SKIPPED.
pub(crate) fn cluster() -> Option<Turn> {
    static CLUSTER: OnceLock<Result<Cluster, PeerError>> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let (alone, failed) = match ALONE.lock() {
        Ok(alone) => (alone, false),
        Err(poisoned) => {
            ALONE.clear_poison();
            (poisoned.into_inner(), true)
        }
    };
    match CLUSTER.get_or_init(Cluster::start) {
        Ok(cluster) => {
            if failed {
                mend(cluster);
            }
            Some(Turn { cluster, _alone: alone })
        }
        Err(PeerError::Absent(why)) => {
            skipped(why);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// What a test that failed has left broken is no other test's trouble.
fn mend(cluster: &Cluster) {
    if cluster.is_own() {
        cluster.start_stopped().unwrap();
        cluster.store_runs(true).unwrap();
    }
    firewall::set_locked(cluster, true);
    cluster.upgrade(&Cluster::chart(), &[]).unwrap();
    cluster.run_operators(1).unwrap();
    cluster.without_tenants().unwrap();
    cluster.trust().unwrap();
}

/// The cluster for a test that breaks its node or reads its logs, or `None` after having said SKIPPED.
pub(crate) fn own_cluster() -> Option<Turn> {
    let turn = cluster()?;
    if turn.is_own() {
        return Some(turn);
    }
    skipped("a given cluster's node is not broken for a test");
    None
}
