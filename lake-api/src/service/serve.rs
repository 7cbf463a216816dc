//! `lake-api serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use oscar_access::IssuerConfig;
use oscar_permit::TenantName;

use crate::config::{DevIssuerSettings, ServeConfig};
use crate::server::Server;
use crate::signals::StopSignal;

/// What to serve.
#[derive(Debug, Args)]
pub(super) struct Serve {
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

/// Serves until told to stop.
pub(super) async fn run(serve: Serve) -> anyhow::Result<()> {
    let config = serve.settings()?;
    let stop = StopSignal::listen().context("cannot wait for the signal to stop")?;
    let running = Server::start(config).await.context("the service does not start")?;
    stop.received().await;
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
