//! Permit files that appear, change, break and vanish while requests come in.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use oscar_access::{PermitBook, ProblemKind};
use oscar_permit::{Denial, Identity, Role};
use rstest::rstest;
use tempfile::TempDir;

const ISSUER: &str = "https://login.example.dk";

fn permit(id: &str, tenant: &str, persons: &str, more: &str) -> String {
    format!(
        "id: {id}\ntenant: {tenant}\nauthority: Health Data Authority\nlegalBasis: Act 1, section 2\n\
         purpose: [DUO:0000007]\nprofile: strict\nvalidFrom: 2020-01-01T00:00:00Z\n\
         validUntil: 2120-01-01T00:00:00Z\npersons:\n{persons}\
         datasets: [{{dataset: population, tables: [{{table: persons}}]}}]\n{more}"
    )
}

fn person(subject: &str, role: &str) -> String {
    format!("  - {{issuer: '{ISSUER}', subject: {subject}, role: {role}}}\n")
}

fn simple(id: &str) -> String {
    permit(id, "acme", &person("alice", "analyst"), "")
}

fn identity(subject: &str) -> Identity {
    Identity { issuer: ISSUER.to_owned(), subject: subject.to_owned() }
}

struct Scene {
    folder: TempDir,
    book: PermitBook,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let book = PermitBook::open(folder.path()).unwrap();
    Scene { folder, book }
}

impl Scene {
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn granted(&self) -> Vec<String> {
        let decision = self.book.decide(&identity("alice"), Utc::now());
        decision.grants.iter().map(|grant| grant.permit.id.to_string()).collect()
    }

    fn problems(&self) -> Vec<(String, ProblemKind)> {
        self.book.problems().into_iter().map(|problem| (problem.file, problem.kind)).collect()
    }
}

#[test]
fn a_new_a_changed_and_a_removed_file_count_at_the_next_request() {
    let scene = scene();
    assert!(scene.granted().is_empty());
    scene.write("a.yaml", &simple("P-1"));
    assert_eq!(scene.granted(), ["P-1"]);
    scene.write("b.json", &serde_json::to_string(&*scene.book.permits().iter().next().unwrap().permit).unwrap());
    assert!(scene.granted().is_empty(), "one id in two files");
    scene.write("b.json", &simple("P-2"));
    assert_eq!(scene.granted(), ["P-1", "P-2"]);
    std::fs::remove_file(scene.path("a.yaml")).unwrap();
    assert_eq!(scene.granted(), ["P-2"]);
}

#[test]
fn every_one_of_many_quick_changes_counts() {
    let scene = scene();
    // The same length each time, within the same tick of a coarse clock.
    for round in 0..300 {
        let subject = if round % 2 == 0 { "alice" } else { "clara" };
        scene.write("a.yaml", &permit("P-1", "acme", &person(subject, "analyst"), ""));
        assert_eq!(scene.granted().is_empty(), round % 2 == 1, "round {round}");
    }
}

#[test]
fn a_change_that_keeps_size_and_modification_time_counts() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    let modified = std::fs::metadata(scene.path("a.yaml")).unwrap().modified().unwrap();
    assert_eq!(scene.granted(), ["P-1"]);
    scene.write("a.yaml", &permit("P-1", "acme", &person("clara", "analyst"), ""));
    std::fs::File::options().write(true).open(scene.path("a.yaml")).unwrap().set_modified(modified).unwrap();
    assert!(scene.granted().is_empty());
}

#[test]
fn revocation_and_expiry_count_at_the_next_request() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    assert_eq!(scene.granted(), ["P-1"]);
    scene.write("a.yaml", &permit("P-1", "acme", &person("alice", "analyst"), "revokedAt: 2021-01-01T00:00:00Z\n"));
    let decision = scene.book.decide(&identity("alice"), Utc::now());
    assert!(decision.is_denied());
    assert!(matches!(decision.denials.as_slice(), [Denial::Revoked(_)]));
    // Expiry needs no change of any file.
    scene.write("a.yaml", &simple("P-1"));
    let end: DateTime<Utc> = "2120-01-01T00:00:00Z".parse().unwrap();
    assert!(!scene.book.decide(&identity("alice"), end - TimeDelta::seconds(1)).is_denied());
    assert!(matches!(scene.book.decide(&identity("alice"), end).denials.as_slice(), [Denial::Expired(_)]));
}

