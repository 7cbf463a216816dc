//! What a probe tries.
//!
//! Every path that the firewall closes is tried from inside, with the identity and the labels
//! of the pods that it is closed for; the own bucket, the one path that is open, must work,
//! so that a pod without any network does not look isolated.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use oscar_permit::{Attempt, CanonicalError, ProbePlan, ProbeStore, Sha256Digest, canonical_json};

use crate::installation::ProbeTargets;
use crate::names::Zone;
use crate::network_policy::network_policies;
use crate::service_config::STORAGE_DIR;
use crate::tenant_plan::{GatewayAccess, TenantPlan};

/// How long one attempt may take, in milliseconds. A path that is closed by dropping packets
/// is known to be closed only after this time.
const ATTEMPT_MILLISECONDS: u32 = 2_000;

/// The policies of a zone and the image that measures them. The gateway's own path is left
/// out, because the measurement opens it.
fn firewall(plan: &TenantPlan, zone: Zone) -> Result<Sha256Digest, CanonicalError> {
    let closed = TenantPlan { gateway: GatewayAccess::Withdrawn, ..plan.clone() };
    Ok(Sha256Digest::of(canonical_json(&(network_policies(&closed, zone), &plan.installation.lake_api.image))?))
}

/// The plan of a zone.
///
/// # Errors
/// When the policies have no canonical form.
pub fn probe_plan(plan: &TenantPlan, zone: Zone) -> Result<ProbePlan, CanonicalError> {
    let store = &plan.installation.object_store;
    let mut must_fail = BTreeMap::new();
    let ProbeTargets { outside_tcp, outside_udp, resolvers, metadata, api_server, kubelets, interval_minutes: _ } =
        &plan.installation.probe;
    let mut tcp = |name: &str, addresses: &[SocketAddr]| {
        for address in addresses {
            let attempt = Attempt::Tcp { address: *address, refusal_shows_path: true };
            must_fail.insert(format!("{name} {address}"), attempt);
        }
    };
    tcp("outside host", outside_tcp);
    tcp("metadata service", metadata);
    tcp("API server", api_server);
    tcp("kubelet", kubelets);
    for (name, addresses) in [("outside host by UDP", outside_udp), ("resolver", resolvers)] {
        for address in addresses {
            must_fail.insert(format!("{name} {address}"), Attempt::Dns { address: *address });
        }
    }
    must_fail.insert(
        "name of the API server".to_owned(),
        Attempt::Resolve { host: "kubernetes.default.svc.cluster.local".to_owned() },
    );
    for neighbour in &plan.neighbours {
        if let Some(address) = neighbour.lake_api {
            must_fail.insert(format!("lake-api of tenant {}", neighbour.name), service(address));
        }
        if let Some(name) = &neighbour.bucket {
            must_fail.insert(format!("bucket of tenant {}", neighbour.name), bucket(name, "lake/"));
        }
    }
    if let Some(address) = plan.own_lake_api {
        // Not even a tenant's own pods talk to each other.
        must_fail.insert("own lake-api".to_owned(), service(address));
    }
    let own_forbidden: &[&str] = match zone {
        Zone::Workspace => &["landing/"],
        Zone::Intake => &["ledger/", "release/", "work/"],
    };
    for prefix in own_forbidden {
        must_fail.insert(format!("{prefix} of the own bucket"), bucket(&plan.bucket, prefix));
    }
    let must_work = BTreeMap::from([("lake/ of the own bucket".to_owned(), bucket(&plan.bucket, "lake/"))]);
    Ok(ProbePlan {
        firewall: firewall(plan, zone)?,
        attempt_milliseconds: ATTEMPT_MILLISECONDS,
        store: ProbeStore {
            endpoint: store.endpoint.clone(),
            region: store.region.clone(),
            credentials: format!("{STORAGE_DIR}/..data"),
        },
        must_fail,
        must_work,
    })
}

/// A service without pods is refused by the node itself, which shows nothing.
const fn service(address: SocketAddr) -> Attempt {
    Attempt::Tcp { address, refusal_shows_path: false }
}

fn bucket(name: &str, prefix: &str) -> Attempt {
    Attempt::Bucket { bucket: name.to_owned(), prefix: prefix.to_owned() }
}
