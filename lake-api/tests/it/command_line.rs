//! The `oscar` program as a shell sees it: help, exit codes, two streams, completions.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

/// Runs the program without the caller's configuration, and tells how it ended.
fn oscar(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let home = std::env::temp_dir().join("oscar-test-without-home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oscar"));
    command.args(arguments).env("HOME", &home).env("XDG_CONFIG_HOME", &home).env("NO_COLOR", "1");
    for variable in ["OSCAR_SERVER", "OSCAR_TOKEN", "OSCAR_ISSUER", "OSCAR_CLIENT_ID"] {
        command.env_remove(variable);
    }
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every command and subcommand that a person can type.
const COMMANDS: [&[&str]; 20] = [
    &[],
    &["demo"],
    &["login"],
    &["catalogue"],
    &["permit"],
    &["query", "check"],
    &["release", "submit"],
    &["release", "list"],
    &["release", "show"],
    &["release", "get"],
    &["release", "withdraw"],
    &["release", "review"],
    &["release", "vote"],
    &["release", "votes"],
    &["keys"],
    &["verify"],
    &["audit", "verify"],
    &["audit", "list"],
    &["intake"],
    &["completion"],
];

#[test]
fn help_of_every_command_goes_to_standard_output_and_has_an_example() {
    for path in COMMANDS {
        let arguments: Vec<&str> = path.iter().copied().chain(["--help"]).collect();
        let output = oscar(&arguments);
        assert_eq!(code(&output), 0, "{path:?}");
        assert!(stderr(&output).is_empty(), "{path:?}");
        let help = stdout(&output);
        let wanted = if path.is_empty() { "Exit codes:" } else { "Example" };
        assert!(help.contains(wanted), "{path:?} has no '{wanted}' in its help");
    }
}

#[test]
fn the_help_names_every_exit_code() {
    let help = stdout(&oscar(&["--help"]));
    for code in 0..=8 {
        assert!(help.contains(&format!("\n  {code}  ")), "exit code {code} is not documented");
    }
}

#[test]
fn a_wrong_command_line_ends_with_code_2_and_says_so_on_standard_error() {
    for wrong in [
        &["dance"][..],
        &["query", "check"],
        &["query", "check", "file.sql", "--sql", "SELECT 1"],
        &["release", "submit", "--sql", "SELECT 1"],
        &["release", "vote", "rel-1", "perhaps", "--reason", "x"],
        &["release", "list", "--limit", "0"],
        &["catalogue", "--output", "xml"],
        &["demo", "--persons", "12"],
        &["demo", "--files", "somewhere"],
        &["demo", "--data", "x", "--seed", "2"],
        &["--server", "not a url", "permit"],
        &["--server", "ftp://127.0.0.1", "permit"],
        // A token would be readable on the way.
        &["--server", "http://lake.example.dk", "permit"],
    ] {
        let output = oscar(wrong);
        assert_eq!(code(&output), 2, "{wrong:?}");
        assert!(stdout(&output).is_empty(), "{wrong:?}");
        assert!(stderr(&output).contains("error:"), "{wrong:?}");
    }
}

#[test]
fn a_command_that_needs_another_word_shows_its_help() {
    for (words, shown) in
        [(&[][..], "release"), (&["release"][..], "withdraw"), (&["--output", "json", "audit"], "list")]
    {
        // A server in the environment is no word.
        let output = command(words).env("OSCAR_SERVER", "http://127.0.0.1:8080").output().unwrap();
        assert_eq!(code(&output), 2, "{words:?}");
        assert!(stdout(&output).is_empty(), "{words:?}");
        let help = stderr(&output);
        assert!(help.contains("Usage:") && help.contains(shown) && !help.contains("worker"), "{help}");
    }
    assert!(stdout(&oscar(&["help", "release", "get"])).contains("--receipt"));
}

#[test]
fn without_a_token_the_way_to_log_in_is_shown() {
    let output = oscar(&["permit"]);
    assert_eq!(code(&output), 8);
    assert!(stdout(&output).is_empty());
    assert!(stderr(&output).contains("oscar login"));
}

#[test]
fn a_server_that_is_not_there_ends_with_code_6() {
    // A port that was free a moment ago and that nobody listens at.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = oscar(&["--server", &format!("http://127.0.0.1:{port}"), "--token", "t", "catalogue"]);
    assert_eq!(code(&output), 6);
    assert!(stderr(&output).contains("cannot be reached"));
    assert!(stderr(&output).contains("remedy:"));
}