#[test]
fn a_person_is_issuer_and_subject_and_has_the_role_of_the_permit() {
    let scene = scene();
    scene
        .write("a.yaml", &permit("P-1", "acme", &[person("alice", "analyst"), person("sven", "steward")].concat(), ""));
    let role = |identity: &Identity| {
        let decision = scene.book.decide(identity, Utc::now());
        decision.under(&"P-1".parse().unwrap()).map(|grant| grant.role)
    };
    assert_eq!(role(&identity("alice")), Some(Role::Analyst));
    assert_eq!(role(&identity("sven")), Some(Role::Steward));
    for stranger in ["Alice", "alice ", "mallory", ""] {
        assert_eq!(role(&identity(stranger)), None);
    }
    let elsewhere = Identity { issuer: format!("{ISSUER}/"), subject: "alice".to_owned() };
    assert_eq!(role(&elsewhere), None);
}

#[test]
fn a_permit_that_breaks_is_gone_and_not_remembered() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    assert_eq!(scene.granted(), ["P-1"]);
    for broken in ["", "id: P-1", "{", &simple("P-1").replace("profile:", "profil:"), "\u{0}"] {
        scene.write("a.yaml", broken);
        assert!(scene.granted().is_empty());
        assert!(matches!(scene.problems().as_slice(), [(name, ProblemKind::Invalid(_))] if name == "a.yaml"));
    }
    scene.write("a.yaml", &simple("P-1"));
    assert_eq!((scene.granted().len(), scene.problems().len()), (1, 0));
}

#[rstest]
#[case::not_text(b"\xff\xfe".to_vec(), ProblemKind::NotText)]
#[case::huge(vec![b'#'; 1024 * 1024 + 1], ProblemKind::TooLong)]
fn a_file_that_cannot_be_a_permit_is_named(#[case] content: Vec<u8>, #[case] kind: ProblemKind) {
    let scene = scene();
    std::fs::write(scene.path("a.yaml"), content).unwrap();
    assert_eq!(scene.problems(), [("a.yaml".to_owned(), kind)]);
}

#[test]
fn a_yaml_bomb_is_refused() {
    let mut bomb = vec!["a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()];
    for (name, last) in ["b", "c", "d", "e", "f", "g", "h", "i", "j"].iter().zip("abcdefghi".chars()) {
        bomb.push(format!("{name}: &{name} [{}]\n", vec![format!("*{last}"); 9].join(",")));
    }
    let scene = scene();
    scene.write("a.yaml", &bomb.concat());
    assert!(matches!(scene.problems().as_slice(), [(_, ProblemKind::Invalid(_))]));
}

#[test]
fn links_folders_and_sockets_are_not_permits() {
    let scene = scene();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("p.yaml"), simple("P-1")).unwrap();
    symlink(outside.path().join("p.yaml"), scene.path("link.yaml")).unwrap();
    symlink("nowhere", scene.path("dangling.yaml")).unwrap();
    std::fs::create_dir(scene.path("folder.yaml")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(scene.path("socket.yaml")).unwrap();
    assert!(scene.granted().is_empty());
    let problems = scene.problems();
    assert_eq!(problems.len(), 4);
    assert!(problems.iter().all(|(_, kind)| *kind == ProblemKind::NotAFile));
    drop(socket);
}

#[test]
fn a_link_put_in_place_of_a_permit_ends_it() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    assert_eq!(scene.granted(), ["P-1"]);
    let outside = tempfile::tempdir().unwrap();
    std::fs::rename(scene.path("a.yaml"), outside.path().join("a.yaml")).unwrap();
    symlink(outside.path().join("a.yaml"), scene.path("a.yaml")).unwrap();
    assert!(scene.granted().is_empty());
}

