//! An attacker with write access to the store, with and without the signing key.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use oscar_journal::{Finding, FindingKind, Journal, JournalKey, VerifyError, VerifyOptions, verify};
use tempfile::TempDir;

use crate::cast::{analyst, key, local, open, published, record, release, service, started, submitted};

const RECORDS: u64 = 12;

fn record_path(folder: &TempDir, number: u64) -> PathBuf {
    folder.path().join(format!("journal/{number:020}.json"))
}

fn checkpoint_path(folder: &TempDir, number: u64) -> PathBuf {
    folder.path().join(format!("journal/checkpoints/{number:020}.json"))
}

/// Twelve records with checkpoints after the sixth and the last.
async fn journal() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    for number in 1..=RECORDS {
        let event = if number % 3 == 0 { submitted(u32::try_from(number).unwrap()) } else { started("build") };
        let actor = if number % 3 == 0 { analyst() } else { service() };
        journal.transact(actor, |_| Ok::<_, Infallible>(vec![event.clone()])).await.unwrap();
        if number == 6 {
            journal.checkpoint().await.unwrap();
        }
    }
    journal.checkpoint().await.unwrap();
    folder
}

async fn findings_with(folder: &Path, options: &VerifyOptions) -> Vec<Finding> {
    match verify(local(folder).as_ref(), &key().verifying_key(), options).await {
        Ok(_) => Vec::new(),
        Err(VerifyError::Unsound(findings)) => findings,
        Err(error) => panic!("{error}"),
    }
}

async fn findings(folder: &TempDir) -> Vec<Finding> {
    findings_with(folder.path(), &VerifyOptions::default()).await
}

fn at(sequence: u64, kind: FindingKind) -> Finding {
    Finding { sequence: Some(sequence), kind }
}

#[tokio::test]
async fn an_untouched_journal_verifies() {
    let folder = journal().await;
    let store = local(folder.path());
    let report = verify(store.as_ref(), &key().verifying_key(), &VerifyOptions::default()).await.unwrap();
    assert_eq!((report.records, report.events, report.checkpoints), (RECORDS, RECORDS, 2));
    assert_eq!(report.head.sequence, RECORDS);
}

#[tokio::test]
async fn an_empty_journal_verifies_unless_a_checkpoint_knows_better() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(findings(&empty).await, []);
    let taken_home = fs::read(checkpoint_path(&journal().await, RECORDS)).unwrap();
    let options = VerifyOptions { trusted_checkpoint: Some(Bytes::from(taken_home)) };
    assert_eq!(findings_with(empty.path(), &options).await, [at(RECORDS, FindingKind::Truncated)]);
}

#[tokio::test]
async fn any_changed_byte_in_any_record_or_checkpoint_is_found() {
    let folder = journal().await;
    let mut objects: Vec<PathBuf> = (1..=RECORDS).map(|number| record_path(&folder, number)).collect();
    objects.extend([checkpoint_path(&folder, 6), checkpoint_path(&folder, RECORDS)]);
    for object in objects {
        let sound = fs::read(&object).unwrap();
        // Every seventh byte, so that each field of each object is hit.
        for position in (0..sound.len()).step_by(7) {
            let mut changed = sound.clone();
            changed[position] ^= 1;
            fs::write(&object, &changed).unwrap();
            assert!(!findings(&folder).await.is_empty(), "byte {position} of {}", object.display());
        }
        for torn in [&sound[..sound.len() / 2], b"", &[&sound[..], b"\n"].concat()] {
            fs::write(&object, torn).unwrap();
            assert!(!findings(&folder).await.is_empty());
        }
        fs::write(&object, sound).unwrap();
    }
    assert_eq!(findings(&folder).await, []);
}

#[tokio::test]
async fn a_removed_record_is_found() {
    for number in 1..RECORDS {
        let folder = journal().await;
        fs::remove_file(record_path(&folder, number)).unwrap();
        assert!(findings(&folder).await.contains(&at(number, FindingKind::Missing { through: number })), "{number}");
    }
}

#[tokio::test]
async fn a_removed_record_with_the_later_ones_renumbered_is_found() {
    let folder = journal().await;
    for number in 5..RECORDS {
        fs::rename(record_path(&folder, number + 1), record_path(&folder, number)).unwrap();
    }
    let found = findings(&folder).await;
    assert!(found.contains(&at(5, FindingKind::Number)), "{found:?}");
}

#[tokio::test]
async fn two_records_that_changed_places_are_found() {
    let folder = journal().await;
    let (four, seven) = (fs::read(record_path(&folder, 4)).unwrap(), fs::read(record_path(&folder, 7)).unwrap());
    fs::write(record_path(&folder, 4), seven).unwrap();
    fs::write(record_path(&folder, 7), four).unwrap();
    let found = findings(&folder).await;
    assert!(found.contains(&at(4, FindingKind::Number)) && found.contains(&at(7, FindingKind::Number)), "{found:?}");
}

#[tokio::test]
async fn a_copied_record_at_the_end_is_found() {
    let folder = journal().await;
    fs::copy(record_path(&folder, 5), record_path(&folder, RECORDS + 1)).unwrap();
    assert_eq!(findings(&folder).await, [at(RECORDS + 1, FindingKind::Number)]);
}

