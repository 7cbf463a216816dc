//! The operator with many tenants: what it writes, how long it takes, what it costs at rest.
//!
//! ```text
//!  this process ── tenants ─▶ API server of e2e/cluster ◀── watches, writes ── the operator: this
//!   asks /metrics, /proc ─────────────────────────────────────────────────────▶ program once more
//! ```
//!
//! See `README.md` beside this file.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints its result and stops at a failure"
)]

#[path = "scale/operator.rs"]
mod operator;
#[path = "scale/samples.rs"]
mod samples;
#[path = "scale/tenants.rs"]
mod tenants;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use oscar_e2e::cluster::Cluster;
use oscar_e2e::own_operator::{administrators_client, settings};

use self::operator::Child;
use self::samples::Sample;
use self::tenants::Tenants;

/// Longer than the time after which a tenant in order is looked at again without a reason.
const ROUND: Duration = Duration::from_secs(35);
/// How long the operator is watched at rest: two rounds and more.
const AT_REST: Duration = Duration::from_secs(80);

/// Measures the operator with many suspended tenants on the cluster of e2e/cluster.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many tenants.
    #[arg(long, default_value_t = 200)]
    tenants: usize,
    /// Where their buckets are.
    #[arg(long, value_enum, default_value_t = Storage::Real)]
    storage: Storage,
    /// Exit code 1 when a promise is not kept.
    #[arg(long)]
    strict: bool,
    /// Leave the tenants where they are: `e2e/cluster/down` takes all of them away at once.
    #[arg(long)]
    keep: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the operator, with these settings.
    #[arg(long, hide = true, requires = "kubeconfig")]
    operator: Option<PathBuf>,
    /// Where the operator finds the API server.
    #[arg(long, hide = true)]
    kubeconfig: Option<PathBuf>,
}

/// What keeps the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Storage {
    /// The cluster's object store.
    Real,
    /// Memory: what is measured is the operator and the API server alone.
    Fake,
}

fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let (Some(settings), Some(kubeconfig)) = (&arguments.operator, &arguments.kubeconfig) {
        runtime.block_on(operator::be(settings, kubeconfig, arguments.storage)).unwrap();
        return ExitCode::SUCCESS;
    }
    let cluster = Cluster::start().unwrap();
    cluster.run_operators(0).unwrap();
    let kept = runtime.block_on(measure(&arguments, &cluster));
    cluster.run_operators(1).unwrap();
    if kept.unwrap() || !arguments.strict { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures; the answer is whether every promise was kept.
async fn measure(arguments: &Arguments, cluster: &Cluster) -> anyhow::Result<bool> {
    let file = cluster.folder().join("operator.yaml");
    drop(settings(cluster, &file)?);
    let client = administrators_client(cluster.kubeconfig()).await?;
    let tenants = Tenants::new(client, arguments.tenants, &cluster.issuer(), arguments.storage)?;
    let child = Child::start(cluster, &file, arguments.storage).await?;

    let begun = Instant::now();
    tenants.apply().await?;
    println!("{} tenants applied after {:.0} s", arguments.tenants, begun.elapsed().as_secs_f64());
    let cold = settled(&child, &tenants).await?;
    let took = cold.last_write.saturating_duration_since(begun).as_secs_f64();
    let objects = tenants.objects().await?;
    println!("settled after {took:.0} s, {objects} objects; now {} s at rest", AT_REST.as_secs());
    tokio::time::sleep(AT_REST).await;
    let warm = child.sample().await?;
    drop(child);

    let again = Child::start(cluster, &file, arguments.storage).await?;
    let restarted = settled(&again, &tenants).await?;

    let mut promises = Promises { kept: true };
    let ratio = |writes: u64| writes as f64 / objects as f64;
    println!("\n{:<46} {:>10} {:>10} {:>7}", "", "measured", "promised", "ratio");
    promises.at_most("writes per object, cold", ratio(cold.sample.writes), 3.0, "");
    promises.at_most("writes at rest", (warm.writes - cold.sample.writes) as f64, 0.0, "");
    promises.at_most("peak resident memory", warm.peak_mebibytes, 150.0, "MiB");
    promises.at_most("peak resident memory after a restart", restarted.sample.peak_mebibytes, 150.0, "MiB");
    println!("without a promise:");
    let say = |what: &str, value: f64, unit: &str| println!("{what:<46} {value:>10.3} {unit}");
    say("p99 of a reconcile, cold", cold.sample.seconds.quantile(0.99), "s");
    say("p99 of a reconcile, at rest", warm.seconds.since(&cold.sample.seconds).quantile(0.99), "s");
    let rest = warm.at.saturating_duration_since(cold.sample.at).as_secs_f64();
    say("CPU at rest", 100.0 * (warm.cpu_seconds - cold.sample.cpu_seconds) / rest, "% of a core");
    say("resident memory at rest", warm.mebibytes, "MiB");
    say("seconds to settle", took, "s");
    say("CPU seconds to settle", cold.sample.cpu_seconds, "s");
    say("tenants per second", arguments.tenants as f64 / took, "");
    say("writes per tenant after a restart", restarted.sample.writes as f64 / arguments.tenants as f64, "");
    say("the operator's own count of writes, cold", cold.sample.counted_writes, "");
    say("events written, cold", cold.sample.events as f64, "");
    say("reconciles that failed, all told", cold.sample.failures + restarted.sample.failures, "");
    println!("writes by resource, cold: {}", cold.sample.by_resource);
    println!("writes by resource after a restart: {}", restarted.sample.by_resource);

    if arguments.keep {
        println!("the tenants stay; `e2e/cluster/down` takes all of them away");
    } else {
        let begun = Instant::now();
        let (gone, empty) = tenants.remove().await?;
        let seconds = |at: Instant| at.saturating_duration_since(begun).as_secs_f64();
        println!("tenants gone after {:.0} s, the last namespace after {:.0} s", seconds(gone), seconds(empty));
    }
    Ok(promises.kept)
}

/// The state in which a whole round has passed without a write.
struct Settled {
    last_write: Instant,
    sample: Sample,
}

async fn settled(child: &Child, tenants: &Tenants) -> anyhow::Result<Settled> {
    let begun = Instant::now();
    let (mut writes, mut last_write) = (0, begun);
    loop {
        ensure!(begun.elapsed() < Duration::from_mins(30), "the tenants do not settle");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sample = child.sample().await?;
        if sample.writes != writes {
            (writes, last_write) = (sample.writes, Instant::now());
        } else if last_write.elapsed() > ROUND && tenants.are_built().await? {
            return Ok(Settled { last_write, sample });
        }
    }
}

struct Promises {
    kept: bool,
}

impl Promises {
    fn at_most(&mut self, what: &str, measured: f64, promised: f64, unit: &str) {
        let kept = measured <= promised;
        self.kept &= kept;
        let ratio = if promised > 0.0 { format!("{:.2}", measured / promised) } else { String::new() };
        let word = if kept { "" } else { "NOT KEPT" };
        println!("{what:<46} {measured:>10.3} {promised:>10.3} {ratio:>7} {unit} {word}");
    }
}
