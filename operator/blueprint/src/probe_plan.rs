//! What a probe tries, as `lake-api probe` reads it.
//!
//! Every path that the firewall closes is tried from inside, with the identity and the labels
//! of the pods that it is closed for; the own bucket, the one path that is open, must work,
//! so that a pod without any network does not look isolated.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use oscar_permit::{CanonicalError, Sha256Digest, canonical_json};
use serde::{Deserialize, Serialize};

use crate::installation::ProbeTargets;
use crate::names::Zone;
use crate::network_policy::network_policies;
use crate::service_config::STORAGE_DIR;
use crate::tenant_plan::{GatewayAccess, TenantPlan};

/// How long one attempt may take, in milliseconds. A path that is closed by dropping packets
/// is known to be closed only after this time.
const ATTEMPT_MILLISECONDS: u32 = 2_000;

/// One zone's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbePlan {
    /// Digest of the policies and the image that are measured, so that a measurement of
    /// another firewall has another plan.
    pub firewall: Sha256Digest,
    /// Longest time of one attempt.
    pub attempt_milliseconds: u32,
    /// The store that the S3 attempts go to.
    pub store: ProbeStore,
    /// What must fail, by a name for people.
    pub must_fail: BTreeMap<String, Attempt>,
    /// What must work.
    pub must_work: BTreeMap<String, Attempt>,
}

/// The object store's endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeStore {
    /// The endpoint.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// The folder that holds the pod's identity.
    pub credentials: String,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "try", deny_unknown_fields)]
pub enum Attempt {
    /// Opens a TCP connection.
    Tcp {
        /// To where.
        address: SocketAddr,
    },
    /// Sends a DNS question over UDP and waits for any answer.
    Dns {
        /// To where.
        address: SocketAddr,
    },
    /// Resolves a name the way programs do.
    Resolve {
        /// The name.
        host: String,
    },
    /// Reads and lists with the pod's own identity. Closed means: the store answered, and
    /// denied it.
    Bucket {
        /// The bucket.
        bucket: String,
        /// A prefix in it.
        prefix: String,
    },
}

impl ProbePlan {
    /// The plan's file, as it is mounted.
    ///
    /// # Errors
    /// When there is no canonical form.
    pub fn file(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical_json(self)
    }

    /// SHA-256 of the file. A probe reports the digest of the file that it has read, so an
    /// answer counts for the plan that was asked and no other.
    ///
    /// # Errors
    /// When there is no canonical form.
    pub fn digest(&self) -> Result<Sha256Digest, CanonicalError> {
        Ok(Sha256Digest::of(self.file()?))
    }
}

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
            must_fail.insert(format!("{name} {address}"), Attempt::Tcp { address: *address });
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
            must_fail.insert(format!("lake-api of tenant {}", neighbour.name), Attempt::Tcp { address });
        }
        if let Some(name) = &neighbour.bucket {
            must_fail.insert(format!("bucket of tenant {}", neighbour.name), bucket(name, "lake/"));
        }
    }
    if let Some(address) = plan.own_lake_api {
        // Not even a tenant's own pods talk to each other.
        must_fail.insert("own lake-api".to_owned(), Attempt::Tcp { address });
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

fn bucket(name: &str, prefix: &str) -> Attempt {
    Attempt::Bucket { bucket: name.to_owned(), prefix: prefix.to_owned() }
}
