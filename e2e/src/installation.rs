//! One installation: its folder, its permit, its processes.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use oscar_peers::{OIDC_AUDIENCE, OidcProvider, PeerError, SeaweedFs};

use crate::{DATASET, Delivery, SmallDisk, binary};

/// The permit of every installation here.
pub const PERMIT: &str = "FSEID-00001234";

/// How long anything may take before a test gives up waiting for it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A folder with keys, permits and configuration, and where the tenant's bytes are.
pub struct Installation {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    disk: Option<SmallDisk>,
}

impl Installation {
    /// An installation on the local disk, whose permit names alice, carol, dave and erin at `provider`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn on_disk(provider: &OidcProvider) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let storage = serde_json::json!({"kind": "local", "root": folder.path().join("tenant")});
        Self::with_storage(folder, &storage, Vec::new(), provider)
    }

    /// The same with the tenant's bytes on a disk of so many kilobytes.
    ///
    /// # Errors
    /// Absent where no such disk can be had; broken when the folder cannot be written.
    pub fn on_small_disk(provider: &OidcProvider, kilobytes: u64) -> Result<Self, PeerError> {
        let broken = |error: anyhow::Error| PeerError::Broken(format!("no installation: {error:#}"));
        let mut installation = Self::on_disk(provider).map_err(broken)?;
        let tenant = installation.folder().join("tenant");
        std::fs::create_dir_all(&tenant).map_err(|error| broken(error.into()))?;
        installation.disk = Some(SmallDisk::at(&tenant, kilobytes)?);
        Ok(installation)
    }

    /// The same on an object store, in a bucket of its own.
    ///
    /// # Errors
    /// When the bucket cannot be made or the folder cannot be written.
    pub fn on_s3(store: &SeaweedFs, bucket: &str, provider: &OidcProvider) -> anyhow::Result<Self> {
        Self::on_s3_at(&store.endpoint(), store, bucket, provider)
    }

    /// The same with the object store at another address than its own.
    ///
    /// # Errors
    /// When the bucket cannot be made or the folder cannot be written.
    pub fn on_s3_at(endpoint: &str, store: &SeaweedFs, bucket: &str, provider: &OidcProvider) -> anyhow::Result<Self> {
        store.create_bucket(bucket)?;
        let storage = serde_json::json!({"kind": "s3", "endpoint": endpoint, "region": "us-east-1",
            "bucket": bucket, "prefix": "acme", "allowHttp": true});
        let environment = store.environment().into_iter().filter(|(name, _)| !name.contains("ENDPOINT"));
        Self::with_storage(tempfile::tempdir()?, &storage, environment.collect(), provider)
    }

    fn with_storage(
        folder: tempfile::TempDir,
        storage: &serde_json::Value,
        environment: Vec<(&'static str, String)>,
        provider: &OidcProvider,
    ) -> anyhow::Result<Self> {
        let issuer = provider.issuer();
        let path = folder.path();
        std::fs::create_dir_all(path.join("permits"))?;
        let config = serde_json::json!({
            "tenant": "acme", "storage": storage, "keys": {"kind": "directory", "path": path.join("keys")}, "permits": path.join("permits"),
            "personIndex": {"kind": "local", "root": path.join("person-index")},
            "listen": "127.0.0.1:0", "adminListen": "127.0.0.1:0",
            "issuers": [{"issuer": issuer, "audience": OIDC_AUDIENCE}],
            "limits": {"requestsPerSecond": 100_000, "burst": 100_000},
        });
        std::fs::write(path.join("serve.yaml"), serde_json::to_vec_pretty(&config)?)?;
        let installation = Self { folder, environment, disk: None };
        installation.write_permit(&permit(&issuer, "2099-01-01T00:00:00Z"))?;
        Ok(installation)
    }

    /// The installation's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The permit's file.
    #[must_use]
    pub fn permit_file(&self) -> PathBuf {
        self.folder().join("permits/permit.json")
    }

    /// Replaces the permit, as an authority would.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_permit(&self, permit: &serde_json::Value) -> anyhow::Result<()> {
        let new = self.folder().join("permit.new");
        std::fs::write(&new, serde_json::to_vec_pretty(permit)?)?;
        Ok(std::fs::rename(new, self.permit_file())?)
    }

    /// The permit as it was written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn permit(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&std::fs::read(self.permit_file())?)?)
    }

    /// The small disk under the tenant's bytes, where there is one.
    ///
    /// # Errors
    /// When the installation has none.
    pub fn disk(&self) -> anyhow::Result<&SmallDisk> {
        self.disk.as_ref().context("this installation has no disk of its own")
    }

    /// A program of ours as a user of this machine would start it.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let program = binary(program);
        let mut command = self.disk.as_ref().map_or_else(|| Command::new(&program), |disk| disk.command(&program));
        command.envs(self.environment.iter().cloned()).current_dir(self.folder()).env("HOME", self.folder());
        command
    }

    /// Delivers a package through `lake-api intake`.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn intake(&self, delivery: &Delivery) -> anyhow::Result<Output> {
        Ok(self.intake_command(delivery).output()?)
    }

    /// The command of [`Installation::intake`], not started yet.
    #[must_use]
    pub fn intake_command(&self, delivery: &Delivery) -> Command {
        let mut command = self.command("lake-api");
        command.arg("intake").arg(delivery.descriptor()).arg("--config").arg(self.folder().join("serve.yaml"));
        command.arg("--permit").arg(self.permit_file());
        command
    }

    /// Starts `lake-api serve` and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready, with what it said.
    pub fn serve(&self) -> anyhow::Result<Served<'_>> {
        let log = self.folder().join("serve.log");
        let started = Instant::now();
        let child = self
            .command("lake-api")
            .arg("serve")
            .arg("--config")
            .arg(self.folder().join("serve.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let mut served =
            Served { installation: self, child, url: String::new(), admin: String::new(), ready_after: Duration::ZERO };
        served.wait_until_ready(&log)?;
        served.ready_after = started.elapsed();
        Ok(served)
    }
}

