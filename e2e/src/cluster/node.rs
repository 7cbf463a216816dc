//! Where the cluster is: on this machine, brought up by the scripts of `e2e/cluster`, or one
//! that somebody else has, named by `KUBECONFIG` and described by `OSCAR_E2E_VALUES`.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use oscar_peers::PeerError;
use serde_json::{Value, json};

use super::text;
use crate::{binary, is_root, workspace_root};

/// Chart values for a cluster that is not this machine's own; saying them is the consent to
/// use the cluster of `KUBECONFIG`.
const VALUES: &str = "OSCAR_E2E_VALUES";
/// The address of our own node: the object store and the identity provider are there as well.
const OWN_HOST: &str = "198.18.0.1";

/// A cluster's surroundings.
pub(super) struct Node {
    /// Search path with `kubectl` and `helm`.
    pub(super) path: String,
    /// The file that makes its reader the cluster's administrator.
    pub(super) kubeconfig: PathBuf,
    /// This machine as the cluster reaches it.
    pub(super) host: Ipv4Addr,
    /// Access key id and secret of the object store's administrator.
    pub(super) administrator: (String, String),
    /// Chart values, but for what the identity provider brings.
    pub(super) values: Value,
    /// The image of the pod that stands for the gateway: `/busybox` and `/oscar`.
    pub(super) gateway: String,
    /// Whether tests may break the node and its store.
    pub(super) own: bool,
}

impl Node {
    /// The cluster to test on.
    ///
    /// # Errors
    /// Absent where none can be had, broken where a given one is not described.
    pub(super) fn find(folder: &Path) -> Result<Self, PeerError> {
        if std::env::var_os(VALUES).is_some() {
            return Self::given().map_err(|error| PeerError::Broken(format!("{error:#}")));
        }
        for (program, why) in [("go", "builds Kubernetes and Cilium"), ("python3", "loads images")] {
            let question = if program == "go" { "version" } else { "--help" };
            if Command::new(program).arg(question).output().is_err() {
                return Err(PeerError::Absent(format!("no {program}, which {why}")));
            }
        }
        if !cfg!(target_os = "linux") || !is_root() {
            return Err(PeerError::Absent("a cluster needs root on Linux".to_owned()));
        }
        let up = || -> anyhow::Result<String> {
            let export = script("up", &[])?;
            script("hosts", &[])?;
            script("s3", &[])?;
            Ok(export)
        };
        let export = up().map_err(|error| PeerError::Absent(format!("no cluster here: {error:#}")))?;
        Self::own(&export, folder).map_err(|error| PeerError::Broken(format!("{error:#}")))
    }

    /// The one that the scripts have brought up, with images of this build.
    fn own(export: &str, folder: &Path) -> anyhow::Result<Self> {
        let export = export.lines().rev().find(|line| line.starts_with("export ")).context("up says no settings")?;
        let setting = |name: &str| {
            let value = export.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
            value.map(str::to_owned).with_context(|| format!("up does not say {name}"))
        };
        let inherited = std::env::var("PATH").unwrap_or_default();
        let kubeconfig = PathBuf::from(setting("KUBECONFIG")?);
        let admin = fs::read_to_string(kubeconfig.with_file_name("s3").join("admin.env"))?;
        let credential = |name: &str| {
            let value = admin.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
            value.map(str::to_owned).with_context(|| format!("s3 does not say {name}"))
        };
        let lake_api = image("lake-api", &["--entrypoint", "/lake-api"], &[stripped(folder, "lake-api")?])?;
        let operator = image("operator", &["--entrypoint", "/oscar-operator"], &[stripped(folder, "oscar-operator")?])?;
        let files = ["/bin/busybox".into(), stripped(folder, "oscar")?];
        let gateway = image("gateway", &["--entrypoint", "/busybox"], &files)?;
        let values = json!({
            "operator": {"image": operator, "replicas": 1},
            "lakeApi": {"image": lake_api},
            "gateway": {"namespace": "gateway", "labels": {"app": "gateway"}},
            "objectStore": {"endpoint": format!("http://{OWN_HOST}:8333"), "addresses": [OWN_HOST], "port": 8333,
                "adminSecret": "object-store-admin"},
            // Here Cilium's agent is a process of the node, with a user of its own.
            "admission": {"systemWriters": ["cilium ciliumendpoints.cilium.io"]},
            "probe": {"outsideTcp": ["203.0.113.10:443"], "outsideUdp": ["203.0.113.10:53"]},
            "scratch": {"gibibytes": 1},
        });
        Ok(Self {
            path: setting("PATH")?.replace("$PATH", &inherited),
            host: OWN_HOST.parse()?,
            administrator: (credential("AWS_ACCESS_KEY_ID")?, credential("AWS_SECRET_ACCESS_KEY")?),
            kubeconfig,
            values,
            gateway,
            own: true,
        })
    }

    /// One that somebody else has.
    fn given() -> anyhow::Result<Self> {
        let say = |name: &str| std::env::var(name).with_context(|| format!("{VALUES} is set, and {name} is not"));
        let values: Value = serde_json::from_slice(&fs::read(say(VALUES)?).context(VALUES)?)
            .with_context(|| format!("{VALUES}: JSON is wanted"))?;
        for needed in ["/operator/image", "/lakeApi/image", "/objectStore/endpoint", "/objectStore/adminSecret"] {
            ensure!(values.pointer(needed).is_some(), "{VALUES} does not say {needed}");
        }
        Ok(Self {
            path: say("PATH")?,
            kubeconfig: say("KUBECONFIG")?.into(),
            host: say("OSCAR_E2E_HOST")?.parse().context("OSCAR_E2E_HOST is no IPv4 address")?,
            administrator: (say("AWS_ACCESS_KEY_ID")?, say("AWS_SECRET_ACCESS_KEY")?),
            gateway: say("OSCAR_E2E_GATEWAY_IMAGE")?,
            values,
            own: false,
        })
    }

    /// The object store's endpoint.
    pub(super) fn endpoint(&self) -> &str {
        self.values.pointer("/objectStore/endpoint").and_then(Value::as_str).unwrap_or_default()
    }

    /// The image of the lake-api that is installed, by digest.
    pub(super) fn lake_api_image(&self) -> &str {
        self.values.pointer("/lakeApi/image").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Runs a script of `e2e/cluster`; returns what it printed.
pub(super) fn script(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let program = workspace_root().join("e2e/cluster").join(name);
    let output = Command::new(&program).args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A binary without what a debugger needs: a tenth of the size.
pub(super) fn stripped(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    let status = Command::new("strip").arg("-o").arg(&path).arg(binary(name)).status()?;
    ensure!(status.success(), "{name} cannot be stripped");
    Ok(path)
}

/// Builds an image; returns its name with its digest.
pub(super) fn image(name: &str, options: &[&str], files: &[PathBuf]) -> anyhow::Result<String> {
    let tag = format!("localhost/oscar/{name}:e2e");
    let files = files.iter().map(|file| text(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let fixed = [tag.as_str(), "--with-libs", "--user", "65532:65532"];
    let printed = script("image", &[&fixed[..], options, &files].concat())?;
    let digest = printed.split_whitespace().find(|word| word.starts_with("sha256:")).context("no digest")?;
    Ok(format!("localhost/oscar/{name}@{digest}"))
}
