//! Opening: checkpoints, and what a killed writer may leave behind.

use std::convert::Infallible;
use std::fs;

use object_store::ObjectStore;
use oscar_journal::{FindingKind, Journal, JournalError, JournalKey, JournalOptions};

use crate::cast::{analyst, key, local, open, release, service, started, submitted};
use crate::failing_store::Faulty;

async fn fill(journal: &Journal, records: u32) {
    for number in 1..=records {
        journal.transact(analyst(), |_| Ok::<_, Infallible>(vec![submitted(number)])).await.unwrap();
    }
}

#[tokio::test]
async fn starting_from_a_checkpoint_is_starting_from_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    fill(&journal, 20).await;
    assert_eq!(journal.checkpoint().await.unwrap(), 20);
    for number in 21..=23 {
        journal.transact(analyst(), |_| Ok::<_, Infallible>(vec![submitted(number)])).await.unwrap();
    }
    let from_checkpoint = open(folder.path()).await;
    fs::remove_dir_all(folder.path().join("journal/checkpoints")).unwrap();
    let from_the_beginning = open(folder.path()).await;
    assert_eq!(from_checkpoint.state(), from_the_beginning.state());
    assert_eq!(from_checkpoint.snapshot().head, from_the_beginning.snapshot().head);
    assert!(from_checkpoint.state().release(&release(23)).is_some());
}

#[tokio::test]
async fn starting_reads_only_what_is_newer_than_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    fill(&journal, 150).await;
    journal.shutdown().await.unwrap();
    let counting = Faulty::over(local(folder.path()));
    let reads = counting.reads();
    let again = Journal::open(counting as std::sync::Arc<dyn ObjectStore>, key()).await.unwrap();
    assert_eq!(again.snapshot().head.sequence, 150);
    assert!(reads.get() < 10, "{} reads", reads.get());
}

#[tokio::test]
async fn checkpoints_are_written_as_the_journal_grows() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { checkpoint_every: 10, ..JournalOptions::default() };
    let journal = Journal::open_with(local(folder.path()), key(), options).await.unwrap();
    for _ in 0..35 {
        journal.record(service(), started("a")).await.unwrap();
    }
    journal.shutdown().await.unwrap();
    let count = fs::read_dir(folder.path().join("journal/checkpoints")).unwrap().count();
    assert!((3..=5).contains(&count), "{count} checkpoints");
}

#[tokio::test]
async fn two_processes_may_write_the_same_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let one = open(folder.path()).await;
    fill(&one, 3).await;
    let two = open(folder.path()).await;
    assert_eq!(one.checkpoint().await.unwrap(), two.checkpoint().await.unwrap());
}

#[tokio::test]
async fn a_file_that_a_killed_writer_was_staging_is_not_the_journals() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()).await, 2).await;
    for name in ["00000000000000000003.json#1", "00000000000000000002.json#1"] {
        fs::write(folder.path().join("journal").join(name), b"{\"half").unwrap();
    }
    let journal = open(folder.path()).await;
    assert_eq!(journal.snapshot().head.sequence, 2);
    fill_from(&journal, 3).await;
    assert_eq!(open(folder.path()).await.snapshot().head.sequence, 3);
}

async fn fill_from(journal: &Journal, number: u32) {
    journal.transact(analyst(), |_| Ok::<_, Infallible>(vec![submitted(number)])).await.unwrap();
}

async fn refused(folder: &std::path::Path) -> FindingKind {
    match Journal::open(local(folder), key()).await {
        Err(JournalError::Unsound(finding)) => finding.kind,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_torn_or_empty_last_record_is_an_error_that_names_it() {
    for torn in [&b""[..], b"{\"entries\":[", b"null"] {
        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path()).await, 2).await;
        fs::write(folder.path().join("journal/00000000000000000003.json"), torn).unwrap();
        let Err(error) = Journal::open(local(folder.path()), key()).await else { panic!("opened") };
        assert!(error.to_string().starts_with("journal 3: empty, torn"), "{error}");
    }
}

#[tokio::test]
async fn a_gap_a_foreign_object_and_a_bad_checkpoint_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    fill(&journal, 5).await;
    let record = |number: u32| folder.path().join(format!("journal/{number:020}.json"));

    let third = fs::read(record(3)).unwrap();
    fs::remove_file(record(3)).unwrap();
    assert_eq!(refused(folder.path()).await, FindingKind::Missing { through: 3 });
    fs::write(record(3), third).unwrap();

    fs::write(folder.path().join("journal/notes.txt"), "x").unwrap();
    assert_eq!(refused(folder.path()).await, FindingKind::Foreign);
    fs::remove_file(folder.path().join("journal/notes.txt")).unwrap();

    journal.checkpoint().await.unwrap();
    let checkpoint = folder.path().join(format!("journal/checkpoints/{:020}.json", 5));
    let sound = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, sound.replace("Table 1", "Table 2")).unwrap();
    assert_eq!(refused(folder.path()).await, FindingKind::CheckpointSignature);
    fs::write(&checkpoint, &sound).unwrap();

    let other = tempfile::tempdir().unwrap();
    fill(&open(other.path()).await, 5).await;
    fs::copy(other.path().join(format!("journal/{:020}.json", 5)), record(5)).unwrap();
    assert_eq!(refused(folder.path()).await, FindingKind::CheckpointHead);

    fs::remove_file(record(5)).unwrap();
    assert_eq!(refused(folder.path()).await, FindingKind::Truncated);
}

#[tokio::test]
async fn another_key_does_not_open_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()).await, 1).await;
    let other = std::sync::Arc::new(JournalKey::generate());
    let opened = Journal::open(local(folder.path()), other).await;
    assert!(matches!(&opened, Err(JournalError::Unsound(finding)) if finding.kind == FindingKind::Signature));
}

#[test]
fn a_key_survives_its_pem_form_and_shows_nothing() {
    let key = JournalKey::generate();
    let again = JournalKey::from_pem(&key.to_pem().unwrap()).unwrap();
    assert_eq!(again.verifying_key(), key.verifying_key());
    assert_eq!(format!("{key:?}"), "JournalKey(..)");
    let public = oscar_journal::verifying_key_to_hex(&key.verifying_key());
    assert_eq!(oscar_journal::verifying_key_from_hex(&public).unwrap(), key.verifying_key());
    assert!(JournalKey::from_pem("secret").is_err());
    assert!(oscar_journal::verifying_key_from_hex("zz").is_err());
}
