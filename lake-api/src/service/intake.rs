//! `lake-api intake`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use oscar_intake::{DeliveryReport, IntakeError, Silent};
use oscar_lake::Storage;
use oscar_permit::{DataPermit, DatasetName, EXIT_REFUSED, IntakeRun, Sha256Digest};

use crate::config::ServeConfig;
use crate::delivery::{DeliveryError, Destination, deliver};
use crate::landing::{Expected, Landing, LandingError, fetch};

/// What to take in, and where from.
#[derive(Debug, Args)]
pub(super) struct IntakeArguments {
    /// The package: its descriptor, or the folder with `datapackage.json` or `.yaml`.
    #[arg(required_unless_present = "landing")]
    package: Option<PathBuf>,
    /// The package's descriptor below `landing/` in the tenant's storage, instead of a file here.
    #[arg(long, conflicts_with_all = ["package", "files", "data_dir"], requires = "config", value_name = "FOLDER/FILE")]
    landing: Option<Landing>,
    /// The digest that the descriptor must have.
    #[arg(long, requires = "landing", value_name = "SHA256")]
    digest: Option<Sha256Digest>,
    /// The dataset that the package must be of.
    #[arg(long, requires = "landing")]
    dataset: Option<DatasetName>,
    /// Where to write what became of it (JSON); in a pod its termination message.
    #[arg(long)]
    report: Option<PathBuf>,
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

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    Landing(#[from] LandingError),
    #[error(transparent)]
    Surroundings(#[from] anyhow::Error),
}

impl RunError {
    /// The rule that refused the package, when one did.
    fn rule(&self) -> Option<String> {
        match self {
            Self::Delivery(DeliveryError::Intake(IntakeError::Refused(refusal))) => Some(refusal.rule().to_owned()),
            Self::Landing(error) => error.rule().map(str::to_owned),
            Self::Delivery(_) | Self::Surroundings(_) => None,
        }
    }
}

/// Takes one package in, and says what became of it wherever that is wanted.
pub(super) async fn run(arguments: &IntakeArguments) -> anyhow::Result<ExitCode> {
    let outcome = take_in(arguments).await;
    if let Some(path) = &arguments.report {
        let report = serde_json::to_vec(&last_words(&outcome)).context("the report has no JSON form")?;
        std::fs::write(path, report).context("the report cannot be written")?;
    }
    match outcome {
        Ok(report) => {
            for (table, taken) in &report.tables {
                tracing::info!(
                    dataset = %report.dataset, %table, version = taken.version, rows = taken.rows,
                    quarantined = taken.quarantined, again = report.already_delivered, "delivered"
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => match error.rule() {
            Some(rule) => {
                tracing::error!(rule, "{:#}", anyhow::Error::from(error));
                Ok(ExitCode::from(EXIT_REFUSED))
            }
            None => Err(error.into()),
        },
    }
}

async fn take_in(arguments: &IntakeArguments) -> Result<DeliveryReport, RunError> {
    let IntakeArguments { package, landing, digest, dataset, report: _, permit, config, data_dir, files } = arguments;
    let config = config.as_deref().map(ServeConfig::from_file).transpose().map_err(anyhow::Error::from)?;
    let destination = match (&config, data_dir) {
        (Some(config), _) => configured_destination(config)?,
        (None, Some(directory)) => Destination::in_data_dir(directory),
        (None, None) => return Err(anyhow::anyhow!("give --config FILE or --data-dir DIR").into()),
    };
    let text = std::fs::read_to_string(permit).context("the permit cannot be read")?;
    let permit = DataPermit::from_yaml(&text).map_err(anyhow::Error::from)?;
    if let Some(landing) = landing {
        let storage = Storage::open(&destination.tenant).map_err(DeliveryError::from)?;
        let scratch = tempfile::tempdir().context("no scratch folder")?;
        let expected = Expected {
            digest: *digest,
            dataset: dataset.clone(),
            quota_bytes: config.as_ref().and_then(|config| config.quota_bytes),
        };
        let descriptor = fetch(&storage, landing, &expected, scratch.path()).await?;
        return Ok(deliver(&destination, &descriptor, None, &permit, &Silent).await?);
    }
    let package: &Path = package.as_deref().context("give a package")?;
    Ok(deliver(&destination, package, files.as_deref(), &permit, &Silent).await?)
}

fn configured_destination(config: &ServeConfig) -> anyhow::Result<Destination> {
    let person_index = config.person_index.clone().context("the configuration has no personIndex: say where it is")?;
    Ok(Destination { tenant: config.storage.clone(), person_index, keys: config.keys.clone() })
}

fn last_words(outcome: &Result<DeliveryReport, RunError>) -> IntakeRun {
    match outcome {
        Ok(report) => {
            let again =
                if report.already_delivered { " It had been accepted before; nothing was changed." } else { "" };
            IntakeRun {
                delivered: true,
                delivery: Some(report.delivery),
                rows: Some(report.tables.values().map(|table| table.rows).sum()),
                quarantined: Some(report.tables.values().map(|table| table.quarantined).sum()),
                rule: None,
                message: Some(format!("{} is in the lake as delivered.{again}", report.dataset)),
            }
        }
        Err(error) => IntakeRun { rule: error.rule(), message: Some(error.to_string()), ..IntakeRun::default() },
    }
}
