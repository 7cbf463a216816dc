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
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use oscar_e2e::cluster::Cluster;
use oscar_peers::{PeerError, skipped};

mod bad_input;
mod disruption;
mod firewall;
mod hijack;
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
    // A test that failed leaves no tenant that another one uses.
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    match CLUSTER.get_or_init(Cluster::start) {
        Ok(cluster) => Some(Turn { cluster, _alone: alone }),
        Err(PeerError::Absent(why)) => {
            skipped(why);
            None
        }
        Err(error) => panic!("{error}"),
    }
}
