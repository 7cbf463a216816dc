//! What an operator says of itself and what the kernel says of it, at one moment.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context as _;

/// Ticks of a second in `/proc/<pid>/stat`.
const TICKS: f64 = 100.0;

/// Everything at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    /// Requests that were to change an object: all but those about events and the Lease.
    pub(crate) writes: u64,
    pub(crate) events: u64,
    pub(crate) by_resource: String,
    /// What the operator's own metric says of writes.
    pub(crate) counted_writes: f64,
    pub(crate) failures: f64,
    pub(crate) seconds: Histogram,
    pub(crate) mebibytes: f64,
    pub(crate) peak_mebibytes: f64,
    pub(crate) cpu_seconds: f64,
}

impl Sample {
    pub(crate) fn new(metrics: &str, mut requests: BTreeMap<String, u64>, process: u32) -> anyhow::Result<Self> {
        requests.remove("leases");
        let events = requests.remove("events").unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let mebibytes = |field: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
            Ok(line.split_whitespace().next().context("no number")?.parse::<f64>()? / 1024.0)
        };
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // What follows the name, which may hold anything: the 14th and 15th field are the times.
        let after = stat.rsplit_once(')').context("no name")?.1;
        let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        let sum = |name: &str| values(metrics, name).map(|(_, value)| value).sum();
        Ok(Self {
            at: Instant::now(),
            writes: requests.values().sum(),
            events,
            by_resource: serde_json::to_string(&requests)?,
            counted_writes: sum("oscar_operator_writes_total"),
            failures: sum("oscar_operator_reconcile_failures_total"),
            seconds: Histogram::of_tenants(metrics)?,
            mebibytes: mebibytes("VmRSS:")?,
            peak_mebibytes: mebibytes("VmHWM:")?,
            cpu_seconds: ticks / TICKS,
        })
    }
}

/// Labels and value of every line of a metric.
fn values<'t>(text: &'t str, name: &str) -> impl Iterator<Item = (&'t str, f64)> {
    let lines = text.lines().filter_map(move |line| line.strip_prefix(name)).collect::<Vec<_>>().into_iter();
    lines.filter_map(|rest| {
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then_some((labels, value.parse().ok()?))
    })
}

/// Durations of tenants' reconciles: how many took at most so long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    fn of_tenants(text: &str) -> anyhow::Result<Self> {
        let mut buckets = Vec::new();
        for (labels, count) in values(text, "oscar_operator_reconcile_seconds_bucket") {
            if labels.contains("controller=\"tenant\"") {
                let limit =
                    labels.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"')).context("no limit")?.0;
                buckets.push((if limit == "+Inf" { f64::INFINITY } else { limit.parse()? }, count));
            }
        }
        Ok(Self(buckets))
    }

    /// What was added after `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let counts = self.0.iter().zip(before.0.iter().map(|(_, count)| *count).chain(std::iter::repeat(0.0)));
        Self(counts.map(|((limit, count), before)| (*limit, count - before)).collect())
    }

    /// The duration that a share of all did not exceed, taken evenly within its bucket.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = share * self.0.last().map_or(0.0, |(_, count)| *count);
        let (mut from, mut below) = (0.0, 0.0);
        for (limit, count) in &self.0 {
            if *count >= rank && *count > below {
                return if limit.is_finite() { from + (limit - from) * (rank - below) / (count - below) } else { from };
            }
            (from, below) = (*limit, *count);
        }
        0.0
    }
}
