//! A real Kubernetes cluster on this machine with OSCAR HOST installed by its charts.
//!
//! `e2e/cluster/up` brings the cluster up, `hosts` the stand-ins of the internet and of the
//! cloud's metadata service, `s3` the object store; an OpenID provider serves over TLS on the
//! node's address. All of it stays for the next run; `e2e/cluster/down` takes it away.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use oscar_peers::{OIDC_AUDIENCE, OidcProvider, OidcTls, PeerError};
use serde_json::{Value, json};

use crate::installation::{access_token, verification_address};
use crate::{binary, workspace_root};

/// The node's address: the object store and the identity provider are there as well.
const NODE: &str = "198.18.0.1";
/// The namespace of the operator, of permits and of extracts.
pub const HOME: &str = "oscar-host";
/// How long the cluster may take for anything.
const PATIENCE: Duration = Duration::from_mins(3);

/// The cluster, and OSCAR HOST on it.
pub struct Cluster {
    folder: tempfile::TempDir,
    path: String,
    kubeconfig: PathBuf,
    s3: (String, String),
    provider: OidcProvider,
}

impl Cluster {
    /// Brings everything up and installs OSCAR HOST anew.
    ///
    /// # Errors
    /// Absent where no cluster can be had: not as root on Linux, without Go or Node, or where
    /// the node's parts do not come up. Broken when OSCAR HOST does not install on one that did.
    pub fn start() -> Result<Self, PeerError> {
        for (program, why) in [
            ("go", "builds Kubernetes and Cilium"),
            ("python3", "loads images"),
            ("openssl", "makes certificates"),
            ("node", "runs the identity provider"),
        ] {
            if Command::new(program).arg(if program == "go" { "version" } else { "--help" }).output().is_err() {
                return Err(PeerError::Absent(format!("no {program}, which {why}")));
            }
        }
        if !cfg!(target_os = "linux") || !is_root() {
            return Err(PeerError::Absent("a cluster needs root on Linux".to_owned()));
        }
        let node = || -> anyhow::Result<String> {
            let export = script("up", &[])?;
            script("hosts", &[])?;
            script("s3", &[])?;
            Ok(export)
        };
        let export = node().map_err(|error| PeerError::Absent(format!("no cluster here: {error:#}")))?;
        // The identity provider may be absent by its own word.
        Self::on_node(&export).map_err(|error| match error.downcast::<PeerError>() {
            Ok(peer) => peer,
            Err(error) => PeerError::Broken(format!("{error:#}")),
        })
    }

    fn on_node(export: &str) -> anyhow::Result<Self> {
        let export = export.lines().rev().find(|line| line.starts_with("export ")).context("up says no settings")?;
        let setting = |name: &str| {
            let value = export.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
            value.map(str::to_owned).with_context(|| format!("up does not say {name}"))
        };
        let inherited = std::env::var("PATH").unwrap_or_default();
        let path = setting("PATH")?.replace("$PATH", &inherited);
        let kubeconfig = PathBuf::from(setting("KUBECONFIG")?);
        let admin = fs::read_to_string(kubeconfig.with_file_name("s3").join("admin.env"))?;
        let credential = |name: &str| {
            let value = admin.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
            value.map(str::to_owned).with_context(|| format!("s3 does not say {name}"))
        };
        let s3 = (credential("AWS_ACCESS_KEY_ID")?, credential("AWS_SECRET_ACCESS_KEY")?);
        let folder = tempfile::tempdir()?;
        let provider = identity_provider(folder.path())?;
        let cluster = Self { folder, path, kubeconfig, s3, provider };
        cluster.install()?;
        Ok(cluster)
    }

