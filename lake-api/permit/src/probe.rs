//! What the operator asks a probe, and what the probe answers. The two are different
//! programs, so the words are here.
//!
//! A probe is told what must fail and what must work. It tries all of it, from inside a
//! tenant's zone, and reports which paths are not as they should be.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{CanonicalError, Sha256Digest, canonical_json};

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
    /// What must work. A plan without any measures nothing: a pod without a network would pass.
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
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "try", deny_unknown_fields)]
pub enum Attempt {
    /// Opens a TCP connection.
    Tcp {
        /// To where.
        address: SocketAddr,
        /// Whether a refused connection shows an open path: it does where a host answers
        /// for itself, and does not where the node refuses for a service without pods.
        refusal_shows_path: bool,
    },
    /// Sends a DNS question over UDP and waits for any answer; only an answer shows a path.
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
    /// denied both.
    Bucket {
        /// The bucket.
        bucket: String,
        /// A prefix in it.
        prefix: String,
    },
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeReport {
    /// SHA-256 of the plan's file as it was read.
    pub plan: Sha256Digest,
    /// The firewall that the plan names.
    pub firewall: Sha256Digest,
    /// Paths that are open although they must not be.
    pub open: Vec<String>,
    /// Paths that are closed although they must not be: then nothing was measured.
    pub closed: Vec<String>,
    /// Attempts of which it cannot be said whether they failed for the right reason.
    pub unclear: Vec<String>,
}

impl ProbePlan {
    /// The plan's file.
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

impl ProbeReport {
    /// Whether everything was as it must be.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty() && self.unclear.is_empty()
    }
}
