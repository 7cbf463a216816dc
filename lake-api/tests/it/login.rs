//! `oscar login` against the development issuer, and what becomes of the tokens.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use oscar_access::dev_issuer::SERVICE_CLIENT;
use oscar_access::{DevIssuer, DevIssuerOptions};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

fn oscar(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oscar"));
    command.args(arguments).env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).env("NO_COLOR", "1");
    for variable in ["OSCAR_SERVER", "OSCAR_TOKEN", "OSCAR_ISSUER", "OSCAR_CLIENT_ID", "OSCAR_CLIENT_SECRET"] {
        command.env_remove(variable);
    }
    command.kill_on_drop(true);
    command
}

async fn issuer() -> DevIssuer {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    DevIssuer::start(DevIssuerOptions { users: vec!["anna".into()], ..DevIssuerOptions::default() }, &[]).await.unwrap()
}

/// A server that answers every request with 404 and gives back the first one's head.
fn listening() -> (String, std::thread::JoinHandle<String>) {
    use std::io::{BufRead as _, BufReader};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let head: Vec<String> =
            BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        (&stream).write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        head.join("\n").to_lowercase()
    });
    (address, seen)
}

#[tokio::test]
async fn a_person_logs_in_with_a_browser_and_the_next_command_uses_the_token() {
    let (issuer, home) = (issuer().await, tempfile::tempdir().unwrap());
    let (server, seen) = listening();
    let mut child = oscar(home.path(), &["--server", &server, "login", "--issuer", issuer.issuer(), "--user", "anna"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if line.starts_with("http") {
            break line;
        }
    };
    assert!(reqwest::get(&address).await.unwrap().status().is_success());
    let mut rest = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        rest.push_str(&line);
    }
    assert!(child.wait().await.unwrap().success());
    assert!(rest.contains("Logged in as anna"));

    for file in ["tokens.json", "logins.json"] {
        let path = home.path().join("config/oscar").join(file);
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("accessToken") {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    oscar(home.path(), &["--server", &server, "permit"]).output().await.unwrap();
    let head = seen.join().unwrap();
    assert!(head.starts_with("get /v1/permit http/1.1"));
    assert!(head.contains("authorization: bearer ey"), "the kept token was not used");

    // The token belongs to that server: another one does not get it.
    let elsewhere = oscar(home.path(), &["--server", "http://127.0.0.1:1", "permit"]).output().await.unwrap();
    assert_eq!(elsewhere.status.code(), Some(8));
}

#[tokio::test]
async fn a_program_logs_in_with_a_secret_from_the_environment_only() {
    let (issuer, home) = (issuer().await, tempfile::tempdir().unwrap());
    let arguments = ["login", "--issuer", issuer.issuer(), "--client-id", SERVICE_CLIENT, "--client-credentials"];
    let without = oscar(home.path(), &arguments).output().await.unwrap();
    assert_eq!(without.status.code(), Some(2));
    let wrong = oscar(home.path(), &arguments).env("OSCAR_CLIENT_SECRET", "guess").output().await.unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(!home.path().join("config/oscar/tokens.json").exists());
    let right = oscar(home.path(), &arguments).env("OSCAR_CLIENT_SECRET", issuer.service_secret()).output().await;
    let right = right.unwrap();
    assert!(right.status.success());
    for stream in [right.stdout, right.stderr] {
        let text = String::from_utf8(stream).unwrap();
        assert!(!text.contains(issuer.service_secret()) && !text.contains("eyJ"), "a secret was printed");
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_an_error_with_words() {
    let home = tempfile::tempdir().unwrap();
    let output = oscar(home.path(), &["login", "--issuer", "http://127.0.0.1:1"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("identity provider"));
}