#[test]
fn two_files_with_one_id_both_fall_also_when_they_agree() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    scene.write("b.yml", &simple("P-1"));
    scene.write("c.yaml", &simple("P-2"));
    assert_eq!(scene.granted(), ["P-2"]);
    let kinds: Vec<_> = scene.problems();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.iter().all(|(_, kind)| matches!(kind, ProblemKind::Duplicate(_))));
    std::fs::remove_file(scene.path("b.yml")).unwrap();
    assert_eq!(scene.granted(), ["P-1", "P-2"]);
}

#[test]
fn only_permit_files_are_looked_at() {
    let scene = scene();
    for name in [".a.yaml", "README.md", "a.yaml~", "a.yaml.swp", "yaml", ".yaml"] {
        scene.write(name, &simple("P-1"));
    }
    assert!(scene.granted().is_empty() && scene.problems().is_empty());
}

#[test]
fn another_tenants_permit_does_not_count() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    scene.write("b.yaml", &permit("P-2", "rival", &person("alice", "analyst"), ""));
    let book = PermitBook::open(scene.folder.path()).unwrap().for_tenant("acme".parse().unwrap());
    let decision = book.decide(&identity("alice"), Utc::now());
    assert_eq!(decision.grants.len(), 1);
    assert!(decision.under(&"P-2".parse().unwrap()).is_none());
    assert!(matches!(book.problems().as_slice(), [problem] if matches!(problem.kind, ProblemKind::ForeignTenant(_))));
}

#[test]
fn an_unreadable_file_or_folder_means_no() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    assert_eq!(scene.granted(), ["P-1"]);
    std::fs::set_permissions(scene.path("a.yaml"), std::fs::Permissions::from_mode(0o000)).unwrap();
    // File rights do not bind every user who runs tests; whoever they bind gets nothing.
    if std::fs::File::open(scene.path("a.yaml")).is_err() {
        assert!(scene.granted().is_empty());
        assert_eq!(scene.problems(), [("a.yaml".to_owned(), ProblemKind::Unreadable)]);
    } else {
        assert_eq!(scene.granted(), ["P-1"]);
    }
    let gone = scene.folder.path().to_owned();
    scene.folder.close().unwrap();
    assert!(scene.book.permits().iter().next().is_none());
    assert_eq!(scene.book.problems()[0].kind, ProblemKind::NoFolder);
    assert!(PermitBook::open(&gone).is_err());
    assert!(PermitBook::open(Path::new("/dev/null")).is_err());
}

#[test]
fn a_folder_that_comes_back_counts_again() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    assert_eq!(scene.granted(), ["P-1"]);
    let away = tempfile::tempdir().unwrap();
    std::fs::rename(scene.folder.path(), away.path().join("permits")).unwrap();
    assert!(scene.granted().is_empty());
    assert!(scene.granted().is_empty());
    std::fs::rename(away.path().join("permits"), scene.folder.path()).unwrap();
    assert_eq!((scene.granted().len(), scene.problems().len()), (1, 0));
    // Empty it is a folder without permits, not a broken one.
    std::fs::remove_file(scene.path("a.yaml")).unwrap();
    assert_eq!((scene.granted().len(), scene.problems().len()), (0, 0));
}

#[test]
fn a_problem_names_the_place_and_does_not_quote_the_file() {
    let scene = scene();
    let text = permit("P-1", "acme", &person("private-subject", "analyst"), "unknown: private-value\n");
    for broken in [text.clone(), text.replace("analyst", "private-role"), text.replace("role", "private-subject: [")] {
        scene.write("a.yaml", &broken);
        let problem = scene.book.problems()[0].to_string();
        assert!(problem.contains("line"), "{problem}");
        assert!(!problem.contains("private-subject") && !problem.contains("private-value"), "{problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }
}

#[test]
fn a_snapshot_does_not_change_under_its_reader() {
    let scene = scene();
    scene.write("a.yaml", &simple("P-1"));
    let before = scene.book.permits();
    std::fs::remove_file(scene.path("a.yaml")).unwrap();
    assert!(scene.granted().is_empty());
    assert_eq!(before.iter().count(), 1);
    assert!(!before.decide(&identity("alice"), Utc::now()).is_denied());
}
