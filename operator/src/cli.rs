//! The commands of the operator's program.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::run::{Place, run_until_stopped};
use crate::settings::Settings;

/// Gives every tenant its own data lake and workspace behind a firewall.
#[derive(Debug, Parser)]
#[command(name = "oscar-operator", version)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Reconcile until told to stop.
    ///
    /// The API server is found as kubectl finds it: in a pod by its service account, else by
    /// KUBECONFIG. The log is JSON on stderr; `RUST_LOG` filters it.
    #[command(after_help = "Example:\n  oscar-operator run --settings /etc/oscar/operator.yaml --namespace oscar-host")]
    Run(Run),
    /// Print the custom resource definitions.
    #[command(after_help = "Example:\n  oscar-operator crds | kubectl apply --server-side -f -")]
    Crds,
    /// Read the settings file, say whether it is good, and end.
    Check {
        /// The settings file (YAML).
        #[arg(long, env = "OSCAR_OPERATOR_SETTINGS")]
        settings: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// The settings file (YAML).
    #[arg(long, env = "OSCAR_OPERATOR_SETTINGS")]
    settings: PathBuf,
    /// The operator's own namespace, where permits, extracts and master keys are.
    #[arg(long, env = "OSCAR_OPERATOR_NAMESPACE", default_value = "oscar-host")]
    namespace: String,
    /// The name under which the Lease is held; the pod's name in a cluster.
    #[arg(long, env = "OSCAR_OPERATOR_IDENTITY")]
    identity: Option<String>,
}

/// Runs a command to its end.
///
/// # Errors
/// What stopped it.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command.what {
        What::Run(arguments) => {
            init_telemetry();
            let settings = Settings::from_file(&arguments.settings)?;
            let identity = arguments.identity.unwrap_or_else(|| format!("operator-{:08x}", rand::random::<u32>()));
            let place = Place { namespace: arguments.namespace, identity };
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
            runtime.block_on(run_until_stopped(settings, place))
        }
        What::Crds => {
            let mut out = std::io::stdout().lock();
            for definition in oscar_crds::definitions() {
                writeln!(out, "---\n{}", serde_json::to_string_pretty(&definition)?)?;
            }
            Ok(())
        }
        What::Check { settings } => {
            Settings::from_file(&settings)?;
            writeln!(std::io::stdout(), "the settings are good")?;
            Ok(())
        }
    }
}

/// JSON lines on stderr. A second call (in tests) changes nothing.
fn init_telemetry() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_runtime=warn"));
    let _ = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
