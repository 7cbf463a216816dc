//! The house is tidy: formatting, lints, licences, sources, layout.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use oscar_peers::{in_ci, skipped};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Output {
    let mut command = Command::new(program.as_ref());
    // Build scripts watch what cargo tells a test about its package: a nested cargo that
    // passed it on would compile half of the dependencies anew.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let kept = ["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name.as_ref());
        if name.starts_with("CARGO_") && !kept || name == "OUT_DIR" {
            command.env_remove(&*name);
        }
    }
    command
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{} did not start: {error}", program.as_ref().display()))
}

fn assert_clean(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what} failed\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Whether a cargo component answers; where it does not, the reason is printed and CI fails.
fn component(name: &str) -> bool {
    let there = Command::new(cargo()).args([name, "--version"]).output().is_ok_and(|output| output.status.success());
    if !there {
        assert!(!in_ci(), "cargo {name} is missing on CI");
        skipped(&format!("cargo {name} is not installed (rustup component add {name})"));
    }
    there
}

#[test]
fn the_code_is_formatted() {
    if component("fmt") {
        assert_clean("cargo fmt --all --check", &run(cargo(), &["fmt", "--all", "--check"]));
    }
}

#[test]
fn the_lints_find_nothing() {
    if component("clippy") {
        let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        assert_clean("cargo clippy", &run(cargo(), &arguments));
    }
}

/// `cargo deny`, found or installed once: two installations at a time get into each other's way.
fn cargo_deny() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find_cargo_deny).clone()
}

/// From the path, from the cache, or (on CI) installed into the cache.
fn find_cargo_deny() -> Option<PathBuf> {
    let tools = PathBuf::from(std::env::var_os("HOME")?).join(".cache/oscar/tools");
    let cached = tools.join("bin/cargo-deny");
    let answers = |program: &Path| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if answers(&cached) {
        return Some(cached);
    }
    if answers(Path::new("cargo-deny")) {
        return Some("cargo-deny".into());
    }
    if !in_ci() {
        skipped("cargo-deny is not installed (cargo install cargo-deny --locked)");
        return None;
    }
    let tools = tools.to_string_lossy();
    let arguments = ["install", "cargo-deny", "--locked", "--version", "0.20.2", "--root", &tools];
    assert_clean("cargo install cargo-deny", &run(cargo(), &arguments));
    Some(cached)
}

#[test]
fn licences_and_sources_are_allowed_and_no_dependency_is_banned() {
    if let Some(deny) = cargo_deny() {
        let arguments =
            ["--config", ".cargo/deny.toml", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
        assert_clean("cargo deny check", &run(deny, &arguments));
    }
}

#[test]
fn no_dependency_has_a_known_vulnerability_where_the_database_can_be_fetched() {
    let Some(deny) = cargo_deny() else { return };
    let output = run(deny, &["--config", ".cargo/deny.toml", "check", "--hide-inclusion-graph", "advisories"]);
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("failed to fetch advisory database") {
        skipped("the advisory database cannot be fetched on this machine");
        return;
    }
    assert_clean("cargo deny check advisories", &output);
}

fn tracked_files() -> Vec<String> {
    let output = run("git", &["ls-files", "--cached", "--others", "--exclude-standard"]);
    assert_clean("git ls-files", &output);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_top_level_holds_what_the_architecture_names_and_nothing_else() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "operator",
        "lake-api",
        "charts",
        "policies",
        "terraform",
        "e2e",
    ];
    for file in tracked_files() {
        let top = file.split('/').next().unwrap();
        assert!(top.starts_with('.') || allowed.contains(&top), "{file} is outside the fixed layout");
    }
}

#[test]
fn every_file_has_one_reason_to_change() {
    let unnamed = ["util.rs", "utils.rs", "helper.rs", "helpers.rs", "common.rs", "misc.rs", "shared.rs", "stuff.rs"];
    for file in
        tracked_files().iter().filter(|file| Path::new(file).extension().is_some_and(|extension| extension == "rs"))
    {
        let name = file.rsplit('/').next().unwrap();
        assert!(!unnamed.contains(&name), "{file} is named for nothing it holds");
        let lines = std::fs::read_to_string(root().join(file)).unwrap().lines().count();
        assert!(lines <= 500, "{file} has {lines} lines: split it by reason to change");
    }
}

#[test]
fn one_arrow_one_datafusion_one_object_store() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for package in ["arrow", "parquet", "datafusion", "object_store", "deltalake-core", "roaring", "tokio", "axum"] {
        let count = lock.matches(&format!("\nname = \"{package}\"\n")).count();
        assert_eq!(count, 1, "{package} is in the lock file {count} times");
    }
}

#[test]
fn every_crate_inherits_the_workspace_lints() {
    for file in tracked_files().iter().filter(|file| file.ends_with("Cargo.toml") && *file != "Cargo.toml") {
        let manifest = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{file} does not inherit the workspace lints");
    }
}
