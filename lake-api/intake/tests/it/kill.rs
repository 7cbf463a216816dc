//! SIGKILL in the middle of an intake, at many different moments.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use oscar_intake::Silent;

use crate::spoke::{Spoke, permit, persons_csv, put_persons};

const FOLDER: &str = "OSCAR_INTAKE_KILL_FOLDER";
const ROWS: usize = 4000;

/// Not a test of its own: the process that gets killed runs it.
#[tokio::test(flavor = "multi_thread")]
async fn deliver_where_the_killer_says() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let spoke = Spoke::at(Path::new(&folder));
    spoke.open().await.intake.deliver(&spoke.package(), None, &permit("P-1"), &Silent).await.unwrap();
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["kill::deliver_where_the_killer_says", "--exact", "--quiet"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Files and folders below: the more, the further the intake has come.
fn entries(folder: &Path) -> usize {
    let Ok(found) = std::fs::read_dir(folder) else { return 0 };
    found.flatten().map(|entry| 1 + if entry.path().is_dir() { entries(&entry.path()) } else { 0 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_nothing_half_visible_and_the_next_try_completes() {
    let mut killed = 0;
    for moment in 0.. {
        let spoke = Spoke::new();
        put_persons(&spoke, &persons_csv(ROWS));
        let before = entries(&spoke.folder);
        let mut child = start(&spoke.folder);
        // The moment is the number of files that the intake has made so far.
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if entries(&spoke.folder) >= before + moment {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::yield_now();
        };
        let visible = spoke.open().await.journal.refresh().await.unwrap().visible_versions();
        if let Some(status) = ended {
            assert!(status.success(), "an intake that was left alone failed");
            assert_eq!(visible.len(), 1);
            break;
        }
        killed += 1;
        if !visible.is_empty() {
            assert_eq!(spoke.open().await.rows("person").await.num_rows(), ROWS);
        }
        let report = spoke.deliver().await.unwrap();
        assert_eq!(report.already_delivered, !visible.is_empty());
        let rows = spoke.open().await.rows("person").await;
        let indexes: std::collections::HashSet<_> = crate::spoke::hidden(&rows).into_iter().collect();
        assert_eq!((rows.num_rows(), indexes.len()), (ROWS, ROWS));
    }
    assert!(killed >= 5, "only {killed} moments could be caught");
}
