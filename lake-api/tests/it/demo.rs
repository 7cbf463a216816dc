//! The whole path as a stranger walks it: `oscar demo`, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oscar"))
        .args(["demo", "--output", "json"])
        .args(arguments)
        .env("NO_COLOR", "1")
        .env_remove("OSCAR_TOKEN")
        .env_remove("OSCAR_SERVER")
        .output()
        .unwrap()
}

/// How every step ended; the story is shown when the demo did not end well.
fn endings(output: &Output) -> Vec<String> {
    let story = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo ended with {:?}:\n{story}", output.status.code());
    let steps: Value = serde_json::from_slice(&output.stdout).unwrap();
    steps.as_array().unwrap().iter().map(|step| step["ended"].as_str().unwrap().to_owned()).collect()
}

fn one_that_says(endings: &[String], words: &str) {
    assert!(endings.iter().any(|ending| ending.contains(words)), "no step ended with '{words}': {endings:#?}");
}

fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/packages")
}

/// The folder with the shared test data, if it is there.
fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("OSCAR_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    oscar_peers::skipped(&format!("{folder} is not in the test data folder (OSCAR_TEST_DATA)"));
    None
}

#[test]
fn the_demo_on_generated_registers_ends_as_it_tells() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("demo");
    let output = demo(&["--persons", "5000", "--seed", "3", "--dir", place.to_str().unwrap()]);
    let endings = endings(&output);
    one_that_says(&endings, "released after two stewards said yes");
    one_that_says(&endings, "suppressed cells, all marked alike");
    one_that_says(&endings, "(R7)");
    one_that_says(&endings, "are what their receipts say");
    one_that_says(&endings, "one unbroken chain");
    one_that_says(&endings, "none of 5000 person numbers");
    assert!(place.join("tenant/journal").is_dir(), "a chosen directory is kept");
}

#[test]
fn the_demo_works_on_a_sample_of_the_danish_diabetes_register() {
    let Some(files) = data("dk") else { return };
    real_delivery("diabetes-register", &files);
}

#[test]
fn the_demo_works_on_omop_tables() {
    let Some(files) = data("omop-gibleed") else { return };
    real_delivery("omop-gibleed", &files);
}

fn real_delivery(package: &str, files: &Path) {
    let package = packages().join(package);
    let output = demo(&["--data", package.to_str().unwrap(), "--files", files.to_str().unwrap()]);
    let endings = endings(&output);
    one_that_says(&endings, "released after two stewards said yes");
    one_that_says(&endings, "suppressed cells");
    one_that_says(&endings, "(R7)");
    one_that_says(&endings, "one unbroken chain");
}

#[test]
fn a_directory_that_is_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let output = demo(&["--dir", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_without_a_package_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&["--data", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("datapackage.json"));
}

#[test]
fn with_serve_the_demo_keeps_serving_until_it_is_asked_to_stop_and_tidies_up() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_oscar"))
        .args(["demo", "--persons", "5000", "--serve"])
        .env("NO_COLOR", "1")
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    let mut address = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let docs = line.split_whitespace().find(|word| word.starts_with("http://") && word.contains("/docs"));
        if let Some(docs) = docs {
            address = Some(docs.to_owned());
            // It serves while the story's reader looks around.
            let page = page_at(docs);
            assert!(page.contains("swagger-ui"), "{docs}: {page}");
            let kill = format!("kill -TERM {}", child.id());
            let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
            assert!(sent.success());
        }
        told.push(line);
    }
    let ended = child.wait().unwrap();
    assert!(address.is_some(), "no address was told: {told:#?}");
    assert!(ended.success(), "{ended}: {told:#?}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "something was left behind");
}

fn page_at(address: &str) -> String {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { reqwest::get(address).await.unwrap().text().await.unwrap() })
}
