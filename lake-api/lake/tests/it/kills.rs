//! A writer is killed (SIGKILL) at many points: nothing half visible, and the next one completes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use oscar_lake::{Lake, Storage, StorageConfig, WriteMode};

use crate::backend::{s3_config, s3_server};
use crate::rows::{batch, delivery, numbers, schema, table};

const PLACE: &str = "OSCAR_LAKE_TEST_CHILD";
const ROWS: i64 = 3_000;
const CHUNKS: i64 = 6;

/// Not a test of its own: the process that the tests below kill. It delivers for ever, every
/// version with the same rows, and says what it does.
#[test]
#[ignore = "started by the tests of this module"]
fn child_that_delivers_until_it_is_killed() {
    let Ok(config) = std::env::var(PLACE) else {
        println!("SKIPPED: {PLACE} is not set; the tests of this module start this one");
        return;
    };
    let config: StorageConfig = serde_json::from_str(&config).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let lake = Lake::new(Storage::open(&config).unwrap());
        let table = table("persons");
        for round in 0..1_000_000_u64 {
            let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
            say("writing");
            for chunk in 0..CHUNKS {
                writer.write(batch(chunk * ROWS..(chunk + 1) * ROWS)).await.unwrap();
                say("written");
            }
            let staged = writer.finish().await.unwrap();
            say("staged");
            staged.commit(None, &delivery(&round.to_string())).await.unwrap();
            say("committed");
        }
    });
}

fn say(what: &str) {
    println!("{what}");
    std::io::stdout().flush().unwrap();
}

fn start_child(config: &StorageConfig, environment: &[(&'static str, String)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::child_that_delivers_until_it_is_killed", "--ignored", "--nocapture"])
        .env(PLACE, serde_json::to_string(config).unwrap())
        .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a child after it has said something for the `steps`-th time; returns how often it had
/// said that a commit was done.
fn kill_after(steps: usize, config: &StorageConfig, environment: &[(&'static str, String)]) -> u64 {
    let mut child = start_child(config, environment);
    let mut commits = 0;
    let mut said = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let counts = ["writing", "written", "staged", "committed"].contains(&line.as_str());
        commits += u64::from(line == "committed");
        said += usize::from(counts);
        if said == steps {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(said, steps, "the child ended before it was killed");
    commits
}

async fn check(lake: &Lake, at_least: u64) -> u64 {
    let table = table("persons");
    let Some(latest) = lake.latest_version(&table).await.unwrap() else {
        assert_eq!(at_least, 0, "an acknowledged commit was lost");
        return 0;
    };
    assert!(latest + 1 >= at_least, "an acknowledged commit was lost");
    for version in latest.saturating_sub(2)..=latest {
        assert_eq!(numbers(lake, &table, version).await, (0..ROWS * CHUNKS).collect::<Vec<_>>());
    }
    latest + 1
}

async fn kill_at_many_points(config: &StorageConfig, environment: &[(&'static str, String)], lake: &Lake) {
    let mut versions = 0;
    for steps in 1..=14 {
        // What was acknowledged before must still be there; more may be.
        let acknowledged = kill_after(steps, config, environment);
        versions = check(lake, versions + acknowledged).await;
    }
    assert!(versions >= 1, "some child has committed");
    let table = table("persons");
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch([1])).await.unwrap();
    let version = writer.commit(&delivery("after the kills")).await.unwrap();
    assert_eq!(numbers(lake, &table, version).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_killed_at_many_points_leaves_nothing_half_visible_on_local() {
    let directory = tempfile::tempdir().unwrap();
    let config = StorageConfig::Local { root: directory.path().join("tenant") };
    let lake = Lake::new(Storage::open(&config).unwrap());
    kill_at_many_points(&config, &[], &lake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_killed_at_many_points_leaves_nothing_half_visible_on_s3() {
    let Some(server) = s3_server() else { return };
    let config = s3_config(server);
    let lake = Lake::new(crate::backend::s3_storage(server, &config));
    kill_at_many_points(&config, &server.environment(), &lake).await;
}