#[test]
fn something_that_is_not_this_api_is_named_as_such() {
    let server = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
    let output = oscar(&["--server", &server, "--token", "t", "catalogue"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("not one of this API"));
}

#[test]
fn problem_details_are_shown_as_what_rule_and_remedy() {
    let body = r#"{"type":"urn:oscar-host:problem:not-found","title":"Not found","status":404,"code":"not-found",
        "detail":"there is nothing here for you","remedy":"check the name and your permit"}"#;
    let server = answering(&format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ));
    let output = oscar(&["--server", &server, "--token", "t", "release", "show", "rel-1"]);
    assert_eq!(code(&output), 4);
    let words = stderr(&output);
    assert!(words.contains("error: there is nothing here for you"));
    assert!(words.contains("rule: not-found"));
    assert!(words.contains("remedy: check the name and your permit"));
}

#[test]
fn an_unauthorised_answer_says_log_in() {
    let body = r#"{"type":"urn:oscar-host:problem:token-expired","title":"Unauthorized","status":401,
        "code":"token-expired","detail":"the token has expired"}"#;
    let server = answering(&format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ));
    let output = oscar(&["--server", &server, "--token", "t", "permit"]);
    assert_eq!(code(&output), 8);
    assert!(stderr(&output).contains("oscar login"));
}

#[test]
fn a_token_does_not_follow_a_redirect_to_another_host() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("http://{}/v1/permit", elsewhere.local_addr().unwrap());
    let server = answering(&format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ));
    let output = oscar(&["--server", &server, "--token", "secret-token", "permit"]);
    assert_eq!(code(&output), 1);
    assert!(elsewhere.accept().is_err(), "the redirect was followed");
}

#[test]
fn the_token_is_never_printed() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = command(&["--server", &format!("http://127.0.0.1:{port}"), "-vv", "catalogue"]);
    let output = command.env("OSCAR_TOKEN", "secret-token").output().unwrap();
    assert!(!stdout(&output).contains("secret-token") && !stderr(&output).contains("secret-token"));
    let help = command_help_with_token();
    assert!(!help.contains("secret-token"));
}

fn command_help_with_token() -> String {
    stdout(&command(&["permit", "--help"]).env("OSCAR_TOKEN", "secret-token").output().unwrap())
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = oscar(&["completion", shell]);
        assert_eq!(code(&output), 0, "{shell}");
        let script = stdout(&output);
        for word in ["demo", "catalogue", "release", "withdraw", "intake"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
}

#[test]
fn a_shell_completes_commands_and_options_with_the_script() {
    if Command::new("bash").arg("--version").output().is_err() {
        oscar_peers::skipped("no bash, which would complete");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("oscar.bash");
    std::fs::write(&script, stdout(&oscar(&["completion", "bash"]))).unwrap();
    let ask = r#"source "$0"; complete -p oscar | grep -q -- '-F' || exit 1
        for line in 'oscar rel' 'oscar release w' 'oscar release list --lim'; do
            COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
            _oscar oscar "${COMP_WORDS[$COMP_CWORD]}" "${COMP_WORDS[$((COMP_CWORD - 1))]}"; echo "${COMPREPLY[@]}"
        done"#;
    let output = Command::new("bash").args(["-c", ask]).arg(&script).output().unwrap();
    assert_eq!(stdout(&output), "release\nwithdraw\n--limit\n", "{}", stderr(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["completion", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closing the only reading end before anything is read is what `| true` does.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).is_empty());
}

#[test]
fn a_statement_can_come_from_standard_input_and_a_missing_file_is_named_by_its_role() {
    let output = oscar(&["--token", "t", "query", "check", "/nowhere/at-all.sql"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("the file with the statement"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = command(&["--server", &format!("http://127.0.0.1:{port}"), "--token", "t", "query", "check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT 1").unwrap();
    assert_eq!(code(&child.wait_with_output().unwrap()), 6);
}

/// A server that gives one fixed answer to its first request; its address comes back.
fn answering(answer: &str) -> String {
    use std::io::{BufRead as _, BufReader};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        (&stream).write_all(answer.as_bytes()).unwrap();
    });
    address
}
