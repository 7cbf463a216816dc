//! A real Kubernetes cluster on this machine with OSCAR HOST installed by its charts.
//!
//! `e2e/cluster/up` brings the cluster up, `hosts` the stand-ins of the internet and of the
//! cloud's metadata service, `s3` the object store; an OpenID provider serves over TLS on the
//! node's address. All of it stays for the next run; `e2e/cluster/down` takes it away.
//!
//! Where `OSCAR_E2E_VALUES` names a file of chart values (JSON), the cluster of `KUBECONFIG` is
//! used instead; it must have no tenants. Besides, `OSCAR_E2E_HOST` is this machine's address as
//! that cluster reaches it, `OSCAR_E2E_GATEWAY_IMAGE` an image with `/busybox` and `/oscar`, and
//! `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are the object store's administrator. Tests that
//! break a node are skipped there.

mod identity_provider;
mod node;
mod store;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use oscar_peers::{OIDC_AUDIENCE, OidcProvider, PeerError};
use serde_json::{Value, json};

use self::node::{Node, image, script, stripped};
use crate::installation::{access_token, verification_address};
use crate::{binary, workspace_root};

/// The namespace of the operator, of permits and of extracts.
pub const HOME: &str = "oscar-host";
/// How long the cluster may take for anything.
const PATIENCE: Duration = Duration::from_mins(3);

/// The cluster, and OSCAR HOST on it.
pub struct Cluster {
    folder: tempfile::TempDir,
    node: Node,
    provider: OidcProvider,
}

impl Cluster {
    /// Brings everything up and installs OSCAR HOST anew.
    ///
    /// # Errors
    /// Absent where no cluster can be had: not as root on Linux, without Go or Node, or where
    /// the node's parts do not come up. Broken when OSCAR HOST does not install on one that did.
    pub fn start() -> Result<Self, PeerError> {
        for (program, why) in [("openssl", "makes certificates"), ("node", "runs the identity provider")] {
            if Command::new(program).arg("--help").output().is_err() {
                return Err(PeerError::Absent(format!("no {program}, which {why}")));
            }
        }
        let folder = tempfile::tempdir().map_err(|error| PeerError::Broken(error.to_string()))?;
        let node = Node::find(folder.path())?;
        // The identity provider may be absent by its own word.
        Self::on(node, folder).map_err(|error| match error.downcast::<PeerError>() {
            Ok(peer) => peer,
            Err(error) => PeerError::Broken(format!("{error:#}")),
        })
    }

    fn on(node: Node, folder: tempfile::TempDir) -> anyhow::Result<Self> {
        let provider = identity_provider::start(folder.path(), node.host)?;
        let cluster = Self { folder, node, provider };
        cluster.install()?;
        Ok(cluster)
    }

