//! Kills and failing storage: nothing is lost, nothing is released twice.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oscar_access::dev_issuer::CLI_CLIENT;
use oscar_access::login::{LoginConfig, authorization_code_pkce};
use oscar_journal::{Actor, Event, Journal, JournalKey, RestartCause, VerifyOptions, verify};
use oscar_lake::Storage;
use oscar_lake::{FileKeys, KeyProvider as _, KeyPurpose};
use oscar_lake_api::api::release::{Release, ReleaseState};
use oscar_lake_api::config::{ServeConfig, WorkerSettings};
use oscar_lake_api::server::Server;
use reqwest::StatusCode;
use tempfile::TempDir;

use crate::world::{BY_REGION, World, request};

/// The service as a process of its own, so that it can be killed.
struct Process {
    child: Child,
    api: SocketAddr,
    token: String,
    client: reqwest::Client,
}

impl Process {
    async fn start(settings: &Path, api: SocketAddr, issuer: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_lake-api"))
            .args(["serve", "--config"])
            .arg(settings)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::new();
        until("the service answers", async || client.get(format!("http://{api}/v1/keys")).send().await.is_ok()).await;
        let login = LoginConfig::new(issuer, CLI_CLIENT);
        let browse = |address: &url::Url| {
            let address = address.clone();
            tokio::spawn(async move { reqwest::get(address).await.is_ok() });
        };
        let token = authorization_code_pkce(&login, Some("anna"), browse).await.unwrap().access_token;
        Self { child, api, token, client }
    }

