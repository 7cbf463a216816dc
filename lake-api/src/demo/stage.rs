//! Everything that stands before the first question is asked: data, permit, intake,
//! service, and four people with tokens.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use chrono::{Days, Utc};
use oscar_access::{DevIssuer, DevIssuerOptions};
use oscar_permit::{DataPermit, Role, TableRef, TenantName};
use tempfile::TempDir;

use super::delivery::{deliver, grants_of};
use super::generate::{Generated, generate};
use super::narrator::Narrator;
use super::tokens::log_in;
use crate::cli::arguments::DemoArguments;
use crate::cli::exit::Exit;
use crate::cli::{ApiClient, CliError};
use crate::config::{ServeConfig, WorkerSettings};
use crate::server::{Running, Server};
use crate::signals::StopSignal;

/// The tenant that the demo plays.
pub(super) const TENANT: &str = "demo";

/// The people's names.
pub(super) struct Names {
    /// Asks.
    pub(super) analyst: &'static str,
    /// Checks outputs on the platform's side.
    pub(super) steward: &'static str,
    /// Checks outputs for the data controller.
    pub(super) controller: &'static str,
    /// Reads what was recorded.
    pub(super) auditor: &'static str,
    /// Is not in the permit.
    pub(super) stranger: &'static str,
}

/// The people, each with a token of their own.
pub(super) struct Cast {
    /// Asks.
    pub(super) analyst: ApiClient,
    /// Checks outputs on the platform's side.
    pub(super) steward: ApiClient,
    /// Checks outputs for the data controller.
    pub(super) controller: ApiClient,
    /// Reads what was recorded.
    pub(super) auditor: ApiClient,
    /// Is not in the permit.
    pub(super) stranger: ApiClient,
}

/// A running installation on this machine.
pub(super) struct Stage {
    /// The data directory.
    pub(super) directory: PathBuf,
    /// What was generated, unless a real delivery is shown.
    pub(super) generated: Option<Generated>,
    /// The delivered tables and their versions.
    pub(super) versions: BTreeMap<TableRef, u64>,
    /// The people's names.
    pub(super) names: Names,
    /// The people.
    pub(super) cast: Cast,
    temporary: Option<TempDir>,
    issuer: DevIssuer,
    server: Running,
}

impl Stage {
    /// Sets everything up, telling what happens.
    pub(super) async fn prepare(arguments: &DemoArguments, narrator: &mut Narrator<'_>) -> Result<Self, CliError> {
        let (directory, temporary) = directory(arguments)?;
        let names = Names { analyst: "anna", steward: "bo", controller: "cecilie", auditor: "david", stranger: "erik" };
        let (packages, generated) = extracts(arguments, &directory, narrator)?;
        let issuer = start_issuer(&names).await?;
        let permit = write_permit(&directory, &packages, &names, issuer.issuer(), narrator)?;
        narrator.step("Intake: the extracts are checked, and person keys become pseudonyms")?;
        let (mut rows, mut versions) = (0, BTreeMap::new());
        for package in &packages {
            let report = deliver(&directory, package, arguments.files.as_deref(), &permit, narrator).await?;
            for (name, table) in report.tables {
                rows += table.rows;
                versions.insert(TableRef::new(report.dataset.clone(), name), table.version);
            }
        }
        narrator.ended(&format!("{rows} rows are in the lake, every person key replaced by a pseudonym"))?;
        narrator.step("The workspace starts to serve, and four people log in")?;
        let server = start_server(&directory, &issuer, arguments.serve).await?;
        let cast = log_everyone_in(&issuer, &names, &server, narrator).await?;
        narrator.ended("ready")?;
        Ok(Self { directory, generated, versions, names, cast, temporary, issuer, server })
    }

    /// How many persons must be behind a figure, as the analyst's permit says.
    pub(super) async fn threshold(&self) -> Result<u64, CliError> {
        let permits = self.cast.analyst.permits().await?;
        let threshold = permits.permits.iter().find_map(|permit| permit.threshold);
        threshold.map(u64::from).ok_or_else(|| CliError::Failed("the permit does not say its threshold".into()))
    }

