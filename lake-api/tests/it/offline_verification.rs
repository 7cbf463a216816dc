//! `oscar verify` and `oscar audit verify`: without a server, and against an attacker who
//! holds the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use chrono::Utc;
use ed25519_dalek::SigningKey;
use oscar_journal::{Actor, Event, Journal, JournalKey};
use oscar_lake::{Storage, StorageConfig};
use oscar_permit::{PermitId, ReleaseId, Sha256Digest, TenantName};
use oscar_vetting::{Receipt, ReleaseBasis};

const SEED: [u8; 32] = [5; 32];

fn oscar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oscar")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn receipt(content: &[u8], key: &SigningKey) -> Vec<u8> {
    let digest = Sha256Digest::of("anything");
    let receipt = Receipt {
        format: Receipt::format(),
        tenant: TenantName::new("acme").unwrap(),
        release: ReleaseId::new("rel-1").unwrap(),
        sequence: 7,
        previous: digest,
        basis: ReleaseBasis {
            permit: PermitId::new("P-1").unwrap(),
            permit_digest: digest,
            profile: "strict".into(),
            policy: digest,
            engine: "test".into(),
            plan: digest,
            tables: BTreeMap::new(),
        },
        outputs: BTreeMap::from([("content.csv".into(), Sha256Digest::of(content))]),
        findings: digest,
        witness: None,
        ledger_epoch: 0,
        reviewers: Vec::new(),
        released_at: Utc::now(),
    };
    receipt.sign(key).unwrap().to_json().unwrap()
}

/// A folder with a receipt, its content and the key that verifies both.
struct Files {
    _folder: tempfile::TempDir,
    receipt: PathBuf,
    content: PathBuf,
    key: PathBuf,
}

fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (receipt_file, content, key) = (at("receipt.json"), at("table.csv"), at("key.hex"));
    let signer = SigningKey::from_bytes(&SEED);
    fs::write(&content, "sex,persons\nF,1200\n").unwrap();
    fs::write(&receipt_file, receipt(&fs::read(&content).unwrap(), &signer)).unwrap();
    fs::write(&key, hex::encode(signer.verifying_key().as_bytes())).unwrap();
    Files { _folder: folder, receipt: receipt_file, content, key }
}

impl Files {
    fn verify(&self) -> Output {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        oscar(&["verify", &path(&self.receipt), &path(&self.content), "--key", &path(&self.key)])
    }
}

#[test]
fn a_genuine_receipt_and_its_file_pass() {
    let output = files().verify();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let words = text(&output.stdout);
    assert!(words.contains("genuine") && words.contains("rel-1") && words.contains("content.csv"));
}

#[test]
fn a_changed_file_a_changed_receipt_and_another_key_end_with_code_5() {
    let changed_file = files();
    fs::write(&changed_file.content, "sex,persons\nF,1205\n").unwrap();
    let changed_receipt = files();
    let altered = fs::read_to_string(&changed_receipt.receipt).unwrap().replace("\"strict\"", "\"lenient\"");
    fs::write(&changed_receipt.receipt, altered).unwrap();
    let other_key = files();
    let other = SigningKey::from_bytes(&[6; 32]).verifying_key();
    fs::write(&other_key.key, hex::encode(other.as_bytes())).unwrap();
    let no_receipt = files();
    fs::write(&no_receipt.receipt, "{}").unwrap();
    for (files, what) in [
        (changed_file, "a changed file"),
        (changed_receipt, "a changed receipt"),
        (other_key, "another key"),
        (no_receipt, "no receipt at all"),
    ] {
        let output = files.verify();
        assert_eq!(code(&output), 5, "{what} passed");
        assert!(output.stdout.is_empty(), "{what} printed something as if it had passed");
        assert!(text(&output.stderr).contains("error:"), "{what}");
    }
}

#[test]
fn a_key_file_that_is_none_is_a_usage_error() {
    let files = files();
    fs::write(&files.key, "not a key").unwrap();
    assert_eq!(code(&files.verify()), 2);
}

/// A journal of a few records below `folder`, and the file of its key.
async fn journal(folder: &Path) -> PathBuf {
    let storage = Storage::open(&StorageConfig::Local { root: folder.join("tenant") }).unwrap();
    let journal = Journal::open(storage.store(), Arc::new(JournalKey::from_seed(&SEED))).await.unwrap();
    for number in 0..5 {
        let event = Event::PermitApplied {
            permit: PermitId::new(format!("P-{number}")).unwrap(),
            digest: Sha256Digest::of(format!("{number}")),
        };
        journal.record(Actor::service("test"), event).await.unwrap();
    }
    journal.shutdown().await.unwrap();
    let key = folder.join("key.hex");
    fs::write(&key, hex::encode(SigningKey::from_bytes(&SEED).verifying_key().as_bytes())).unwrap();
    key
}

fn audit(folder: &Path, key: &Path, more: &[&str]) -> Output {
    let tenant = folder.join("tenant");
    let mut arguments = vec!["audit", "verify", tenant.to_str().unwrap(), "--key", key.to_str().unwrap()];
    arguments.extend(more);
    oscar(&arguments)
}

fn records(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder.join("tenant/journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_whole_journal_passes_and_a_changed_or_removed_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let key = journal(folder.path()).await;
    let output = audit(folder.path(), &key, &[]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--checkpoint"), "the limit of the check must be told");

    let second = records(folder.path())[1].clone();
    let original = fs::read_to_string(&second).unwrap();
    fs::write(&second, original.replacen("P-", "Q-", 1)).unwrap();
    let output = audit(folder.path(), &key, &[]);
    assert_eq!(code(&output), 5);
    assert!(text(&output.stderr).contains("journal 2:"));

    fs::remove_file(&second).unwrap();
    let output = audit(folder.path(), &key, &[]);
    assert_eq!(code(&output), 5);
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn an_end_that_was_cut_off_is_found_with_a_checkpoint_kept_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let key = journal(folder.path()).await;
    let checkpoints = folder.path().join("tenant/journal/checkpoints");
    let newest = fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let kept = folder.path().join("kept.json");
    fs::copy(newest, &kept).unwrap();
    assert_eq!(code(&audit(folder.path(), &key, &["--checkpoint", kept.to_str().unwrap()])), 0);

    fs::remove_dir_all(&checkpoints).unwrap();
    fs::remove_file(records(folder.path()).pop().unwrap()).unwrap();
    assert_eq!(code(&audit(folder.path(), &key, &[])), 0, "without a checkpoint nobody can tell");
    let output = audit(folder.path(), &key, &["--checkpoint", kept.to_str().unwrap()]);
    assert_eq!(code(&output), 5);
}

#[test]
fn a_folder_without_a_journal_is_a_usage_error() {
    let files = files();
    let folder = tempfile::tempdir().unwrap();
    let output = oscar(&["audit", "verify", folder.path().to_str().unwrap(), "--key", files.key.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("journal"));
}
