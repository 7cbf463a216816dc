//! What Prometheus reads.

use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Buckets of a reconcile's duration, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByController {
    controller: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    controller: &'static str,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTenant {
    tenant: String,
}

/// All metrics of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    seconds: Family<ByController, Histogram, fn() -> Histogram>,
    failures: Family<ByReason, Counter>,
    writes: Family<ByController, Counter>,
    repairs: Counter,
    leader: Gauge,
    ready: Family<ByTenant, Gauge>,
    isolated: Family<ByTenant, Gauge>,
    quarantines: Family<ByTenant, Counter>,
    doors: Family<ByTenant, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: Family<ByController, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut metrics = Self {
            registry: Registry::with_prefix("oscar_operator"),
            seconds,
            failures: Family::default(),
            writes: Family::default(),
            repairs: Counter::default(),
            leader: Gauge::default(),
            ready: Family::default(),
            isolated: Family::default(),
            quarantines: Family::default(),
            doors: Family::default(),
        };
        let Self { registry, seconds, failures, writes, repairs, leader, ready, isolated, quarantines, doors } =
            &mut metrics;
        registry.register("reconcile_seconds", "Duration of reconciles", seconds.clone());
        registry.register("reconcile_failures", "Reconciles that failed, by reason", failures.clone());
        registry.register("writes", "Requests that wrote something", writes.clone());
        registry.register("repairs", "Objects that somebody else had changed and that were mended", repairs.clone());
        registry.register("leader", "1 while this process holds the Lease", leader.clone());
        registry.register("tenant_ready", "1 while a tenant is Ready", ready.clone());
        registry.register("tenant_isolated", "1 while a tenant's firewall was measured to hold", isolated.clone());
        registry.register("quarantines", "Times that a tenant was taken off the gateway", quarantines.clone());
        let help = "Namespaces of a tenant whose pods somebody may enter now (break glass)";
        registry.register("break_glass_open", help, doors.clone());
        metrics
    }
}

/// One running reconcile; its duration is noted when it ends, however it ends.
#[derive(Debug)]
pub struct Running<'m> {
    metrics: &'m Metrics,
    controller: &'static str,
    since: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let labels = ByController { controller: self.controller };
        self.metrics.seconds.get_or_create(&labels).observe(self.since.elapsed().as_secs_f64());
    }
}

impl Metrics {
    /// Notes the start of a reconcile.
    #[must_use]
    pub fn reconcile(&self, controller: &'static str) -> Running<'_> {
        Running { metrics: self, controller, since: Instant::now() }
    }

    /// Notes a reconcile that failed.
    pub fn failed(&self, controller: &'static str, reason: &str) {
        self.failures.get_or_create(&ByReason { controller, reason: reason.to_owned() }).inc();
    }

    /// Notes requests that wrote.
    pub fn wrote(&self, controller: &'static str, requests: usize) {
        self.writes.get_or_create(&ByController { controller }).inc_by(requests as u64);
    }

    /// Notes a repaired object.
    pub fn repaired(&self) {
        self.repairs.inc();
    }

    /// Notes whether this process is the one that writes.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Notes how a tenant stands.
    pub fn tenant(&self, tenant: &str, ready: bool, isolated: bool) {
        let labels = ByTenant { tenant: tenant.to_owned() };
        self.ready.get_or_create(&labels).set(i64::from(ready));
        self.isolated.get_or_create(&labels).set(i64::from(isolated));
    }

    /// Notes that a tenant was taken off the gateway.
    pub fn quarantined(&self, tenant: &str) {
        self.quarantines.get_or_create(&ByTenant { tenant: tenant.to_owned() }).inc();
    }

    /// Notes how many of a tenant's namespaces somebody may enter.
    pub fn doors(&self, tenant: &str, open: i64) {
        self.doors.get_or_create(&ByTenant { tenant: tenant.to_owned() }).set(open);
    }

    /// Forgets a tenant that is gone.
    pub fn forget(&self, tenant: &str) {
        let labels = ByTenant { tenant: tenant.to_owned() };
        self.ready.remove(&labels);
        self.isolated.remove(&labels);
        self.quarantines.remove(&labels);
        self.doors.remove(&labels);
    }

    /// The text in the format `OpenMetrics`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