    async fn submit(&self) -> String {
        let sent = self.client.post(format!("http://{}/v1/releases", self.api)).bearer_auth(&self.token);
        let response = sent.json(&request(BY_REGION)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        response.json::<Release>().await.unwrap().id
    }

    async fn show(&self, id: &str) -> Release {
        let sent = self.client.get(format!("http://{}/v1/releases/{id}", self.api)).bearer_auth(&self.token);
        sent.send().await.unwrap().json().await.unwrap()
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Waits for a condition; a minute is an error.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..30_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("in a minute it did not come to this: {what}");
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A world that has released once, stopped, with settings for a process.
async fn stopped_world() -> (TempDir, ServeConfig, String) {
    let world = World::start().await;
    world.first_release().await;
    let issuer = world.issuer().to_owned();
    let World { directory, mut config, running, .. } = world;
    let issuer_address = running.dev_issuer().unwrap().address();
    running.shutdown().await;
    config.listen = free_address();
    config.admin_listen = free_address();
    config.dev_issuer.as_mut().unwrap().listen = issuer_address;
    (directory, config, issuer)
}

/// Whether a file whose name begins like this lies in the folder of the release.
pub(crate) fn written(root: &Path, release: &str, name: &str) -> bool {
    fn search(folder: &Path, name: &str) -> bool {
        std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(name) || search(&entry.path(), name))
    }
    search(&root.join("tenant/release").join(release), name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_release_loses_nothing_and_releases_nothing_twice() {
    let (directory, config, issuer) = stopped_world().await;
    let root = directory.path();
    let settings = root.join("serve.json");
    std::fs::write(&settings, serde_json::to_string(&config).unwrap()).unwrap();
    let mut releases = Vec::new();
    for step in ["", "vetting-", "result.csv", "result.parquet", "receipt-"] {
        let process = Process::start(&settings, config.listen, &issuer).await;
        let id = process.submit().await;
        // Killed once this file is there, or at once.
        until(step, async || step.is_empty() || written(root, &id, step)).await;
        process.kill();
        releases.push(id);
    }
    let process = Process::start(&settings, config.listen, &issuer).await;
    for id in &releases {
        until("every release is out", async || process.show(id).await.state == ReleaseState::Released).await;
    }
    process.kill();
    let storage = Storage::open(&config.storage).unwrap();
    let key = JournalKey::from_seed(FileKeys::directory(root.join("keys")).key(KeyPurpose::Journal).unwrap().expose());
    verify(storage.store().as_ref(), &key.verifying_key(), &VerifyOptions::default()).await.unwrap();
    let journal = Journal::open(storage.store(), Arc::new(key)).await.unwrap();
    let records = journal.records(0, u64::MAX).await.unwrap();
    for id in &releases {
        let published = records
            .iter()
            .flat_map(|record| &record.entries)
            .filter(|entry| matches!(&entry.event, Event::ReleasePublished { release, .. } if release.as_str() == id));
        assert_eq!(published.count(), 1, "{id}");
    }
}

/// Puts a plain file where the store has a folder, and takes it away again.
pub(crate) struct Outage {
    folder: PathBuf,
    aside: PathBuf,
}

impl Outage {
    pub(crate) fn begin(folder: PathBuf) -> Self {
        let aside = folder.with_extension("aside");
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::write(&folder, "").unwrap();
        Self { folder, aside }
    }

    pub(crate) fn end(self) {
        std::fs::remove_file(&self.folder).unwrap();
        std::fs::rename(&self.aside, &self.folder).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_outlives_an_outage_of_its_storage() {
    let world = World::start().await;
    world.first_release().await;
    let outage = Outage::begin(world.directory.path().join("tenant/release"));
    let id = world.submit("anna", BY_REGION).await.id;
    until("vetting has tried and failed", async || {
        let metrics = world.admin("/metrics").await.text().await.unwrap();
        metrics.contains("oscar_vetting_seconds_count 2") && metrics.contains("oscar_vetting_running 0")
    })
    .await;
    let waiting: Release = world.get("anna", &format!("/v1/releases/{id}")).await.json().await.unwrap();
    assert_eq!(waiting.state, ReleaseState::Vetting, "not lost, not refused, not released: {waiting:?}");
    outage.end();
    assert_eq!(world.settled("anna", &id).await.state, ReleaseState::Released);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_nothing_is_accepted_and_afterwards_everything_is() {
    let world = World::start().await;
    let outage = Outage::begin(world.directory.path().join("tenant/journal"));
    let response = world.post("anna", "/v1/releases", &request(BY_REGION)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    outage.end();
    let release = world.release("anna", BY_REGION).await;
    assert_eq!(release.state, ReleaseState::InReview);
    let page: serde_json::Value = world.get("anna", "/v1/releases").await.json().await.unwrap();
    assert_eq!(page["releases"].as_array().unwrap().len(), 1, "what was not accepted is not there");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_storage_is_away_says_so_and_is_ready_again_when_it_is_back() {
    let world = World::start().await;
    let report = async || world.admin("/ready").await.json::<serde_json::Value>().await.unwrap();
    until("it is ready", async || report().await["ready"] == true).await;
    let outage = Outage::begin(world.directory.path().join("tenant/journal"));
    until("it says what is missing", async || {
        let missing = report().await["missing"].to_string();
        assert!(world.admin("/health").await.status().is_success(), "it lives, and need not be started again");
        missing.contains("object store")
    })
    .await;
    assert_eq!(world.admin("/ready").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    outage.end();
    until("it is ready again", async || world.admin("/ready").await.status().is_success()).await;
    world.running.shutdown().await;
}

/// A worker that notes its start and begins once it may.
fn held_worker(folder: &Path) -> PathBuf {
    let program = folder.join("held-worker");
    let (started, go) = (folder.join("started"), folder.join("go"));
    let script = format!(
        "#!/bin/sh\necho >> '{}'\nwhile [ ! -e '{}' ]; do sleep 0.05; done\nexec '{}' \"$@\"\n",
        started.display(),
        go.display(),
        env!("CARGO_BIN_EXE_lake-api"),
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_attempt_that_another_process_has_ended_is_dropped() {
    let helper = tempfile::tempdir().unwrap();
    let world = World::start_with(|config| {
        config.worker = WorkerSettings::Program { program: held_worker(helper.path()) };
    })
    .await;
    let id = world.submit("anna", BY_REGION).await.id;
    let starts = || std::fs::read_to_string(helper.path().join("started")).unwrap_or_default().lines().count();
    until("it is computed", async || starts() == 1).await;
    // As a second process does whose policy is another one.
    let storage = Storage::open(&world.config.storage).unwrap();
    let keys = FileKeys::directory(world.directory.path().join("keys"));
    let key = JournalKey::from_seed(keys.key(KeyPurpose::Journal).unwrap().expose());
    let journal = Journal::open(storage.store(), Arc::new(key)).await.unwrap();
    let event = Event::VettingRestarted { release: id.parse().unwrap(), cause: RestartCause::PolicyChanged };
    let restarted = journal
        .transact(Actor::service("release-service"), |_| Ok::<_, std::convert::Infallible>(vec![event.clone()]))
        .await;
    restarted.unwrap();
    std::fs::write(helper.path().join("go"), "").unwrap();
    assert_eq!(world.settled("anna", &id).await.state, ReleaseState::InReview);
    assert_eq!(starts(), 2, "what was computed for the first attempt is not the second one's answer");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_ends_the_service_time_and_again_goes_back_to_its_requester() {
    let world = World::start().await;
    for _ in 0..8 {
        world.submit("anna", BY_REGION).await;
    }
    let World { directory, mut config, running, client } = world;
    let issuer = running.dev_issuer().unwrap().address();
    running.shutdown().await;
    let storage = Storage::open(&config.storage).unwrap();
    let keys = FileKeys::directory(directory.path().join("keys"));
    let key = JournalKey::from_seed(keys.key(KeyPurpose::Journal).unwrap().expose());
    let journal = Journal::open(storage.store(), Arc::new(key)).await.unwrap();
    let state = journal.state();
    let open = state.releases().values().find(|record| record.state() == oscar_journal::ReleaseState::Vetting);
    let id = open.expect("the service was stopped before all were vetted").id().clone();
    for _ in 0..4 {
        let event = Event::VettingRestarted { release: id.clone(), cause: RestartCause::Interrupted };
        let actor = Actor::service("release-service");
        journal.transact(actor, |_| Ok::<_, std::convert::Infallible>(vec![event.clone()])).await.unwrap();
    }
    drop(journal);
    config.dev_issuer.as_mut().unwrap().listen = issuer;
    let running = Server::start(config.clone()).await.unwrap();
    let world = World { directory, config, running, client };
    let release = world.settled("anna", id.as_str()).await;
    assert_eq!(release.state, ReleaseState::Returned, "{release:?}");
    world.running.shutdown().await;
}
