//! What people and schedulers see of the programs: exit codes, formats, a progress bar, a
//! service that stops when it is asked to, and the three ways to log in at a real provider.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use oscar_e2e::{Delivery, Installation, Served, binary};
use oscar_peers::{OidcProvider, required_in_ci, skipped};
use serde_json::json;

const BY_SEX: &str = "SELECT sex, count(DISTINCT person_id) AS persons FROM contacts.contact GROUP BY sex";
const ROWS: &str = "SELECT person_id FROM contacts.contact";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn submit<'a>(sql: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["release", "submit", "--title", "t", "--purpose", "p", "--sql", sql], more].concat()
}

/// An installation with 300 persons in it.
fn delivered(provider: &OidcProvider) -> Installation {
    let installation = Installation::on_disk(provider).unwrap();
    let taken = installation.intake(&Delivery::write(300).unwrap()).unwrap();
    assert!(taken.status.success(), "{}", said(&taken));
    installation
}

#[test]
fn every_command_ends_with_the_code_that_the_help_promises() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = delivered(&provider);
    let served = installation.serve().unwrap();
    for user in ["alice", "mallory"] {
        served.log_in(&provider, user).unwrap();
    }
    let code = |user: &str, words: &[&str]| {
        let output = served.oscar(user, words).unwrap();
        (output.status.code().unwrap(), said(&output))
    };
    for (user, words, expected) in [
        ("alice", vec!["catalogue"], 0),
        ("alice", vec!["query", "check", "--sql", BY_SEX], 0),
        ("alice", vec!["query", "check", "--sql", ROWS], 3),
        ("alice", submit(ROWS, &["--wait"]), 3),
        ("alice", submit(BY_SEX, &[]), 0),
        ("alice", submit(BY_SEX, &["--wait"]), 7),
        ("alice", vec!["release", "list", "--limit", "0"], 2),
        ("alice", vec!["release", "show", "rel-0"], 4),
        ("alice", vec!["audit", "list"], 4),
        ("mallory", vec!["catalogue"], 4),
        ("nobody", vec!["catalogue"], 8),
    ] {
        let (found, said) = code(user, &words);
        assert_eq!(found, expected, "{user}: {words:?}: {said}");
    }
    let foreign = served.oscar_command("nobody", &["permit"]).env("OSCAR_TOKEN", "rubbish").output().unwrap();
    assert_eq!(foreign.status.code(), Some(8), "{}", said(&foreign));

    let broken = Delivery::write(10).unwrap();
    std::fs::write(broken.data_file(), "cpr;region;sex;kontaktdato\n").unwrap();
    let intake = |data: &str| {
        let mut command = installation.command("oscar");
        command.arg("intake").arg(broken.descriptor()).arg("--permit").arg(installation.permit_file());
        command.arg("--data-dir").arg(installation.folder().join(data)).output().unwrap()
    };
    let refused = intake("elsewhere");
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("rule:"), "{}", said(&refused));
    let mut gone = served.oscar_command("alice", &["catalogue"]);
    served.stop().unwrap();
    let gone = gone.output().unwrap();
    assert_eq!(gone.status.code(), Some(6), "{}", said(&gone));
}