/// A running service; killed when dropped.
pub struct Served<'i> {
    installation: &'i Installation,
    child: Child,
    /// The API's address.
    pub url: String,
    /// The admin listener's address.
    pub admin: String,
    /// From the start of the process to its word that it is ready.
    pub ready_after: Duration,
}

impl Served<'_> {
    fn wait_until_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = std::fs::read_to_string(log)?;
            if self.url.is_empty() {
                self.take_addresses(&said);
            } else if get(&self.admin, "/ready").is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("lake-api ended with {status}:\n{said}");
            }
            ensure!(Instant::now() < deadline, "lake-api is not ready:\n{said}");
            std::thread::yield_now();
        }
    }

    fn take_addresses(&mut self, log: &str) {
        let listening = log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|line| line.get("fields").cloned())
            .find(|fields| fields.get("message").is_some_and(|message| message == "listening"));
        let address = |name: &str| listening.as_ref()?.get(name)?.as_str().map(str::to_owned);
        if let (Some(api), Some(admin)) = (address("address"), address("admin_address")) {
            self.url = format!("http://{api}");
            self.admin = admin;
        }
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The body of an unauthenticated GET at the API.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn get(&self, path: &str) -> anyhow::Result<String> {
        get(self.url.strip_prefix("http://").unwrap_or(&self.url), path)
    }

    /// Kills the process where it stands, as a power cut would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to stop (SIGTERM), as a scheduler would, and waits until it has.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let kill = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status()?;
        ensure!(sent.success(), "the signal could not be sent");
        Ok(self.child.wait()?)
    }

    /// Logs `user` in by the device flow of `oscar login`; the person's own folder keeps the token.
    ///
    /// # Errors
    /// When the flow does not end with a token.
    pub fn log_in(&self, provider: &OidcProvider, user: &str) -> anyhow::Result<()> {
        let arguments = ["login", "--device", "--issuer", &provider.issuer(), "--client-id", provider.cli_client()];
        let mut login = self.oscar_command(user, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let address = verification_address(&mut login)?;
        provider.sign_in(&address, user)?;
        let output = login.wait_with_output()?;
        ensure!(output.status.success(), "oscar login: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Logs `user` in through a browser on this machine: authorisation code with PKCE, and the
    /// redirect to the port that `oscar login` listens at.
    ///
    /// # Errors
    /// When the flow does not end with a token.
    pub fn log_in_with_browser(&self, provider: &OidcProvider, user: &str) -> anyhow::Result<()> {
        let arguments = ["login", "--issuer", &provider.issuer(), "--client-id", provider.cli_client()];
        let mut login = self.oscar_command(user, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let address = word_with(&mut login, "code_challenge=")?;
        let back = provider.sign_in(&address, user)?;
        let (host, path) = back
            .strip_prefix("http://")
            .and_then(|rest| Some(rest.split_at(rest.find('/')?)))
            .with_context(|| format!("the provider redirects to {back}"))?;
        get(host, path)?;
        let output = login.wait_with_output()?;
        ensure!(output.status.success(), "oscar login: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The access token that the login of `user` keeps.
    ///
    /// # Errors
    /// When `user` has not logged in.
    pub fn token(&self, user: &str) -> anyhow::Result<String> {
        let file = self.installation.folder().join(user).join("oscar/tokens.json");
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        access_token(&kept).context("no access token is kept")
    }

    /// Runs `oscar` as `user`, who has logged in.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn oscar(&self, user: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        Ok(self.oscar_command(user, arguments).output()?)
    }

    /// The command of [`Served::oscar`], not started yet.
    #[must_use]
    pub fn oscar_command(&self, user: &str, arguments: &[&str]) -> Command {
        let mut command = self.installation.command("oscar");
        command.args(arguments).args(["--server", &self.url]);
        command.env("XDG_CONFIG_HOME", self.installation.folder().join(user)).env_remove("OSCAR_TOKEN");
        command
    }

    /// Runs `oscar` with JSON output and reads it. A release that is refused (3) or still being
    /// decided (7) is an answer; any other end than success is an error.
    ///
    /// # Errors
    /// With what the program said.
    pub fn ask(&self, user: &str, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let output = self.oscar(user, &[arguments, &["--output", "json"]].concat())?;
        ensure!(
            matches!(output.status.code(), Some(0 | 3 | 7)),
            "oscar {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn access_token(kept: &serde_json::Value) -> Option<String> {
    match kept {
        serde_json::Value::Object(fields) => match fields.get("access_token").or_else(|| fields.get("accessToken")) {
            Some(token) => token.as_str().map(str::to_owned),
            None => fields.values().find_map(access_token),
        },
        serde_json::Value::Array(items) => items.iter().find_map(access_token),
        _ => None,
    }
}

/// The body of a GET at a loopback address, when it is answered with 200.
fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "{path} answered {}", head.lines().next().unwrap_or_default());
    Ok(body.to_owned())
}

/// The address that `oscar login --device` asks the person to open.
pub(crate) fn verification_address(login: &mut Child) -> anyhow::Result<String> {
    word_with(login, "user_code=")
}

/// The first word with `mark` in it that the program says.
fn word_with(login: &mut Child, mark: &str) -> anyhow::Result<String> {
    let mut said = Vec::new();
    let stderr = login.stderr.as_mut().context("no standard error")?;
    let mut byte = [0u8; 1];
    while stderr.read(&mut byte)? == 1 {
        said.extend_from_slice(&byte);
        if byte.iter().all(u8::is_ascii_whitespace) {
            let text = String::from_utf8_lossy(&said);
            if let Some(address) = text.split_whitespace().find(|word| word.contains(mark)) {
                return Ok(address.to_owned());
            }
        }
    }
    bail!("oscar login showed no address: {}", String::from_utf8_lossy(&said))
}

fn permit(issuer: &str, until: &str) -> serde_json::Value {
    let person = |subject: &str, role: &str| serde_json::json!({"issuer": issuer, "subject": subject, "role": role});
    serde_json::json!({
        "id": PERMIT, "tenant": "acme", "authority": "Danish Health Data Authority",
        "legalBasis": "EHDS Art. 68", "purpose": ["DUO:0000007"],
        "persons": [person("alice", "analyst"), person("carol", "steward"), person("dave", "controller-steward"),
                    person("erin", "auditor")],
        "datasets": [{"dataset": DATASET, "tables": [{"table": "contact"}]}],
        "profile": "sds", "validFrom": "2020-01-01T00:00:00Z", "validUntil": until,
    })
}
