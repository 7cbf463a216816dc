//! What the README tells a newcomer to type works as it stands.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use oscar_e2e::readme::{Block, blocks};
use oscar_e2e::{binary, workspace_root};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Nothing in the README takes a newcomer longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// A newcomer's machine: a home, the two programs on the path, and ports that nobody else has.
struct Newcomer {
    home: tempfile::TempDir,
    api: String,
    admin: String,
    issuer: String,
}

impl Newcomer {
    fn new() -> Self {
        let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [api, admin, issuer] = held.map(|listener| listener.local_addr().unwrap().to_string());
        Self { home: tempfile::tempdir().unwrap(), api, admin, issuer }
    }

    /// The text with this machine's ports.
    fn translated(&self, text: &str) -> String {
        assert!(!text.contains("9090"), "the admin port needs a translation");
        text.replace("127.0.0.1:8085", &self.issuer).replace("127.0.0.1:8080", &self.api).replace(
            "lake-api serve",
            &format!("exec lake-api serve --listen {} --admin-listen {}", self.api, self.admin),
        )
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("oscar-try")
    }

    /// A shell that stops at the first command that fails; to be pending (7) is no failure.
    fn shell(&self, script: &str) -> Command {
        let programs = binary("oscar").parent().unwrap().to_owned();
        // `cargo test` has built them, and a nested cargo would only wait for it.
        let script: String =
            script.lines().filter(|line| !line.starts_with("cargo ")).fold(String::new(), |all, line| {
                all + &line.replace("$PWD/target/debug", programs.to_str().unwrap()) + "\n"
            });
        let trap = "trap 'code=$?; [ $code = 7 ] || { echo \"ended with $code: $BASH_COMMAND\" >&2; exit 1; }' ERR";
        let start = if self.folder().exists() { self.folder() } else { workspace_root() };
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("{trap}\n{script}")).current_dir(start).kill_on_drop(true);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", programs.display())).env("HOME", self.home.path());
        for variable in ["OSCAR_TOKEN", "OSCAR_ISSUER", "OSCAR_CONFIG", "OSCAR_DATA_DIR", "XDG_CONFIG_HOME"] {
            command.env_remove(variable);
        }
        command.env("OSCAR_SERVER", format!("http://{}", self.api)).env("NO_COLOR", "1");
        command
    }

    /// Runs a script to its end, opening every address that it asks to be opened.
    async fn run(&self, script: &str) {
        let script = self.translated(script);
        let mut child = self.shell(&script).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let to_its_end = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.starts_with(&format!("http://{}/authorize", self.issuer)) {
                    reqwest::get(&line).await.unwrap();
                }
                said.push_str(&line);
                said.push('\n');
            }
            child.wait().await.unwrap()
        };
        let ended = tokio::time::timeout(PATIENCE, to_its_end).await;
        let ended = ended.unwrap_or_else(|_| panic!("this never ends:\n{script}"));
        assert!(ended.success(), "{script}\nsaid:\n{said}");
    }

    /// Starts the service, and waits until it is ready.
    async fn serve(&self, script: &str) -> Child {
        let log = self.home.path().join("serve.log");
        let child = self
            .shell(&self.translated(script))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let ready = async {
            let address = format!("http://{}/ready", self.admin);
            while !reqwest::get(&address).await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, ready).await;
        assert!(waited.is_ok(), "the service is not ready:\n{}", std::fs::read_to_string(&log).unwrap());
        child
    }

    fn write(&self, file: &str, block: &Block) {
        std::fs::write(self.folder().join(file), self.translated(&block.text)).unwrap();
    }
}

fn readme() -> String {
    std::fs::read_to_string(workspace_root().join("README.md")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bring_your_own_extract_works_as_it_stands() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let newcomer = Newcomer::new();
    let (mut service, mut second_terminal) = (None, String::new());
    for block in blocks(&readme(), "Bring your own extract").unwrap() {
        match (block.language.as_str(), block.file()) {
            ("yaml", Some(file)) => newcomer.write(file, &block),
            ("sh", _) if block.text.contains("lake-api serve") => {
                let (intake, serve) = block.text.split_once("lake-api serve").unwrap();
                newcomer.run(intake).await;
                service = Some(newcomer.serve(&format!("lake-api serve{serve}")).await);
            }
            ("sh", _) if service.is_some() => second_terminal.push_str(&block.text),
            ("sh", _) => newcomer.run(&block.text).await,
            _ => panic!("nobody knows what to do with this block: {block:?}"),
        }
    }
    assert!(service.is_some(), "nothing is served");
    newcomer.run(&second_terminal).await;
    let table = std::fs::read_to_string(newcomer.folder().join("table.csv")).unwrap();
    assert_eq!(table, "region,persons\n1081,200\n1082,200\n1083,200\n1084,200\n1085,200\n");
}

#[test]
fn the_two_commands_are_those_that_ci_and_the_command_line_know() {
    let two = blocks(&readme(), "Two commands").unwrap();
    let commands: Vec<&str> = two[0].text.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(commands, ["cargo run --bin oscar -- demo", "cargo test --workspace"]);
    let ci = std::fs::read_to_string(workspace_root().join(".ci/run")).unwrap();
    assert_eq!(ci.lines().last(), Some("exec cargo test --workspace"));
}

/// The line without what differs from run to run: how long something took, and the marks
/// that stand for what was left out.
fn without_times(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().filter(|word| !matches!(*word, "…" | "│" | "┆" | "=>")).collect();
    let is_unit = |word: Option<&&str>| {
        word.is_some_and(|word| matches!(word.trim_end_matches([']', '.']), "ms" | "s" | "ms and"))
    };
    let time = |at: usize| is_unit(words.get(at)) || is_unit(words.get(at + 1));
    let kept = words.iter().enumerate().filter(|(at, _)| !time(*at)).map(|(_, word)| *word);
    kept.collect::<Vec<_>>().join(" ")
}

/// What the demo says, line by line.
fn demo_says() -> Vec<String> {
    let newcomer = tempfile::tempdir().unwrap();
    let mut demo = std::process::Command::new(binary("oscar"));
    demo.arg("demo").env("HOME", newcomer.path()).env("NO_COLOR", "1").env_remove("OSCAR_SERVER");
    let output = demo.env_remove("OSCAR_TOKEN").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(without_times).collect()
}

#[test]
fn the_tour_shows_what_the_demo_says() {
    let tour = blocks(&readme(), "Five minutes with the demo").unwrap();
    let tour: Vec<String> = tour[0].text.lines().map(without_times).filter(|line| !line.is_empty()).collect();
    let mut invented = Vec::new();
    // Some tables in a hundred are drawn for review: such a story has a step more.
    for _ in 0..4 {
        let said = demo_says();
        invented = tour.iter().filter(|line| !said.iter().any(|said| said.contains(*line))).cloned().collect();
        if invented.is_empty() {
            return;
        }
    }
    panic!("the demo does not say {invented:#?}");
}

#[test]
fn every_file_that_the_readme_links_to_is_there() {
    let text = readme();
    let mut links = 0;
    for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !target.starts_with("http") && !target.starts_with('#') {
            assert!(workspace_root().join(Path::new(target)).exists(), "{target} is not there");
            links += 1;
        }
    }
    assert!(links >= 4, "only {links} links were found");
}