#[test]
fn every_listing_comes_as_table_json_and_csv() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = delivered(&provider);
    let served = installation.serve().unwrap();
    for user in ["alice", "erin"] {
        served.log_in(&provider, user).unwrap();
    }
    let release = served.ask("alice", &submit(BY_SEX, &["--wait"])).unwrap();
    let id = release["id"].as_str().unwrap();
    for (user, words) in [
        ("alice", vec!["catalogue"]),
        ("alice", vec!["catalogue", "contacts"]),
        ("alice", vec!["permit"]),
        ("alice", vec!["query", "check", "--sql", BY_SEX]),
        ("alice", vec!["release", "list"]),
        ("alice", vec!["release", "show", id]),
        ("alice", vec!["keys"]),
        ("erin", vec!["audit", "list"]),
    ] {
        let shown = |format: &str| {
            let output = served.oscar(user, &[&words[..], &["--output", format]].concat()).unwrap();
            assert!(output.status.success(), "{words:?} {format}: {}", said(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        assert!(shown("table").starts_with('┌'), "{words:?}: {}", shown("table"));
        serde_json::from_str::<serde_json::Value>(&shown("json")).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let csv = shown("csv");
        let columns = csv.lines().next().unwrap().split(',').count();
        assert!(columns >= 2 && csv.lines().count() >= 2 && !csv.contains('│'), "{words:?}: {csv}");
    }
}

#[test]
fn an_intake_shows_a_progress_bar_on_a_terminal_and_nowhere_else() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = Installation::on_disk(&provider).unwrap();
    let delivery = Delivery::write_visits(10_000, 40).unwrap();
    let oscar = |data: &str| {
        let data = installation.folder().join(data);
        format!(
            "{} intake {} --permit {} --data-dir {}",
            binary("oscar").display(),
            delivery.descriptor().display(),
            installation.permit_file().display(),
            data.display()
        )
    };
    let piped = Command::new("sh").args(["-c", &oscar("piped")]).output().unwrap();
    assert!(piped.status.success(), "{}", said(&piped));
    assert!(!said(&piped).contains('\u{1b}'), "signs for a terminal went into a pipe");

    if Command::new("script").arg("--version").output().is_err() {
        assert!(!oscar_peers::in_ci(), "no program 'script' on CI");
        skipped("no program 'script' (util-linux), which makes a terminal");
        return;
    }
    let words = format!("stty cols 120; {}", oscar("terminal"));
    let on_a_terminal =
        Command::new("script").args(["-qec", &words, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let text = said(&on_a_terminal);
    assert!(on_a_terminal.status.success(), "{text}");
    assert!(text.contains('\u{1b}') && text.contains("contact ") && text.contains(" rows "), "no bar: {text:?}");
}

#[test]
fn a_service_that_is_asked_to_stop_ends_well_and_starts_again_where_it_was() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = delivered(&provider);
    let served = installation.serve().unwrap();
    served.log_in(&provider, "alice").unwrap();
    let id = served.ask("alice", &submit(BY_SEX, &[])).unwrap()["id"].as_str().unwrap().to_owned();
    let ended = served.stop().unwrap();
    let log = std::fs::read_to_string(installation.folder().join("serve.log")).unwrap();
    assert!(ended.success() && log.contains("stopping") && !log.contains("panicked"), "{ended}: {log}");
    let served = installation.serve().unwrap();
    served.log_in(&provider, "alice").unwrap();
    let release = served.ask("alice", &["release", "show", &id, "--wait"]).unwrap();
    assert_eq!(release["state"], "IN_REVIEW", "{release}");
}

#[test]
fn a_person_with_a_browser_a_person_without_one_and_a_program_log_in_at_a_real_provider() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = delivered(&provider);
    let (client, secret) = provider.service_client();
    let mut permit = installation.permit().unwrap();
    let service = json!({"issuer": provider.issuer(), "subject": client, "role": "analyst"});
    permit["persons"].as_array_mut().unwrap().push(service);
    installation.write_permit(&permit).unwrap();
    let served = installation.serve().unwrap();
    served.log_in_with_browser(&provider, "alice").unwrap();
    served.log_in(&provider, "erin").unwrap();
    let issuer = provider.issuer();
    let words = ["login", "--issuer", &issuer, "--client-id", client, "--client-credentials"];
    let login = served.oscar_command("program", &words).env("OSCAR_CLIENT_SECRET", secret).output().unwrap();
    assert!(login.status.success(), "{}", said(&login));
    for (user, role) in [("alice", "analyst"), ("erin", "auditor"), ("program", "analyst")] {
        let permits = served.ask(user, &["permit"]).unwrap_or_else(|error| panic!("{user}: {error:#}"));
        assert!(permits.to_string().contains(role), "{user}: {permits}");
    }
}

/// Whether the service takes the token.
fn takes(served: &Served<'_>, token: &str) -> bool {
    let output = served.oscar_command("nobody", &["permit"]).env("OSCAR_TOKEN", token).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 8)), "{}", said(&output));
    output.status.success()
}

/// Waits for it.
fn until_taken(served: &Served<'_>, token: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !takes(served, token) {
        assert!(Instant::now() < deadline, "the new key is never taken");
    }
}

#[test]
fn the_providers_keys_rotate_while_the_service_serves() {
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = delivered(&provider);
    let served = installation.serve().unwrap();
    let log_in = || {
        served.log_in(&provider, "alice").unwrap();
        served.token("alice").unwrap()
    };
    let first = log_in();
    assert!(takes(&served, &first));
    provider.rotate_keys(true).unwrap();
    let second = log_in();
    // Keys are asked for at most every few seconds, however many unknown ones are named.
    until_taken(&served, &second);
    assert!(takes(&served, &first), "a planned rotation ends no session");
    provider.rotate_keys(false).unwrap();
    let third = log_in();
    until_taken(&served, &third);
    assert!(!takes(&served, &first) && !takes(&served, &second), "a key that leaked still opens the door");
}