    /// Serves until the person has had enough.
    pub(super) async fn keep_serving(&self, narrator: &mut Narrator<'_>) -> Result<(), CliError> {
        let stop = StopSignal::listen().map_err(CliError::file("the signal to stop"))?;
        let url = format!("http://{}", self.server.address());
        narrator.say("")?;
        narrator.say("Still serving; stop with Ctrl-C. Try it yourself:")?;
        narrator.say(&format!("   API documentation: {url}/docs"))?;
        if let Some(folder) = folder_off_the_path() {
            narrator.say(&format!("   export PATH={}:$PATH", folder.display()))?;
        }
        narrator.say(&format!("   export OSCAR_SERVER={url}"))?;
        let issuer = self.issuer.issuer();
        narrator.say(&format!("   oscar login --issuer {issuer} --user {}", self.names.analyst))?;
        narrator.say("   oscar catalogue")?;
        narrator.say("   oscar release list")?;
        narrator.say(&format!(
            "   (the other people are {}, {} and {}; the development issuer asks for no password)",
            self.names.steward, self.names.controller, self.names.auditor
        ))?;
        narrator.say(&format!("   export OSCAR_TOKEN={}", log_in(issuer, self.names.analyst).await?))?;
        stop.received().await;
        Ok(())
    }

    /// Stops the service and keeps or removes the directory.
    pub(super) async fn leave(self, keep: bool, narrator: &mut Narrator<'_>) -> Result<(), CliError> {
        let Self { directory, generated: _, versions: _, names: _, cast: _, temporary, issuer, server } = self;
        server.shutdown().await;
        issuer.shutdown().await;
        match temporary {
            Some(temporary) if !keep => temporary.close().map_err(CliError::file("the temporary directory")),
            Some(temporary) => narrator.say(&format!("Everything is kept in {}", temporary.keep().display())),
            None => narrator.say(&format!("Everything is in {}", directory.display())),
        }
    }
}

/// The folder of this program, when a shell would not find it there.
fn folder_off_the_path() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    (!std::env::split_paths(&path).any(|entry| entry == folder)).then_some(folder)
}

