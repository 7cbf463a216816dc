//! The disk is full, the server is gone, an answer is lost: an error, nothing half visible, and
//! running again completes.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use futures::TryStreamExt;
use object_store::ObjectStore;
use oscar_lake::{Lake, TableError, TableWriter, WriteMode};
use rstest::rstest;

use crate::backend::Backend;
use crate::failing_store::{FailingStore, Fault};
use crate::rows::{batch, delivery, noise, numbers, query, schema, table};

/// Writes until the store's error surfaces, at the latest when the files are completed.
async fn write_all(mut writer: TableWriter, batches: impl Iterator<Item = RecordBatch>) -> Result<u64, TableError> {
    for batch in batches {
        writer.write(batch).await?;
    }
    writer.commit(&delivery("ours")).await
}

fn batches() -> impl Iterator<Item = RecordBatch> {
    (0..20).map(|chunk| batch(chunk * 10_000..(chunk + 1) * 10_000))
}

#[rstest]
#[case::at_once_on_local(Backend::Local, 0)]
#[case::in_the_first_file_on_local(Backend::Local, 300_000)]
#[case::at_once_on_s3(Backend::S3, 0)]
#[case::in_the_first_file_on_s3(Backend::S3, 300_000)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_and_running_again_completes(#[case] backend: Backend, #[case] room: i64) {
    let Some(place) = backend.place() else { return };
    let (store, storage) = FailingStore::over(&place.storage);
    let (lake, table) = (Lake::new(storage), table("persons"));
    let before = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    let before = write_all(before, std::iter::once(batch([1]))).await.unwrap();
    store.set_room(room);
    let writer = lake.table_writer(&table, schema(), WriteMode::Append, Some(before)).await.unwrap();
    let failed = write_all(writer, batches()).await;
    assert!(failed.as_ref().is_err_and(|error| error.to_string().contains("run the delivery again")), "{failed:?}");
    store.set_room(i64::MAX);
    assert_eq!(lake.latest_version(&table).await.unwrap(), Some(before));
    assert_eq!(numbers(&lake, &table, before).await, [1]);
    let writer = lake.table_writer(&table, schema(), WriteMode::Append, Some(before)).await.unwrap();
    let version = write_all(writer, batches()).await.unwrap();
    assert_eq!(numbers(&lake, &table, version).await.len(), 200_001);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_sent_in_parts_and_a_part_that_fails_fails_the_delivery(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (store, storage) = FailingStore::over(&place.storage);
    let (lake, table) = (Lake::new(storage), table("noise"));
    let columns = noise(0).schema();
    let start = || lake.table_writer(&table, Arc::clone(&columns), WriteMode::Replace, None);
    store.set_room(12_000_000);
    let failed = write_all(start().await.unwrap(), (0..100).map(|_| noise(6_000))).await;
    assert!(matches!(failed, Err(TableError::Store(_))), "{failed:?}");
    assert_eq!(lake.latest_version(&table).await.unwrap(), None);
    store.set_room(i64::MAX);
    let version = write_all(start().await.unwrap(), (0..100).map(|_| noise(6_000))).await.unwrap();
    let files = lake.data_files(&table, version).await.unwrap();
    assert!(files.iter().any(|file| file.size > 16_000_000), "more than one part: {files:?}");
    let read = query(&lake, &table, version, "SELECT count(DISTINCT noise) FROM t").await;
    assert_eq!(read[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0), 600_000);
    let listed: Vec<_> = place.storage.store().list(None).try_collect().await.unwrap();
    let data = listed.iter().filter(|meta| meta.location.as_ref().ends_with(".parquet")).count();
    assert_eq!(data, files.len(), "the upload that failed was cancelled: {listed:?}");
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_down_before_the_commit_leaves_nothing_visible(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (store, storage) = FailingStore::over(&place.storage);
    let (lake, table) = (Lake::new(storage), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch([1, 2])).await.unwrap();
    let staged = writer.finish().await.unwrap();
    store.set(Fault::Down);
    assert!(staged.commit(None, &delivery("ours")).await.is_err());
    assert!(lake.latest_version(&table).await.is_err(), "down is not the same as empty");
    store.set(Fault::None);
    assert_eq!(lake.latest_version(&table).await.unwrap(), None);
    let version = staged.commit(None, &delivery("ours")).await.unwrap();
    assert_eq!(numbers(&lake, &table, version).await, [1, 2]);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_recognised_and_not_made_twice(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (store, storage) = FailingStore::over(&place.storage);
    let (lake, table) = (Lake::new(storage), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch([1, 2])).await.unwrap();
    let staged = writer.finish().await.unwrap();
    store.set(Fault::LostAnswer);
    let version = staged.commit(None, &delivery("ours")).await.unwrap();
    assert_eq!(lake.latest_version(&table).await.unwrap(), Some(version));
    assert_eq!(version, 0);
    assert_eq!(numbers(&lake, &table, version).await, [1, 2]);
}