#[tokio::test]
async fn a_record_far_away_is_a_gap_and_not_an_endless_search() {
    let folder = journal().await;
    fs::copy(record_path(&folder, 5), record_path(&folder, u64::MAX)).unwrap();
    let found = findings(&folder).await;
    assert!(found.contains(&at(RECORDS + 1, FindingKind::Missing { through: u64::MAX - 1 })), "{found:?}");
    assert!(Journal::open(local(folder.path()), key()).await.is_err());
}

#[tokio::test]
async fn a_record_of_another_journal_with_the_same_key_is_found() {
    let (folder, other) = (journal().await, journal().await);
    fs::copy(record_path(&other, RECORDS), record_path(&folder, RECORDS)).unwrap();
    let found = findings(&folder).await;
    assert!(found.contains(&at(RECORDS, FindingKind::Chain)), "{found:?}");
}

#[tokio::test]
async fn a_record_signed_with_another_key_is_found() {
    let folder = journal().await;
    let forged = tempfile::tempdir().unwrap();
    for number in 1..=RECORDS {
        fs::create_dir_all(forged.path().join("journal")).unwrap();
        fs::copy(record_path(&folder, number), record_path(&forged, number)).unwrap();
    }
    // The forger cannot open the journal, and what was made with another key from the start does not verify.
    let other = std::sync::Arc::new(JournalKey::generate());
    assert!(Journal::open(local(forged.path()), other.clone()).await.is_err());
    let fresh = tempfile::tempdir().unwrap();
    let journal = Journal::open(local(fresh.path()), other).await.unwrap();
    journal.transact(service(), |_| Ok::<_, Infallible>(vec![started("x")])).await.unwrap();
    assert_eq!(findings(&fresh).await, [at(1, FindingKind::Signature)]);
}

#[tokio::test]
async fn an_end_cut_off_is_found_by_the_checkpoint_in_the_store() {
    let folder = journal().await;
    for number in 10..=RECORDS {
        fs::remove_file(record_path(&folder, number)).unwrap();
    }
    assert_eq!(findings(&folder).await, [at(RECORDS, FindingKind::Truncated)]);
}

#[tokio::test]
async fn an_end_cut_off_with_its_checkpoint_is_found_by_the_one_that_the_auditor_kept() {
    let folder = journal().await;
    let kept = Bytes::from(fs::read(checkpoint_path(&folder, RECORDS)).unwrap());
    for number in 10..=RECORDS {
        fs::remove_file(record_path(&folder, number)).unwrap();
    }
    fs::remove_file(checkpoint_path(&folder, RECORDS)).unwrap();
    assert_eq!(findings(&folder).await, [], "nothing in the store tells");
    let options = VerifyOptions { trusted_checkpoint: Some(kept) };
    assert_eq!(findings_with(folder.path(), &options).await, [at(RECORDS, FindingKind::Truncated)]);
}

#[tokio::test]
async fn history_rewritten_with_the_key_is_found_by_the_checkpoint_that_the_auditor_kept() {
    let folder = journal().await;
    let kept = Bytes::from(fs::read(checkpoint_path(&folder, 6)).unwrap());
    let rewritten = journal().await;
    assert_eq!(findings(&rewritten).await, []);
    let options = VerifyOptions { trusted_checkpoint: Some(kept) };
    assert_eq!(findings_with(rewritten.path(), &options).await, [at(6, FindingKind::CheckpointHead)]);
    assert_eq!(findings_with(folder.path(), &options).await, []);
}

#[tokio::test]
async fn a_trusted_checkpoint_that_is_none_is_a_finding() {
    let folder = journal().await;
    let options = VerifyOptions { trusted_checkpoint: Some(Bytes::from_static(b"{}")) };
    let none = Finding { sequence: None, kind: FindingKind::CheckpointForm };
    assert_eq!(findings_with(folder.path(), &options).await, [none]);
}

#[tokio::test]
async fn a_foreign_object_is_found() {
    let folder = journal().await;
    fs::write(folder.path().join("journal/00000000000000000013.json.bak"), "x").unwrap();
    assert_eq!(findings(&folder).await, [Finding { sequence: None, kind: FindingKind::Foreign }]);
}

#[tokio::test]
async fn all_flaws_are_reported_not_only_the_first() {
    let folder = journal().await;
    fs::remove_file(record_path(&folder, 3)).unwrap();
    fs::write(record_path(&folder, 8), "{}").unwrap();
    let found = findings(&folder).await;
    assert!(found.contains(&at(3, FindingKind::Missing { through: 3 })), "{found:?}");
    assert!(found.contains(&at(8, FindingKind::Form)), "{found:?}");
}

#[test]
fn an_event_that_no_role_may_cause_does_not_fold() {
    let entry = oscar_journal::Entry { actor: service(), event: published(1) };
    let mut state = oscar_journal::TenantState::default();
    let error = state.apply(&record(4, vec![entry])).unwrap_err();
    assert_eq!((error.sequence, error.index), (4, 0));
    assert!(state.release(&release(1)).is_none());
}

#[test]
fn an_unknown_event_or_field_is_not_read() {
    let sound = serde_json::to_value(started("x")).unwrap();
    assert!(serde_json::from_value::<oscar_journal::Event>(sound.clone()).is_ok());
    let mut field = sound.clone();
    field["extra"] = 1.into();
    let mut kind = sound;
    kind["kind"] = "service-reloaded".into();
    for unknown in [field, kind] {
        assert!(serde_json::from_value::<oscar_journal::Event>(unknown).is_err());
    }
}