    /// Whether the tests may break the cluster's node and store.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.node.own
    }

    /// Installs the charts as the README says, on a cluster without tenants.
    fn install(&self) -> anyhow::Result<()> {
        if self.try_kubectl(&["get", "crd", "tenants.host.oscar-project.com"])?.status.success() {
            if !self.node.own {
                let tenants = self.kubectl(&["get", "tenants", "-o", "name"])?;
                ensure!(tenants.is_empty(), "the given cluster has tenants; the tests use only one without");
            }
            self.without_tenants()?;
        }
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}))?;
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gateway"}}))?;
        self.apply(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "object-store-admin", "namespace": HOME},
            "stringData": {"AWS_ACCESS_KEY_ID": self.node.administrator.0, "AWS_SECRET_ACCESS_KEY": self.node.administrator.1}}),
        )?;
        let port: u16 = self.issuer().rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")?;
        let mut values = self.node.values.clone();
        let operator = values.pointer_mut("/operator").and_then(Value::as_object_mut).context("no operator")?;
        operator.insert("caBundle".to_owned(), json!(fs::read_to_string(self.authority())?));
        operator.insert("issuerNetworks".to_owned(), json!([{"cidr": format!("{}/32", self.node.host), "port": port}]));
        fs::write(self.values(), serde_json::to_vec_pretty(&values)?)?;
        let charts = workspace_root().join("charts");
        self.helm_upgrade("oscar-crds", &charts.join("oscar-crds"), &[])?;
        self.upgrade(&charts.join("oscar-host"), &[])?;
        self.start_gateway(&self.node.gateway)
    }

    /// Removes every tenant, with its permits and extracts.
    ///
    /// # Errors
    /// When one does not go.
    pub fn without_tenants(&self) -> anyhow::Result<()> {
        self.try_kubectl(&["delete", "datapermits,extracts", "-n", HOME, "--all", "--timeout=60s"])?;
        self.kubectl(&["delete", "tenants", "--all", "--timeout=180s"]).map(drop)
    }

    fn values(&self) -> PathBuf {
        self.folder.path().join("values.json")
    }

    /// Upgrades the installation to a chart and to settings (`key=JSON`) beside the first ones;
    /// what is not said again goes back to what it was.
    ///
    /// # Errors
    /// With what Helm said.
    pub fn upgrade(&self, chart: &Path, settings: &[&str]) -> anyhow::Result<()> {
        let values = self.values();
        let settings = settings.iter().flat_map(|setting| ["--set-json", setting]);
        let more: Vec<&str> = ["-f", text(&values)?].into_iter().chain(settings).collect();
        self.helm_upgrade("oscar-host", chart, &more)?;
        self.kubectl(&["-n", HOME, "rollout", "status", "deployment/oscar-operator", "--timeout=120s"]).map(drop)
    }

    /// The chart as it is.
    #[must_use]
    pub fn chart() -> PathBuf {
        workspace_root().join("charts/oscar-host")
    }

    /// The image of the lake-api that is installed, by digest.
    #[must_use]
    pub fn lake_api_image(&self) -> &str {
        self.node.lake_api_image()
    }

    /// The same program in an image of another digest.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn another_lake_api_image(&self) -> anyhow::Result<String> {
        let files = [stripped(self.folder.path(), "lake-api")?, workspace_root().join("LICENSE")];
        image("lake-api-before", &["--entrypoint", "/lake-api"], &files)
    }

    fn helm_upgrade(&self, release: &str, chart: &Path, more: &[&str]) -> anyhow::Result<()> {
        let arguments = ["upgrade", "--install", release, text(chart)?, "-n", HOME];
        let waiting = ["--wait", "--timeout", "120s", "--force-conflicts"];
        self.run("helm", &[&arguments[..], &waiting, more].concat(), None).map(drop)
    }

    /// Stops parts of the cluster as a crash would; see `e2e/cluster/stop`.
    ///
    /// # Errors
    /// When one does not run.
    pub fn stop(&self, parts: &[&str]) -> anyhow::Result<()> {
        script("stop", parts).map(drop)
    }

    /// Starts what does not run of the cluster, and waits until it does.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start_stopped(&self) -> anyhow::Result<()> {
        script("up", &[]).map(drop)
    }

    /// The folder with the cluster's state and logs.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.node.kubeconfig.parent().unwrap_or(&self.node.kubeconfig)
    }

    /// What the API server has written into its audit log since it began.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit_log(&self) -> anyhow::Result<Vec<Value>> {
        let log = fs::read_to_string(self.state().join("log/audit.jsonl"))?;
        // The last line may be half written.
        Ok(log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// A pod where the installation's gateway would be, with the `oscar` program in it.
    fn start_gateway(&self, image: &str) -> anyhow::Result<()> {
        self.kubectl(&[
            "-n",
            "gateway",
            "delete",
            "pod",
            "gateway",
            "--ignore-not-found",
            "--grace-period=0",
            "--force",
        ])?;
        self.trust()?;
        self.apply(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "gateway", "namespace": "gateway", "labels": {"app": "gateway"}},
            "spec": {"terminationGracePeriodSeconds": 0, "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
                "containers": [{"name": "gateway", "image": image, "imagePullPolicy": "IfNotPresent",
                    "args": ["sleep", "86400"], "env": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}, {"name": "HOME", "value": "/tmp"}],
                    "volumeMounts": [{"name": "ca", "mountPath": "/ca"}]}]}}))?;
        self.kubectl(&["-n", "gateway", "wait", "--for=condition=Ready", "pod/gateway", "--timeout=60s"])?;
        Ok(())
    }

    /// Tells the gateway which authorities the installation says are to be trusted now.
    ///
    /// # Errors
    /// When it says none.
    pub fn trust(&self) -> anyhow::Result<()> {
        let bundle =
            self.until("the authority's certificate", || Ok(self.trusted()?.filter(|text| !text.is_empty())))?;
        self.apply(
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "gateway"},
            "data": {"ca.crt": bundle}}),
        )?;
        // A pod that is changed has its volumes refreshed at once.
        let told = format!("trust={}", std::process::id());
        self.try_kubectl(&["-n", "gateway", "annotate", "pod", "gateway", "--overwrite", &told]).map(drop)
    }

    /// The certificates (PEM) that the installation says are to be trusted.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn trusted(&self) -> anyhow::Result<Option<String>> {
        let bundle = ["-n", HOME, "get", "configmap", "oscar-ca-bundle", "-o", "jsonpath={.data.ca\\.crt}"];
        let found = self.try_kubectl(&bundle)?;
        Ok(found.status.success().then(|| String::from_utf8(found.stdout)).transpose()?)
    }

    /// The identity provider's issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.provider.issuer()
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The file that makes its reader the cluster's administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.node.kubeconfig
    }

    /// Lets so many operators run; with none, waits until the last one has ended.
    ///
    /// # Errors
    /// With what the API server said.
    pub fn run_operators(&self, count: u8) -> anyhow::Result<()> {
        self.kubectl(&["-n", HOME, "scale", "deployment/oscar-operator", "--replicas", &count.to_string()])?;
        if count == 0 {
            let label = "app.kubernetes.io/name=oscar-operator";
            self.kubectl(&["-n", HOME, "wait", "--for=delete", "pod", "-l", label, "--timeout=60s"])?;
        }
        Ok(())
    }

    /// A folder for a test's files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Logs `user` in by the device flow of `oscar login`; returns the access token.
    ///
    /// # Errors
    /// When the flow does not end with a token.
    pub fn token(&self, user: &str) -> anyhow::Result<String> {
        let config = tempfile::tempdir()?;
        let mut login = Command::new(binary("oscar"))
            .args(["login", "--device", "--issuer", &self.issuer(), "--client-id", "oscar-cli"])
            .args(["--server", "https://127.0.0.1:8443"])
            .env("XDG_CONFIG_HOME", config.path())
            .env("SSL_CERT_FILE", self.authority())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let address = verification_address(&mut login)?;
        self.provider.sign_in(&address, user)?;
        let output = login.wait_with_output()?;
        ensure!(output.status.success(), "oscar login: {}", String::from_utf8_lossy(&output.stderr));
        let kept: Value = serde_json::from_slice(&fs::read(config.path().join("oscar/tokens.json"))?)?;
        access_token(&kept).context("no access token is kept")
    }

    /// Runs `oscar` at the gateway against a tenant's API.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn oscar(&self, tenant: &str, token: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        let server = format!("https://lake-api.oscar-{tenant}.svc:8443");
        let token = format!("OSCAR_TOKEN={token}");
        let fixed =
            ["-n", "gateway", "exec", "gateway", "--", "/busybox", "env", &token, "/oscar", "--server", &server];
        self.try_kubectl(&[&fixed[..], arguments].concat())
    }

    /// Runs `oscar` with JSON output and reads it. A refusal (3) or a decision to come (7) is an answer.
    ///
    /// # Errors
    /// With what the program said.
    pub fn ask(&self, tenant: &str, token: &str, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.oscar(tenant, token, &[arguments, &["--output", "json"]].concat())?;
        let said = || [output.stdout.as_slice(), &output.stderr].concat();
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("oscar {}: {}", arguments.join(" "), String::from_utf8_lossy(&said())))
    }

    /// Applies an object as the cluster's administrator.
    ///
    /// # Errors
    /// With what the API server said.
    pub fn apply(&self, object: &Value) -> anyhow::Result<()> {
        self.run("kubectl", &["apply", "-f", "-"], Some(&object.to_string())).map(drop)
    }

    /// Runs `kubectl` with an object as its input, whatever comes of it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
        self.command("kubectl", arguments, Some(input))
    }

    /// Runs `kubectl`; the answer is its output.
    ///
    /// # Errors
    /// With what it said when it failed.
    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run("kubectl", arguments, None)
    }

    /// Runs `kubectl`, whatever comes of it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn try_kubectl(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.command("kubectl", arguments, None)
    }

    /// An object as JSON.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let answer = self.kubectl(&[&["get", "-o", "json"], arguments].concat())?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Asks again and again until there is an answer.
    ///
    /// # Errors
    /// When there is none in time, or asking fails.
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            ensure!(begun.elapsed() < PATIENCE, "{what} does not come");
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// Waits until a condition of an object has a status; returns its message.
    ///
    /// # Errors
    /// With all conditions when it does not come to that.
    pub fn wait_for(&self, object: &[&str], kind: &str, status: &str) -> anyhow::Result<String> {
        let mut last = Value::Null;
        let waited = self.until(kind, || {
            let found = self.get(object)?;
            last = found.pointer("/status/conditions").cloned().unwrap_or_default();
            let conditions = last.as_array().into_iter().flatten();
            let met = conditions.clone().find(|condition| condition["type"] == kind && condition["status"] == status);
            let current =
                met.filter(|condition| condition.get("observedGeneration") == found.pointer("/metadata/generation"));
            Ok(current.map(|condition| condition["message"].as_str().unwrap_or_default().to_owned()))
        });
        waited.with_context(|| format!("{object:?}: {kind} is not {status}: {last:#}"))
    }

    fn run(&self, program: &str, arguments: &[&str], input: Option<&str>) -> anyhow::Result<String> {
        let output = self.command(program, arguments, input)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, program: &str, arguments: &[&str], input: Option<&str>) -> anyhow::Result<Output> {
        let mut child = Command::new("env")
            .arg(program)
            .args(arguments)
            .env("PATH", &self.node.path)
            .env("KUBECONFIG", &self.node.kubeconfig)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            pipe.write_all(input.as_bytes())?;
        }
        Ok(child.wait_with_output()?)
    }
}

/// A tenant of the cluster's provider.
#[must_use]
pub fn tenant(name: &str, issuer: &str) -> Value {
    json!({"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
        "spec": {"organisation": {"name": "Acme Medical ApS", "cvr": "12345678"},
            "issuers": [{"issuer": issuer, "audience": OIDC_AUDIENCE}],
            "storage": {"quota": "10Gi", "landingRetentionDays": 30}, "compute": {"size": "small"}, "deletionPolicy": "Erase"}})
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}
