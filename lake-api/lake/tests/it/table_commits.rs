//! Commits: what a version consists of, whoever races and whatever was left behind.

use std::collections::BTreeSet;

use futures::future::join_all;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use oscar_lake::{Lake, TableError, WriteMode};
use oscar_permit::TableRef;
use rstest::rstest;

use crate::backend::Backend;
use crate::rows::{batch, delivery, numbers, schema, table};

async fn commit(lake: &Lake, table: &TableRef, mode: WriteMode, base: Option<u64>, name: &str, rows: &[i64]) -> u64 {
    let mut writer = lake.table_writer(table, schema(), mode, base).await.unwrap();
    writer.write(batch(rows.iter().copied())).await.unwrap();
    writer.commit(&delivery(name)).await.unwrap()
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn replacing_leaves_only_the_new_rows_and_the_old_version_stays_readable(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let first = commit(&lake, &table, WriteMode::Replace, None, "first", &[1, 2, 3]).await;
    let second = commit(&lake, &table, WriteMode::Replace, Some(first), "second", &[4]).await;
    assert_eq!(numbers(&lake, &table, second).await, [4]);
    assert_eq!(numbers(&lake, &table, first).await, [1, 2, 3]);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn appending_builds_on_the_accepted_version_and_drops_what_was_never_accepted(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let accepted = commit(&lake, &table, WriteMode::Replace, None, "accepted", &[1, 2]).await;
    let leftover = commit(&lake, &table, WriteMode::Append, Some(accepted), "killed before acceptance", &[90]).await;
    let replaced = commit(&lake, &table, WriteMode::Replace, Some(accepted), "killed as well", &[91]).await;
    let next = commit(&lake, &table, WriteMode::Append, Some(accepted), "next", &[3]).await;
    assert_eq!(numbers(&lake, &table, next).await, [1, 2, 3]);
    assert_eq!(numbers(&lake, &table, leftover).await, [1, 2, 90], "versions never change");
    assert_eq!(numbers(&lake, &table, replaced).await, [91]);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn racing_commits_each_get_a_version_of_their_own_and_never_mix(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let race = (0..8).map(|racer| {
        let (lake, table) = (lake.clone(), table.clone());
        tokio::spawn(async move {
            let version = commit(&lake, &table, WriteMode::Replace, None, &format!("racer {racer}"), &[racer]).await;
            (racer, version)
        })
    });
    let outcomes: Vec<(i64, u64)> = join_all(race).await.into_iter().map(Result::unwrap).collect();
    let versions: BTreeSet<u64> = outcomes.iter().map(|(_, version)| *version).collect();
    assert_eq!(versions, (0..8).collect(), "eight commits, eight versions, none lost");
    for (racer, version) in outcomes {
        assert_eq!(numbers(&lake, &table, version).await, [racer]);
    }
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn staged_files_can_be_committed_again_on_a_newer_base(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let base = commit(&lake, &table, WriteMode::Replace, None, "base", &[1]).await;
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Append, Some(base)).await.unwrap();
    writer.write(batch([10])).await.unwrap();
    let staged = writer.finish().await.unwrap();
    assert_eq!((staged.rows(), staged.files()), (1, 1));
    let overtaken = staged.commit(Some(base), &delivery("ours")).await.unwrap();
    let accepted_meanwhile = commit(&lake, &table, WriteMode::Append, Some(base), "theirs", &[20]).await;
    let ours = staged.commit(Some(accepted_meanwhile), &delivery("ours")).await.unwrap();
    assert_eq!(numbers(&lake, &table, overtaken).await, [1, 10]);
    assert_eq!(numbers(&lake, &table, accepted_meanwhile).await, [1, 20]);
    assert_eq!(numbers(&lake, &table, ours).await, [1, 10, 20]);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_finds_its_own_commit_again_but_not_one_on_an_older_base(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let ours = delivery("ours");
    let find = async |mode, base| lake.version_of_delivery(&table, &ours, mode, base).await.unwrap();
    assert_eq!(find(WriteMode::Append, None).await, None, "no table yet");
    let base = commit(&lake, &table, WriteMode::Replace, None, "base", &[1]).await;
    let version = commit(&lake, &table, WriteMode::Append, Some(base), "ours", &[2]).await;
    let later = commit(&lake, &table, WriteMode::Replace, None, "later", &[3]).await;
    assert_eq!(find(WriteMode::Append, Some(base)).await, Some(version));
    assert_eq!(find(WriteMode::Append, Some(later)).await, None);
    assert_eq!(find(WriteMode::Replace, Some(base)).await, None);
    let other = lake.version_of_delivery(&table, &delivery("other"), WriteMode::Append, Some(base)).await.unwrap();
    assert_eq!(other, None);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn forty_versions_stay_readable_and_nothing_leaves_the_log(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut base = None;
    for number in 0..42 {
        base = Some(commit(&lake, &table, WriteMode::Append, base, &format!("day {number}"), &[number]).await);
    }
    assert_eq!(base, Some(41));
    for version in [0, 5, 19, 20, 21, 40, 41] {
        assert_eq!(numbers(&lake, &table, version).await, (0..=version.cast_signed()).collect::<Vec<_>>());
    }
    let store = place.storage.store();
    for version in 0..42 {
        store.head(&Path::from(format!("lake/register/persons/_delta_log/{version:020}.json"))).await.unwrap();
    }
    let checkpoint = "lake/register/persons/_delta_log/00000000000000000040.checkpoint.parquet";
    store.head(&Path::from(checkpoint)).await.unwrap();
    let old = lake.version_of_delivery(&table, &delivery("day 3"), WriteMode::Append, Some(2)).await.unwrap();
    assert_eq!(old, Some(3), "an old delivery is found behind a checkpoint");
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn replacing_may_change_the_columns_and_appending_may_not(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let old = commit(&lake, &table, WriteMode::Replace, None, "old", &[1]).await;
    let narrow = batch([7]).project(&[1]).unwrap();
    let refused = lake.table_writer(&table, narrow.schema(), WriteMode::Append, Some(old)).await;
    assert!(matches!(refused, Err(TableError::Columns { .. })), "{refused:?}");
    let mut writer = lake.table_writer(&table, narrow.schema(), WriteMode::Append, None).await.unwrap();
    writer.write(narrow.clone()).await.unwrap();
    let refused = writer.finish().await.unwrap().commit(Some(old), &delivery("narrow")).await;
    assert!(matches!(refused, Err(TableError::Columns { .. })), "{refused:?}");
    let mut writer = lake.table_writer(&table, narrow.schema(), WriteMode::Replace, Some(old)).await.unwrap();
    writer.write(narrow.clone()).await.unwrap();
    let new = writer.commit(&delivery("narrow")).await.unwrap();
    assert_eq!(lake.provider(&table, new).await.unwrap().schema(), narrow.schema());
    assert_eq!(lake.provider(&table, old).await.unwrap().schema().fields().len(), schema().fields().len());
    assert_eq!(numbers(&lake, &table, new).await, [7]);
    assert_eq!(numbers(&lake, &table, old).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_other_columns_is_refused() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    let refused = writer.write(batch([1]).project(&[0, 1]).unwrap()).await;
    assert!(matches!(refused, Err(TableError::Columns { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_writer_leaves_nothing_visible() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch(0..1000)).await.unwrap();
    drop(writer);
    assert_eq!(lake.latest_version(&table).await.unwrap(), None);
    let staged = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap().finish().await.unwrap();
    assert_eq!(staged.files(), 0);
    drop(staged);
    assert_eq!(lake.latest_version(&table).await.unwrap(), None);
}

#[tokio::test]
async fn a_runtime_of_one_thread_is_enough() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let version = commit(&lake, &table, WriteMode::Replace, None, "first", &[1, 2]).await;
    assert_eq!(numbers(&lake, &table, version).await, [1, 2]);
}
