//! The operator as a process of its own, so that its memory and CPU are its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use oscar_blueprint::AccessKey;
use oscar_e2e::cluster::{Cluster, HOME};
use oscar_e2e::own_operator::{operators_client, writes};
use oscar_operator::run::{Place, run};
use oscar_operator::settings::Settings;
use oscar_operator::storage::{
    Access, Ensured, Erased, Guarantees, S3Storage, StorageError, StorageProvider, TenantStorage,
};
use tokio_util::sync::CancellationToken;

use crate::Storage;
use crate::samples::Sample;

/// Requests that were to change something, by resource.
type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

/// Runs the operator until its input ends; says its counts for every line that it gets.
pub(crate) async fn be(settings: &Path, kubeconfig: &Path, storage: Storage) -> anyhow::Result<()> {
    let mut settings = Settings::from_file(settings)?;
    settings.admin_listen = std::env::var("OSCAR_SCALE_ADMIN")?.parse()?;
    let counts = Counts::default();
    let counted = Arc::clone(&counts);
    let client = operators_client(kubeconfig, move |request, inner| {
        if writes(request.method()) {
            *counted.lock().unwrap().entry(resource(request.uri().path())).or_default() += 1;
        }
        async move { inner.send(request).await }
    })
    .await?;
    let storage: Arc<dyn StorageProvider> = match storage {
        Storage::Real => Arc::new(S3Storage::new(settings.storage.clone(), &settings.installation.object_store).await),
        Storage::Fake => Arc::new(Memory { prefix: settings.storage.bucket_prefix.clone() }),
    };
    let stop = CancellationToken::new();
    let ended = stop.clone();
    std::thread::spawn(move || {
        for _ in std::io::stdin().lock().lines() {
            println!("{}", serde_json::json!(*counts.lock().unwrap()));
        }
        ended.cancel();
    });
    let place = Place { namespace: HOME.to_owned(), identity: "scale".to_owned() };
    run(client, storage, settings, place, stop).await
}

/// `configmaps` for `/api/v1/namespaces/oscar-a/configmaps/config`.
fn resource(path: &str) -> String {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let rest = segments.get(if path.starts_with("/api/") { 2 } else { 3 }..).unwrap_or_default();
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    match rest {
        [plural, _, subresource] => format!("{plural}/{subresource}"),
        [plural, ..] => (*plural).to_owned(),
        [] => path.to_owned(),
    }
}

/// Buckets that are names, and identities that open nothing.
struct Memory {
    prefix: String,
}

#[async_trait]
impl StorageProvider for Memory {
    async fn ensure(&self, tenant: &TenantStorage, known: Option<&Access>) -> Result<Ensured, StorageError> {
        let key = |zone: &str| AccessKey {
            id: format!("{}-{zone}", tenant.tag),
            secret: format!("{:032x}", rand::random::<u128>()),
            session_token: None,
        };
        let access = known.cloned().unwrap_or_else(|| Access {
            workspace: key("workspace"),
            intake: key("intake"),
            renew_at: None,
        });
        Ok(Ensured { bucket: tenant.bucket(&self.prefix), users: false, access, guarantees: Guarantees::default() })
    }

    async fn retire(&self, _: &TenantStorage) -> Result<(), StorageError> {
        Ok(())
    }

    async fn erase(&self, tenant: &TenantStorage) -> Result<Erased, StorageError> {
        Ok(Erased { bucket: tenant.bucket(&self.prefix), objects: 0 })
    }
}

/// The running operator.
pub(crate) struct Child {
    process: Process,
    said: Mutex<BufReader<ChildStdout>>,
    http: reqwest::Client,
    admin: String,
}

impl Child {
    /// Starts it and waits until it holds the Lease.
    pub(crate) async fn start(cluster: &Cluster, settings: &Path, storage: Storage) -> anyhow::Result<Self> {
        // Free now, and nobody else on this machine is after it.
        let admin = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string();
        let (id, secret) = cluster.store_administrator();
        let kind = match storage {
            Storage::Real => "real",
            Storage::Fake => "fake",
        };
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--operator")
            .arg(settings)
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .args(["--storage", kind])
            .env("OSCAR_SCALE_ADMIN", &admin)
            .envs([("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_EC2_METADATA_DISABLED", "true")])
            // The identity provider's authority, as the chart's settings have it.
            .env("SSL_CERT_FILE", cluster.folder().join("ca.crt"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = Mutex::new(BufReader::new(process.stdout.take().context("no output")?));
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut child = Self { process, said, http, admin };
        let begun = Instant::now();
        while !child.metrics().await.is_ok_and(|text| text.lines().any(|line| line == "oscar_operator_leader 1")) {
            ensure!(child.process.try_wait()?.is_none(), "the operator ended");
            ensure!(begun.elapsed() < Duration::from_mins(2), "the operator does not begin");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(child)
    }

    async fn metrics(&self) -> reqwest::Result<String> {
        self.http.get(format!("http://{}/metrics", self.admin)).send().await?.text().await
    }

    /// How it stands now.
    pub(crate) async fn sample(&self) -> anyhow::Result<Sample> {
        let metrics = self.metrics().await?;
        let mut line = String::new();
        writeln!(self.process.stdin.as_ref().context("no input")?)?;
        self.said.lock().unwrap().read_line(&mut line)?;
        Sample::new(&metrics, serde_json::from_str(&line)?, self.process.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Its input ends, it gives the Lease back and ends.
        drop(self.process.stdin.take());
        let _reaped = self.process.wait();
    }
}
