//! The Lease that makes the operator a single writer.
//!
//! Whoever holds the Lease renews it well before it ends; whoever does not watches it and
//! takes it over once it has ended by *this* machine's clock since the last change that was
//! seen, so clocks that differ do not matter. A holder that cannot renew stops working
//! before anybody else may begin.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use tokio_util::sync::CancellationToken;

/// The Lease's name.
const NAME: &str = "oscar-operator";

/// How a Lease is held.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// A holder that was not seen for so long has lost it.
    pub duration: Duration,
    /// A holder renews so often.
    pub renew: Duration,
    /// A holder that could not renew for so long stops: before `duration` is over.
    pub give_up: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), renew: Duration::from_secs(3), give_up: Duration::from_secs(10) }
    }
}

/// What one look at the Lease says.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is free, ours, or has ended: write it.
    Take,
    /// Somebody else holds it.
    Wait,
}

/// What was seen of somebody else's Lease.
#[derive(Debug)]
struct Sighting {
    version: Option<String>,
    since: Instant,
}

/// A Lease of one name in one namespace.
#[derive(Debug)]
pub struct Leadership {
    leases: Api<Lease>,
    identity: String,
    terms: Terms,
}

impl Leadership {
    /// A candidate called `identity`.
    #[must_use]
    pub const fn new(leases: Api<Lease>, identity: String, terms: Terms) -> Self {
        Self { leases, identity, terms }
    }

    /// Waits until the Lease is ours; `false` when told to stop before.
    pub async fn acquire(&self, stop: &CancellationToken) -> bool {
        let mut sighting: Option<Sighting> = None;
        loop {
            match self.attempt(&mut sighting).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the Lease cannot be reached"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(self.terms.renew) => {}
            }
        }
    }

    /// Renews until told to stop or until it is lost; returns whether it was lost.
    pub async fn hold(&self, stop: &CancellationToken) -> bool {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(self.terms.renew) => {}
            }
            match tokio::time::timeout(self.terms.renew, self.attempt(&mut None)).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return true,
                Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be renewed"),
                Err(_) => tracing::warn!("the Lease could not be renewed in time"),
            }
            if renewed.elapsed() > self.terms.give_up {
                return true;
            }
        }
    }

    async fn attempt(&self, sighting: &mut Option<Sighting>) -> Result<bool, kube::Error> {
        let found = self.leases.get_opt(NAME).await?;
        match self.step(found.as_ref(), sighting) {
            Step::Wait => Ok(false),
            Step::Take => self.write(found).await,
        }
    }

    fn step(&self, found: Option<&Lease>, sighting: &mut Option<Sighting>) -> Step {
        let Some(lease) = found else { return Step::Take };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return Step::Take;
        }
        let version = lease.metadata.resource_version.clone();
        match sighting {
            Some(seen) if seen.version == version => {
                if seen.since.elapsed() > self.terms.duration {
                    Step::Take
                } else {
                    Step::Wait
                }
            }
            Some(_) | None => {
                *sighting = Some(Sighting { version, since: Instant::now() });
                Step::Wait
            }
        }
    }

    /// Writes the Lease as ours; `false` when somebody was faster.
    async fn write(&self, found: Option<Lease>) -> Result<bool, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let before = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = before.holder_identity.as_deref() == Some(self.identity.as_str());
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.terms.duration.as_secs()).ok(),
            acquire_time: if ours { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!ours)),
            ..LeaseSpec::default()
        };
        let written = if let Some(lease) = found {
            // The version of what was read: a write between is a conflict and not overwritten.
            let lease = Lease { metadata: lease.metadata, spec: Some(spec) };
            self.leases.replace(NAME, &PostParams::default(), &lease).await
        } else {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            self.leases.create(&PostParams::default(), &Lease { metadata, spec: Some(spec) }).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the Lease back, so that a successor need not wait for its end; for a holder that
    /// no longer writes.
    pub async fn release(&self) {
        let given_back = async {
            let Some(mut lease) = self.leases.get_opt(NAME).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(self.identity.as_str()) {
                spec.holder_identity = Some(String::new());
                self.leases.replace(NAME, &PostParams::default(), &lease).await?;
            }
            Ok::<(), kube::Error>(())
        };
        if let Err(error) = given_back.await {
            tracing::warn!(%error, "the Lease could not be given back; it ends by itself");
        }
    }
}
