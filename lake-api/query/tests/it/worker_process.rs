//! The worker's protocol, on a real lake; programs that misbehave are shell scripts.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::prelude::SessionContext;
use oscar_lake::{Lake, Storage, StorageConfig, WriteMode, arrow_schema};
use oscar_permit::Sha256Digest;
use oscar_query::worker::answer;
use oscar_query::{
    InProcess, PinnedVersions, QueryBackend, QueryError, QueryJob, QueryLimits, WorkerProcess, check,
    evidence_from_tables,
};
use oscar_vetting::Evidence;

use crate::data::{as_stored, filtered_catalog, stored};

const SQL: &str = "SELECT r.sex, count(*) AS n, sum(c.cost) AS cost FROM resident r JOIN contact c ON r.person_id = c.person_id GROUP BY r.sex";

/// Delivers the fixture's tables to a lake in `root`.
async fn job(root: &Path, sql: &str) -> QueryJob {
    let storage = StorageConfig::Local { root: root.to_owned() };
    let lake = Lake::new(Storage::open(&storage).unwrap());
    let catalog = filtered_catalog();
    let context = SessionContext::new();
    let mut versions = PinnedVersions::default();
    for (table, provider) in stored() {
        let schema = arrow_schema(&catalog.tables[&table].contract);
        let mut writer = lake.table_writer(&table, Arc::clone(&schema), WriteMode::Replace, None).await.unwrap();
        for batch in context.read_table(provider).unwrap().collect().await.unwrap() {
            let columns = schema
                .fields()
                .iter()
                .map(|field| as_stored(batch.column_by_name(field.name()).unwrap(), field.data_type()));
            writer.write(RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()).await.unwrap();
        }
        let version = writer.commit(&Sha256Digest::of(table.to_string())).await.unwrap();
        versions.0.insert(table, version);
    }
    QueryJob { sql: sql.to_owned(), catalog: Arc::new(catalog), versions, storage, limits: QueryLimits::default() }
}

fn sorted(mut evidence: Evidence) -> Evidence {
    evidence.cells.sort_by(|one, other| (one.grouping_set, &one.key).cmp(&(other.grouping_set, &other.key)));
    evidence
}

/// A worker that is a shell script.
fn script(text: &str) -> WorkerProcess {
    WorkerProcess::new("/bin/sh").with_arguments(vec!["-c".into(), text.into()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_from_the_lake_is_that_of_the_tables_and_survives_the_pipe() {
    let root = tempfile::tempdir().unwrap();
    let job = job(root.path(), SQL).await;
    let query = check(SQL, &job.catalog).unwrap();
    let expected = evidence_from_tables(&query, &job.catalog, &job.versions, &stored(), &job.limits).await.unwrap();
    let direct = InProcess.evidence(&job).await.unwrap();
    assert_eq!(sorted(direct), sorted(expected.clone()));

    let answered = root.path().join("answer.json");
    std::fs::write(&answered, answer(&serde_json::to_vec(&job).unwrap()).await.unwrap()).unwrap();
    let worker = script(&format!("cat > /dev/null; cat '{}'", answered.display()));
    let piped = sorted(worker.evidence(&job).await.unwrap());
    let expected = sorted(expected);
    assert_eq!(piped.cells.len(), expected.cells.len());
    for (one, other) in piped.cells.iter().zip(&expected.cells) {
        assert_eq!((&one.key, &one.persons, one.rows), (&other.key, &other.persons, other.rows));
    }
}

#[tokio::test]
async fn the_worker_judges_the_statement_again_and_needs_every_version() {
    let root = tempfile::tempdir().unwrap();
    let mut job = job(root.path(), "SELECT * FROM resident").await;
    assert_eq!(InProcess.evidence(&job).await.unwrap_err(), QueryError::Refused("row-level-result".into()));
    job.sql = SQL.to_owned();
    job.versions.0.clear();
    assert_eq!(InProcess.evidence(&job).await.unwrap_err().code(), "table-unavailable");
    let garbage = String::from_utf8(answer(b"no job").await.unwrap()).unwrap();
    assert_eq!(garbage, r#"{"failed":{"error":"unavailable"}}"#);
}

#[tokio::test]
async fn a_store_that_fails_under_a_query_is_no_fault_of_the_statement() {
    let root = tempfile::tempdir().unwrap();
    let mut job = job(root.path(), SQL).await;
    for table in job.versions.0.keys() {
        let folder = root.path().join("lake").join(table.dataset.as_str()).join(table.table.as_str());
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "parquet") {
                std::fs::remove_file(file).unwrap();
            }
        }
    }
    assert_eq!(InProcess.evidence(&job).await.unwrap_err(), QueryError::Unavailable);
    let answered = String::from_utf8(answer(&serde_json::to_vec(&job).unwrap()).await.unwrap()).unwrap();
    assert_eq!(answered, r#"{"failed":{"error":"unavailable"}}"#);
    // The store was asked for nothing: this one does lie in the statement.
    job.sql = "SELECT * FROM resident".to_owned();
    assert_eq!(InProcess.evidence(&job).await.unwrap_err().code(), "refused");
}

#[tokio::test]
async fn a_worker_that_crashes_or_babbles_gives_one_neutral_error() {
    let root = tempfile::tempdir().unwrap();
    let job = job(root.path(), SQL).await;
    for text in
        ["exit 7", "kill -9 $$", "echo babble", "cat > /dev/null; echo '{\"evidence\":{}}'", "echo secret >&2; exit 1"]
    {
        assert_eq!(script(text).evidence(&job).await.unwrap_err(), QueryError::ExecutionFailed, "{text}");
    }
    let missing = WorkerProcess::new("/nonexistent/program");
    assert_eq!(missing.evidence(&job).await.unwrap_err(), QueryError::Unavailable);
}

#[tokio::test]
async fn the_worker_sees_no_environment_but_what_storage_needs() {
    let root = tempfile::tempdir().unwrap();
    let job = job(root.path(), SQL).await;
    let seen = root.path().join("environment");
    let worker = script(&format!("cat > /dev/null; /usr/bin/env > '{}'", seen.display()));
    assert!(worker.evidence(&job).await.is_err());
    let seen = std::fs::read_to_string(seen).unwrap();
    let allowed = ["AWS_", "SSL_CERT_FILE", "TMPDIR", "RUST_LOG", "PWD", "SHLVL", "_="];
    for line in seen.lines() {
        assert!(allowed.iter().any(|prefix| line.starts_with(prefix)), "{line}");
    }
    assert!(std::env::var_os("PATH").is_some() && !seen.contains("PATH="), "{seen}");
}

/// Waits until the process is gone; a zombie that nobody has reaped yet counts as gone.
async fn gone(pid: &str) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !stat.contains(") Z ") => tokio::task::yield_now().await,
            _ => return true,
        }
    }
    false
}

#[tokio::test]
async fn a_worker_is_killed_when_its_caller_stops_waiting() {
    if !Path::new("/proc/self/stat").exists() {
        println!("SKIPPED: there is no /proc to look for the process in");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let job = job(root.path(), SQL).await;
    let pid_file = root.path().join("pid");
    let worker = script(&format!("echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 600", pid_file.display()));
    let waiting = tokio::spawn(async move { worker.evidence(&job).await });
    while !pid_file.exists() {
        tokio::task::yield_now().await;
    }
    let pid = std::fs::read_to_string(&pid_file).unwrap().trim().to_owned();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert!(gone(&pid).await);
}
