//! The charts' alerts, by Prometheus' own tool.

use std::process::Command;

use oscar_e2e::workspace_root;
use oscar_peers::{in_ci, skipped};

/// Whether `promtool` is here; continuous integration installs it (Debian's package `prometheus`).
fn promtool() -> bool {
    let answers = || Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success());
    if !answers() && in_ci() {
        let install = "apt-get -qq update && apt-get -qq install -y --no-install-recommends prometheus";
        let _ = Command::new("sh").args(["-c", install]).env("DEBIAN_FRONTEND", "noninteractive").output();
    }
    answers()
}

#[test]
fn the_alerts_wake_somebody_up_when_they_should_and_not_before() {
    if !promtool() {
        return skipped("promtool is not installed (Debian's package prometheus)");
    }
    let rules = workspace_root().join("charts/oscar-host/files/alerts_test.yaml");
    let output = Command::new("promtool").args(["test", "rules"]).arg(rules).output().unwrap();
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
