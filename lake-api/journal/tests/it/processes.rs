//! Writers in processes of their own, killed in the middle of their work.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use oscar_journal::{Actor, Event, Journal, VerifyOptions, verify};

use crate::cast::{key, local, open, started};

const FOLDER: &str = "OSCAR_JOURNAL_TEST_FOLDER";
const NAME: &str = "OSCAR_JOURNAL_TEST_WRITER";

/// Not a test of its own: the other tests run it as a process. It writes until killed and
/// prints every confirmed place.
#[tokio::test]
#[ignore = "run by the tests beside it as a process of its own"]
async fn writer() {
    let (Some(folder), Ok(name)) = (std::env::var_os(FOLDER), std::env::var(NAME)) else { return };
    let journal = open(Path::new(&folder)).await;
    let actor = Actor::service(&name);
    for number in 0.. {
        let event = started(&number.to_string());
        let recorded = if number % 2 == 0 {
            journal.transact(actor.clone(), |_| Ok::<_, Infallible>(vec![event.clone()])).await.unwrap()[0]
        } else {
            journal.record(actor.clone(), event).await.unwrap()
        };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "confirmed {} {} {number}", recorded.sequence, recorded.index).is_err() {
            return;
        }
        out.flush().unwrap();
    }
}

fn spawn(folder: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "processes::writer", "--nocapture"])
        .env(FOLDER, folder)
        .env(NAME, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads confirmations until `wanted` have come, kills the writer and reads what is left in the pipe.
fn kill_after(mut child: Child, wanted: usize) -> Vec<(u64, usize, String)> {
    let mut confirmed = Vec::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        // The test harness may print its own words before the first confirmation on the line.
        let Some((_, place)) = line.split_once("confirmed ") else { continue };
        let words: Vec<&str> = place.split(' ').collect();
        // A line cut by the kill was never read by anybody: it does not count.
        if let [sequence, index, number] = words[..] {
            confirmed.push((sequence.parse().unwrap(), index.parse().unwrap(), number.to_owned()));
        }
        if confirmed.len() == wanted {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(confirmed.len() >= wanted, "the writer ended by itself after {}", confirmed.len());
    confirmed.pop();
    confirmed
}

async fn check(folder: &Path, name: &str, confirmed: &[(u64, usize, String)]) {
    let journal: Journal = open(folder).await;
    let records = journal.records(0, u64::MAX).await.unwrap();
    for (sequence, index, number) in confirmed {
        let entry = &records[usize::try_from(*sequence).unwrap() - 1].entries[*index];
        assert_eq!(entry.actor, Actor::service(name));
        assert_eq!(entry.event, Event::ServiceStarted { build: number.clone() });
    }
    let store = local(folder);
    verify(store.as_ref(), &key().verifying_key(), &VerifyOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_writer_killed_at_any_moment_loses_nothing_that_was_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for (round, wanted) in [3, 10, 25, 4, 17].into_iter().enumerate() {
        let name = format!("writer-{round}");
        let confirmed = kill_after(spawn(folder.path(), &name), wanted);
        all.push((name, confirmed));
    }
    for (name, confirmed) in &all {
        check(folder.path(), name, confirmed).await;
    }
}

#[tokio::test]
async fn two_processes_write_one_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (spawn(folder.path(), "one"), spawn(folder.path(), "two"));
    let other = std::thread::spawn(move || kill_after(two, 40));
    let first = kill_after(one, 40);
    let second = other.join().unwrap();
    check(folder.path(), "one", &first).await;
    check(folder.path(), "two", &second).await;
}
