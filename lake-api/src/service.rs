//! The commands of the `lake-api` program.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use oscar_access::IssuerConfig;
use oscar_intake::Silent;
use oscar_permit::{DataPermit, TenantName};

use crate::config::{DevIssuerSettings, ServeConfig};
use crate::delivery::{Destination, deliver};
use crate::server::Server;
use crate::signals::asked_to_stop;

/// The tenant's service: vetted results out of pseudonymised register data.
#[derive(Debug, Parser)]
#[command(name = "lake-api", version)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Serve the HTTP API and vet releases.
    ///
    /// Settings come from --config FILE, or from --data-dir DIR (with tenant/, keys/,
    /// permits/, profiles/) and flags. The log is JSON on stderr; `RUST_LOG` filters it.
    #[command(after_help = "Examples:\n  \
        lake-api serve --config /etc/oscar/serve.yaml\n  \
        lake-api serve --data-dir ./data --tenant acme --issuer https://login.example.dk --audience oscar-host\n  \
        lake-api serve --data-dir ./data --tenant acme --dev-issuer alice,bob --dev-issuer-listen 127.0.0.1:8085")]
    Serve(Box<Serve>),
    /// Take a data holder's package into the lake of a data directory.
    ///
    /// Person numbers become pseudonyms on the way; a delivery is visible as a whole or not at all.
    #[command(after_help = "Examples:\n  lake-api intake ./extract --permit permit.yaml --data-dir ./data\n  \
        lake-api intake ./extract --permit permit.yaml --config /etc/oscar/serve.yaml")]
    Intake(IntakeArguments),
    /// Compute the evidence of one query; started by `serve`, speaks on stdin and stdout.
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
struct IntakeArguments {
    /// The package: its descriptor, or the folder with `datapackage.json` or `.yaml`.
    package: PathBuf,
    /// The permit that the delivery is made under.
    #[arg(long)]
    permit: PathBuf,
    /// The configuration file (YAML) of the service that will read the data.
    #[arg(long, env = "OSCAR_CONFIG", conflicts_with = "data_dir", required_unless_present = "data_dir")]
    config: Option<PathBuf>,
    /// The data directory of one machine.
    #[arg(long, env = "OSCAR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where the data files are, when not beside the descriptor.
    #[arg(long)]
    files: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Serve {
    /// The configuration file (YAML).
    #[arg(long, env = "OSCAR_CONFIG", conflicts_with = "data_dir", required_unless_present = "data_dir")]
    config: Option<PathBuf>,
    /// The data directory of one machine.
    #[arg(long, env = "OSCAR_DATA_DIR", requires = "tenant")]
    data_dir: Option<PathBuf>,
    /// The tenant; permits of others give nothing.
    #[arg(long, env = "OSCAR_TENANT")]
    tenant: Option<TenantName>,
    /// Where the API listens.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where health, readiness and metrics are.
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// A trusted token issuer.
    #[arg(long, requires = "audience")]
    issuer: Option<String>,
    /// The audience its tokens must carry.
    #[arg(long)]
    audience: Option<String>,
    /// Start the development issuer on loopback with these users; anybody here can be any of them.
    #[arg(long, value_name = "USERS", value_delimiter = ',', num_args = 1.., conflicts_with = "issuer")]
    dev_issuer: Vec<String>,
    /// Where the development issuer listens; a free port of loopback when left out.
    #[arg(long, requires = "dev_issuer")]
    dev_issuer_listen: Option<SocketAddr>,
}

/// Runs a command to its end.
///
/// # Errors
/// What stopped it.
pub fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    match command.what {
        What::Serve(serve) => runtime.block_on(run_serve(serve.settings()?)),
        What::Intake(arguments) => runtime.block_on(run_intake(&arguments)),
        What::Worker => runtime.block_on(oscar_query::worker::run_stdio()).context("the worker ended early"),
    }
}

async fn run_intake(arguments: &IntakeArguments) -> anyhow::Result<()> {
    let IntakeArguments { package, permit, config, data_dir, files } = arguments;
    let destination = match (config, data_dir) {
        (Some(file), _) => configured_destination(&ServeConfig::from_file(file)?)?,
        (None, Some(directory)) => Destination::in_data_dir(directory),
        (None, None) => anyhow::bail!("give --config FILE or --data-dir DIR"),
    };
    let text = std::fs::read_to_string(permit).context("the permit cannot be read")?;
    let permit = DataPermit::from_yaml(&text)?;
    let report = deliver(&destination, package, files.as_deref(), &permit, &Silent).await?;
    for (table, taken) in &report.tables {
        tracing::info!(
            dataset = %report.dataset, %table, version = taken.version, rows = taken.rows,
            quarantined = taken.quarantined, again = report.already_delivered, "delivered"
        );
    }
    Ok(())
}

fn configured_destination(config: &ServeConfig) -> anyhow::Result<Destination> {
    let person_index = config.person_index.clone().context("the configuration has no personIndex: say where it is")?;
    Ok(Destination { tenant: config.storage.clone(), person_index, keys: config.keys.clone() })
}

async fn run_serve(config: ServeConfig) -> anyhow::Result<()> {
    let running = Server::start(config).await.context("the service does not start")?;
    asked_to_stop().await.context("cannot wait for the signal to stop")?;
    tracing::info!("stopping");
    running.shutdown().await;
    Ok(())
}

impl Serve {
    fn settings(self) -> anyhow::Result<ServeConfig> {
        let Self { config, data_dir, tenant, listen, admin_listen, issuer, audience, dev_issuer, dev_issuer_listen } =
            self;
        let mut settings = match (config, data_dir, tenant) {
            (Some(file), _, _) => ServeConfig::from_file(&file)?,
            (None, Some(directory), Some(tenant)) => {
                std::fs::create_dir_all(directory.join("permits")).context("the data directory cannot be made")?;
                ServeConfig::for_data_dir(&directory, tenant)
            }
            (None, _, _) => anyhow::bail!("give --config FILE, or --data-dir DIR with --tenant NAME"),
        };
        settings.listen = listen.unwrap_or(settings.listen);
        settings.admin_listen = admin_listen.unwrap_or(settings.admin_listen);
        if let (Some(issuer), Some(audience)) = (issuer, audience.as_ref()) {
            settings.issuers.push(IssuerConfig::new(issuer, audience));
        }
        if !dev_issuer.is_empty() {
            let mut development = DevIssuerSettings::of_users(dev_issuer);
            development.listen = dev_issuer_listen.unwrap_or(development.listen);
            development.audience = audience.unwrap_or(development.audience);
            settings.dev_issuer = Some(development);
        }
        Ok(settings)
    }
}
