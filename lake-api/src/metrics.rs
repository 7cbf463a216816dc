//! What the service counts. No label names a person, a dataset or a statement.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: String,
}

/// The counters and the registry that shows them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram>,
    releases: Family<OutcomeLabel, Counter>,
    tokens_refused: Family<OutcomeLabel, Counter>,
    denied: Family<OutcomeLabel, Counter>,
    vetting: Histogram,
    in_vetting: Gauge,
}

impl Metrics {
    /// Counters at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let requests = Family::<RequestLabels, Counter>::default();
        let durations = Family::<RouteLabel, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 2.0, 14))
        });
        let releases = Family::<OutcomeLabel, Counter>::default();
        let tokens_refused = Family::<OutcomeLabel, Counter>::default();
        let denied = Family::<OutcomeLabel, Counter>::default();
        let vetting = Histogram::new(exponential_buckets(0.01, 2.0, 16));
        let in_vetting = Gauge::default();
        let mut registry = Registry::with_prefix("oscar");
        registry.register("http_requests", "Requests served", requests.clone());
        registry.register("http_request_seconds", "Time to answer", durations.clone());
        registry.register("releases", "Releases by what became of them", releases.clone());
        registry.register("tokens_refused", "Requests without a token that counts", tokens_refused.clone());
        registry.register("requests_denied", "Requests for what the caller may not see", denied.clone());
        registry.register("vetting_seconds", "Time from start of vetting to verdict", vetting.clone());
        registry.register("vetting_running", "Releases being vetted now", in_vetting.clone());
        Arc::new(Self { registry, requests, durations, releases, tokens_refused, denied, vetting, in_vetting })
    }

    pub(crate) fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        self.durations.get_or_create(&RouteLabel { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { method: method.to_owned(), route, status }).inc();
    }

    pub(crate) fn release(&self, outcome: &str) {
        self.releases.get_or_create(&OutcomeLabel { outcome: outcome.to_owned() }).inc();
    }

    pub(crate) fn token_refused(&self, code: &str) {
        self.tokens_refused.get_or_create(&OutcomeLabel { outcome: code.to_owned() }).inc();
    }

    pub(crate) fn denied(&self, code: &str) {
        self.denied.get_or_create(&OutcomeLabel { outcome: code.to_owned() }).inc();
    }

    /// Measures one vetting from now until the guard is dropped.
    pub(crate) fn vetting(self: &Arc<Self>) -> VettingTimer {
        self.in_vetting.inc();
        VettingTimer { metrics: Arc::clone(self), started: std::time::Instant::now() }
    }

    /// The `OpenMetrics` text.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// One running vetting; counted on drop, so that an early return is counted too.
#[derive(Debug)]
pub(crate) struct VettingTimer {
    metrics: Arc<Metrics>,
    started: std::time::Instant,
}

impl Drop for VettingTimer {
    fn drop(&mut self) {
        self.metrics.in_vetting.dec();
        self.metrics.vetting.observe(self.started.elapsed().as_secs_f64());
    }
}