fn directory(arguments: &DemoArguments) -> Result<(PathBuf, Option<TempDir>), CliError> {
    let what = || CliError::file("the demo's directory");
    let Some(chosen) = &arguments.dir else {
        let temporary = tempfile::Builder::new().prefix("oscar-demo-").tempdir().map_err(what())?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    std::fs::create_dir_all(chosen).map_err(what())?;
    if std::fs::read_dir(chosen).map_err(what())?.next().is_some() {
        return Err(CliError::Usage("--dir must name a directory that is empty or does not exist".into()));
    }
    Ok((chosen.clone(), None))
}

fn extracts(
    arguments: &DemoArguments,
    directory: &Path,
    narrator: &mut Narrator<'_>,
) -> Result<(Vec<PathBuf>, Option<Generated>), CliError> {
    if let Some(data) = &arguments.data {
        narrator.step("A real delivery")?;
        narrator.ended(&format!("found at {}", data.display()))?;
        return Ok((vec![data.clone()], None));
    }
    narrator.step("Three data holders prepare extracts (generated; no row is about a real person)")?;
    let generated = generate(arguments.persons, arguments.seed, &directory.join("extracts"))
        .map_err(|error| CliError::Failed(error.to_string()))?;
    for (table, rows) in &generated.rows {
        narrator.say(&format!("   {table}: {rows} rows"))?;
    }
    narrator.ended(&format!("{} persons, seed {}", arguments.persons, arguments.seed))?;
    Ok((generated.packages.clone(), Some(generated)))
}

async fn start_issuer(names: &Names) -> Result<DevIssuer, CliError> {
    let Names { analyst, steward, controller, auditor, stranger } = names;
    let users = [analyst, steward, controller, auditor, stranger].map(|&name| name.to_owned()).to_vec();
    let options = DevIssuerOptions { users, ..DevIssuerOptions::default() };
    DevIssuer::start(options, &[]).await.map_err(|error| CliError::Failed(error.to_string()))
}

fn write_permit(
    directory: &Path,
    packages: &[PathBuf],
    names: &Names,
    issuer: &str,
    narrator: &mut Narrator<'_>,
) -> Result<DataPermit, CliError> {
    narrator.step("The health data access body gives a permit")?;
    let person = |subject: &str, role: Role| serde_json::json!({"issuer": issuer, "subject": subject, "role": role});
    let now = Utc::now();
    let text = serde_json::json!({
        "id": "DEMO-2025-001",
        "tenant": TENANT,
        "authority": "Health Data Access Body of the demo",
        "legalBasis": "EHDS, Regulation (EU) 2025/327, Article 68",
        "purpose": ["DUO:0000007"],
        "persons": [
            person(names.analyst, Role::Analyst),
            person(names.steward, Role::Steward),
            person(names.controller, Role::ControllerSteward),
            person(names.auditor, Role::Auditor),
        ],
        "datasets": grants_of(packages)?,
        "profile": "strict",
        "validFrom": now,
        "validUntil": now.checked_add_days(Days::new(30)).unwrap_or(now),
    });
    let text = serde_json::to_string_pretty(&text).map_err(|_| CliError::Failed("the permit has no text".into()))?;
    let permit = DataPermit::from_yaml(&text).map_err(|error| CliError::Failed(error.to_string()))?;
    let folder = directory.join("permits");
    std::fs::create_dir_all(&folder).map_err(CliError::file("the folder of permits"))?;
    std::fs::write(folder.join("demo.json"), text).map_err(CliError::file("the permit"))?;
    for (name, role) in [
        (names.analyst, "analyst"),
        (names.steward, "steward"),
        (names.controller, "steward of the data controller"),
        (names.auditor, "auditor"),
    ] {
        narrator.say(&format!("   {name}: {role}"))?;
    }
    narrator.ended("for 30 days, under the disclosure profile \"strict\" (at least 10 persons behind every figure)")?;
    Ok(permit)
}

async fn start_server(directory: &Path, issuer: &DevIssuer, serve: bool) -> Result<Running, CliError> {
    let tenant = TenantName::new(TENANT).map_err(|error| CliError::Failed(error.to_string()))?;
    let mut config = ServeConfig::for_data_dir(directory, tenant);
    config.issuers = vec![issuer.config()];
    config.worker = WorkerSettings::Process;
    config.admin_listen.set_port(0);
    config.listen.set_port(if serve { known_port() } else { 0 });
    Server::start(config).await.map_err(|error| CliError::Failed(error.to_string()))
}

/// People who go on playing get the port that the command line expects, if nobody has it.
fn known_port() -> u16 {
    let usual = 8080;
    if TcpListener::bind((Ipv4Addr::LOCALHOST, usual)).is_ok() { usual } else { 0 }
}

async fn log_everyone_in(
    issuer: &DevIssuer,
    names: &Names,
    server: &Running,
    narrator: &mut Narrator<'_>,
) -> Result<Cast, CliError> {
    let base = url::Url::parse(&format!("http://{}", server.address()))
        .map_err(|_| CliError::Failed("the server has no address".into()))?;
    let log_in = async |name: &str| -> Result<ApiClient, CliError> {
        Ok(ApiClient::new(base.clone(), Some(log_in(issuer.issuer(), name).await?))?)
    };
    let cast = Cast {
        analyst: log_in(names.analyst).await?,
        steward: log_in(names.steward).await?,
        controller: log_in(names.controller).await?,
        auditor: log_in(names.auditor).await?,
        stranger: log_in(names.stranger).await?,
    };
    narrator.say(&format!("   {base} · authorisation code with PKCE at the development issuer"))?;
    let catalogue = cast.analyst.catalogue().await?;
    for dataset in &catalogue.datasets {
        let tables: Vec<&str> = dataset.tables.iter().map(|table| table.table.as_str()).collect();
        narrator.say(&format!("   {} sees {}: {}", names.analyst, dataset.dataset, tables.join(", ")))?;
    }
    match cast.stranger.catalogue().await {
        Ok(catalogue) if catalogue.datasets.is_empty() => {}
        Err(error) if error.exit() == Exit::NotFound => {}
        Ok(_) => return Err(CliError::Failed("a person without a permit sees data".into())),
        Err(error) => return Err(error.into()),
    }
    narrator.say(&format!("   {} has a valid token and no permit, and sees nothing", names.stranger))?;
    Ok(cast)
}