    /// Installs the charts as the README says, on a cluster without tenants.
    fn install(&self) -> anyhow::Result<()> {
        if self.try_kubectl(&["get", "crd", "tenants.host.oscar-project.com"])?.status.success() {
            self.try_kubectl(&["delete", "datapermits,extracts", "-n", HOME, "--all", "--timeout=60s"])?;
            self.kubectl(&["delete", "tenants", "--all", "--timeout=180s"])?;
        }
        let lake_api = image("lake-api", &["--entrypoint", "/lake-api"], &[stripped(self.folder.path(), "lake-api")?])?;
        let operator = image(
            "operator",
            &["--entrypoint", "/oscar-operator"],
            &[stripped(self.folder.path(), "oscar-operator")?],
        )?;
        let gateway = image(
            "gateway",
            &["--entrypoint", "/busybox"],
            &[PathBuf::from("/bin/busybox"), stripped(self.folder.path(), "oscar")?],
        )?;
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}))?;
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gateway"}}))?;
        self.apply(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "object-store-admin", "namespace": HOME},
            "stringData": {"AWS_ACCESS_KEY_ID": self.s3.0, "AWS_SECRET_ACCESS_KEY": self.s3.1}}),
        )?;
        let port: u16 = self.issuer().rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")?;
        let values = json!({
            "operator": {"image": operator, "replicas": 1, "caBundle": fs::read_to_string(self.authority())?,
                "issuerNetworks": [{"cidr": format!("{NODE}/32"), "port": port}]},
            "lakeApi": {"image": lake_api},
            "gateway": {"namespace": "gateway", "labels": {"app": "gateway"}},
            "objectStore": {"endpoint": format!("http://{NODE}:8333"), "addresses": [NODE], "port": 8333,
                "adminSecret": "object-store-admin"},
            // Here Cilium's agent is a process of the node, with a user of its own.
            "admission": {"systemWriters": ["cilium ciliumendpoints.cilium.io"]},
            "probe": {"outsideTcp": ["203.0.113.10:443"], "outsideUdp": ["203.0.113.10:53"]},
        });
        let file = self.folder.path().join("values.json");
        fs::write(&file, serde_json::to_vec_pretty(&values)?)?;
        let charts = workspace_root().join("charts");
        for (name, more) in [("oscar-crds", vec![]), ("oscar-host", vec!["-f", text(&file)?])] {
            let chart = charts.join(name);
            let arguments = [
                "upgrade",
                "--install",
                name,
                text(&chart)?,
                "-n",
                HOME,
                "--wait",
                "--timeout",
                "120s",
                "--force-conflicts",
            ];
            self.run("helm", &[&arguments[..], &more].concat(), None)?;
        }
        self.kubectl(&["-n", HOME, "rollout", "status", "deployment/oscar-operator", "--timeout=120s"])?;
        self.start_gateway(&gateway)
    }

    /// A pod where the installation's gateway would be, with the `oscar` program in it.
    fn start_gateway(&self, image: &str) -> anyhow::Result<()> {
        let bundle = self.until("the authority's certificate", || {
            let found = self.try_kubectl(&[
                "-n",
                HOME,
                "get",
                "configmap",
                "oscar-ca-bundle",
                "-o",
                "jsonpath={.data.ca\\.crt}",
            ])?;
            Ok(Some(String::from_utf8(found.stdout)?).filter(|text| text.contains("BEGIN CERTIFICATE")))
        })?;
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
        self.apply(
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "gateway"},
            "data": {"ca.crt": bundle}}),
        )?;
        self.apply(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "gateway", "namespace": "gateway", "labels": {"app": "gateway"}},
            "spec": {"terminationGracePeriodSeconds": 0, "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
                "containers": [{"name": "gateway", "image": image, "imagePullPolicy": "IfNotPresent",
                    "args": ["sleep", "86400"], "env": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}, {"name": "HOME", "value": "/tmp"}],
                    "volumeMounts": [{"name": "ca", "mountPath": "/ca"}]}]}}))?;
        self.kubectl(&["-n", "gateway", "wait", "--for=condition=Ready", "pod/gateway", "--timeout=60s"])?;
        Ok(())
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
        &self.kubeconfig
    }

    /// The object store's administrator: access key id and secret.
    #[must_use]
    pub fn store_administrator(&self) -> (&str, &str) {
        (&self.s3.0, &self.s3.1)
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

    /// Puts a file into a bucket as the store's administrator, as a data holder's transfer would.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn put(&self, bucket: &str, key: &str, file: &Path) -> anyhow::Result<()> {
        let url = format!("http://{NODE}:8333/{bucket}/{key}");
        let user = format!("{}:{}", self.s3.0, self.s3.1);
        let arguments =
            ["-sSf", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &user, "-T", text(file)?, &url];
        self.run("curl", &arguments, None).map(drop)
    }

    /// The status that the store answers to the administrator who asks for a bucket.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn bucket_status(&self, bucket: &str) -> anyhow::Result<String> {
        let url = format!("http://{NODE}:8333/{bucket}");
        let user = format!("{}:{}", self.s3.0, self.s3.1);
        let arguments = [
            "-s",
            "--noproxy",
            "*",
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "--user",
            &user,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-I",
            &url,
        ];
        self.run("curl", &arguments, None)
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
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
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

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Runs a script of `e2e/cluster`; returns what it printed.
fn script(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let program = workspace_root().join("e2e/cluster").join(name);
    let output = Command::new(&program).args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A binary without what a debugger needs: a tenth of the size.
fn stripped(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    let status = Command::new("strip").arg("-o").arg(&path).arg(binary(name)).status()?;
    ensure!(status.success(), "{name} cannot be stripped");
    Ok(path)
}

/// Builds an image; returns its name with its digest.
fn image(name: &str, options: &[&str], files: &[PathBuf]) -> anyhow::Result<String> {
    let tag = format!("localhost/oscar/{name}:e2e");
    let files = files.iter().map(|file| text(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let fixed = [tag.as_str(), "--with-libs", "--user", "65532:65532"];
    let printed = script("image", &[&fixed[..], options, &files].concat())?;
    let digest = printed.split_whitespace().find(|word| word.starts_with("sha256:")).context("no digest")?;
    Ok(format!("localhost/oscar/{name}@{digest}"))
}

/// A provider on the node's address, with a certificate of an authority of its own.
fn identity_provider(folder: &Path) -> anyhow::Result<OidcProvider> {
    let path = |name: &str| folder.join(name);
    let openssl = |arguments: &[&str]| -> anyhow::Result<()> {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output()?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority =
        ["req", "-x509", "-days", "30", "-subj", "/CN=identity authority", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(&[&authority[..], &key].concat())?;
    let request = ["req", "-subj", "/CN=identity provider", "-keyout", "idp.key", "-out", "idp.csr"];
    openssl(&[&request[..], &key].concat())?;
    fs::write(path("idp.ext"), format!("subjectAltName=IP:{NODE}\nextendedKeyUsage=serverAuth\n"))?;
    openssl(&[
        "x509",
        "-req",
        "-days",
        "30",
        "-in",
        "idp.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-extfile",
        "idp.ext",
        "-out",
        "idp.crt",
    ])?;
    let address = IpAddr::V4(NODE.parse::<Ipv4Addr>()?);
    let (certificate, key, authority) = (path("idp.crt"), path("idp.key"), path("ca.crt"));
    let tls = OidcTls { address, certificate: &certificate, key: &key, authority: &authority };
    Ok(OidcProvider::start_tls(tls)?)
}
