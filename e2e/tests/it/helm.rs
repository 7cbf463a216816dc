//! Helm, and what it makes of the charts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use oscar_e2e::workspace_root;
use oscar_peers::{in_ci, skipped};

/// Helm, or nothing after having said SKIPPED.
pub(crate) fn helm() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOUND.get_or_init(find) {
        Ok(path) => Some(path),
        Err(why) => {
            assert!(!in_ci(), "{why}");
            skipped(why);
            None
        }
    }
}

/// The cluster's own Helm, else one of the same major version from the path, else (on
/// continuous integration) one that Go builds from the cluster's module.
fn find() -> Result<PathBuf, String> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let settings = std::fs::read_to_string(workspace_root().join("e2e/cluster/lib/common.sh")).unwrap();
    let setting = |name: &str| {
        let word = settings.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
        word.unwrap_or_else(|| panic!("no {name} in common.sh")).to_owned()
    };
    let cache =
        std::env::var_os("OSCAR_CLUSTER_CACHE").map_or_else(|| home.join(".cache/oscar-cluster"), PathBuf::from);
    let version = setting("HELM");
    let clusters = cache.join("bin").join(format!("tools-{version}-{}", setting("COREDNS"))).join("helm");
    let major = version.split('.').next().unwrap();
    let answers = |program: &Path| {
        let output = Command::new(program).args(["version", "--template", "{{.Version}}"]).output();
        output.is_ok_and(|output| output.stdout.starts_with(format!("v{major}.").as_bytes()))
    };
    for program in [clusters, PathBuf::from("helm")] {
        if answers(&program) {
            return Ok(program);
        }
    }
    let missing = format!("no Helm {major}: e2e/cluster/up builds one, or put one in the path");
    if !in_ci() {
        return Err(missing);
    }
    let built = home.join(".cache/oscar/tools/bin/helm");
    let output = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(&built)
        .arg("helm.sh/helm/v4/cmd/helm")
        .current_dir(workspace_root().join("e2e/cluster/tools"))
        .env("CGO_ENABLED", "0")
        .output();
    let said =
        output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
    if answers(&built) { Ok(built) } else { Err(format!("{missing}; Go says: {said}")) }
}

/// A file of values of these tests.
pub(crate) fn values(name: &str) -> PathBuf {
    workspace_root().join("e2e/tests/it/values").join(format!("{name}.yaml"))
}

/// Renders a chart as an installation into `oscar-host` would.
pub(crate) fn render(helm: &Path, chart: &str, more: &[&str]) -> Output {
    Command::new(helm)
        .args(["template", chart])
        .arg(workspace_root().join("charts").join(chart))
        .args(["--namespace", "oscar-host", "--kube-version", "1.34.4"])
        .args(more)
        .output()
        .unwrap()
}

/// The documents of a chart rendered with a file of values.
pub(crate) fn documents(helm: &Path, chart: &str, with: Option<&str>) -> Vec<String> {
    let file = with.map(|name| values(name).to_str().unwrap().to_owned());
    let more: Vec<&str> = file.iter().flat_map(|file| ["-f", file]).collect();
    let output = render(helm, chart, &more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split("---\n# Source: ").skip(1).map(|document| format!("# {document}")).collect()
}
