//! Reading pinned versions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use oscar_lake::{Lake, TableError, WriteMode, scan_type};
use oscar_permit::PERSON_INDEX_COLUMN;
use rstest::rstest;

use crate::backend::Backend;
use crate::rows::{batch, contract, delivery, letters, numbers, query, schema, table};

/// The batch of `numbers` as a query sees it.
fn as_read(numbers: std::ops::Range<i64>) -> Vec<ArrayRef> {
    let letters = StringViewArray::from_iter_values(numbers.clone().map(letters));
    let mut columns = batch(numbers).columns().to_vec();
    columns[0] = Arc::new(letters);
    columns
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_sees_the_types_that_scan_type_promises() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    let version = writer.commit(&delivery("empty")).await.unwrap();
    let seen = lake.provider(&table, version).await.unwrap().schema();
    for column in &contract().tables.values().next().unwrap().columns {
        let field = seen.field_with_name(column.name.as_str()).unwrap();
        assert_eq!(field.data_type(), &scan_type(column.logical_type));
        assert_eq!(field.is_nullable(), !column.required);
    }
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_version_holds_exactly_the_cells_that_were_written(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch(0..500)).await.unwrap();
    writer.write(batch(500..1000)).await.unwrap();
    let version = writer.commit(&delivery("all types")).await.unwrap();
    let read = query(&lake, &table, version, "SELECT * FROM t ORDER BY contacts").await;
    let read = concat_batches(&read[0].schema(), &read).unwrap();
    assert_eq!(read.columns(), as_read(0..1000));
    assert_eq!(read.schema().fields().last().unwrap().name(), PERSON_INDEX_COLUMN);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_several_row_groups_is_filtered_counted_and_grouped_right(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    for chunk in 0..10 {
        writer.write(batch(chunk * 30_000..(chunk + 1) * 30_000)).await.unwrap();
    }
    let version = writer.commit(&delivery("large")).await.unwrap();
    let sql = "SELECT count(*) AS a, count(weight) AS b, sum(contacts) FILTER (WHERE contacts >= 299990) AS c FROM t";
    let read = query(&lake, &table, version, sql).await;
    let row: Vec<i64> =
        read[0].columns().iter().map(|c| c.as_any().downcast_ref::<Int64Array>().unwrap().value(0)).collect();
    assert_eq!(row, [300_000, 200_000, (299_990..300_000).sum::<i64>()]);
    let pruned = query(&lake, &table, version, "SELECT contacts FROM t WHERE contacts IN (5, 299999) ORDER BY 1").await;
    let pruned = concat_batches(&pruned[0].schema(), &pruned).unwrap();
    assert_eq!(pruned.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values(), &[5, 299_999]);
    let files = lake.data_files(&table, version).await.unwrap();
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn pseudonyms_are_filtered_joined_and_counted_by_their_letters() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch((0..3000).map(|n| n % 1000))).await.unwrap();
    let version = writer.commit(&delivery("pseudonyms")).await.unwrap();
    let one = async |sql: String| {
        let read = query(&lake, &table, version, &sql).await;
        let read = concat_batches(&read[0].schema(), &read).unwrap();
        read.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
    };
    let (seven, nobody) = (letters(7), letters(-7));
    assert_eq!(one(format!("SELECT contacts FROM t WHERE person = '{seven}'")).await, [7, 7, 7]);
    assert_eq!(one(format!("SELECT count(*) FROM t WHERE person IN ('{seven}', '{nobody}')")).await, [3]);
    assert_eq!(one(format!("SELECT count(*) FROM t WHERE person LIKE '{}%'", &seven[..16])).await, [3]);
    assert_eq!(one("SELECT count(DISTINCT person) FROM t".to_owned()).await, [1000]);
    assert_eq!(one("SELECT count(*) FROM t a JOIN t b ON a.person = b.person".to_owned()).await, [9000]);
    assert_eq!(one("SELECT count(*) FROM t WHERE contacts = 7 AND person IS NOT NULL".to_owned()).await, [3]);
    let last = query(&lake, &table, version, "SELECT max(person) FROM t").await;
    assert_eq!(last[0].column(0).as_string_view().value(0), letters(999));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_pseudonyms_were_stored_as_letters_stays_readable_and_takes_no_bytes() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    fields[0] = Arc::new(Field::new("person", DataType::Utf8, false));
    let before = Arc::new(Schema::new(fields));
    let mut columns = batch(0..10).columns().to_vec();
    columns[0] = Arc::new(StringArray::from_iter_values((0..10).map(letters)));
    let mut writer = lake.table_writer(&table, Arc::clone(&before), WriteMode::Replace, None).await.unwrap();
    writer.write(RecordBatch::try_new(before, columns).unwrap()).await.unwrap();
    let old = writer.commit(&delivery("letters")).await.unwrap();

    let appended = lake.table_writer(&table, schema(), WriteMode::Append, Some(old)).await.map(|_| ());
    assert!(matches!(appended, Err(TableError::Columns { .. })), "{appended:?}");
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, Some(old)).await.unwrap();
    writer.write(batch(0..10)).await.unwrap();
    let new = writer.commit(&delivery("bytes")).await.unwrap();
    for version in [old, new] {
        let read = query(&lake, &table, version, "SELECT * FROM t ORDER BY contacts").await;
        assert_eq!(concat_batches(&read[0].schema(), &read).unwrap().columns(), as_read(0..10), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_delivery_is_an_empty_table() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    let version = writer.commit(&delivery("empty")).await.unwrap();
    assert_eq!(numbers(&lake, &table, version).await, Vec::<i64>::new());
    let counted = query(&lake, &table, version, "SELECT count(*) FROM t").await;
    assert_eq!(counted[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0), 0);
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_version_or_table_that_is_not_there_is_an_error(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (lake, persons) = (Lake::new(place.storage.clone()), table("persons"));
    let missing = lake.provider(&persons, 0).await.map(|_| ());
    assert!(matches!(missing, Err(TableError::NoVersion { .. })), "{missing:?}");
    let mut writer = lake.table_writer(&persons, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch([1])).await.unwrap();
    writer.commit(&delivery("first")).await.unwrap();
    let missing = lake.provider(&persons, 7).await.map(|_| ());
    assert!(matches!(missing, Err(TableError::NoVersion { version: 7, .. })), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_cannot_write_into_a_pinned_table() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch([1])).await.unwrap();
    let version = writer.commit(&delivery("first")).await.unwrap();
    let context = SessionContext::new();
    context.register_table("t", lake.provider(&table, version).await.unwrap()).unwrap();
    for sql in ["INSERT INTO t SELECT * FROM t", "DELETE FROM t", "UPDATE t SET contacts = 9"] {
        let outcome = match context.sql(sql).await {
            Ok(frame) => frame.collect().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err(), "{sql}");
    }
    assert_eq!(lake.latest_version(&table).await.unwrap(), Some(version));
    assert_eq!(numbers(&lake, &table, version).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_value_of_any_row_and_the_files_no_statistics_of_persons() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch([81_234_567])).await.unwrap();
    let version = writer.commit(&delivery("secret")).await.unwrap();
    let store = place.storage.store();
    let log: Vec<_> = store.list(Some(&Path::from("lake/register/persons/_delta_log"))).try_collect().await.unwrap();
    for entry in log {
        let text =
            String::from_utf8_lossy(&store.get(&entry.location).await.unwrap().bytes().await.unwrap()).into_owned();
        assert!(!text.contains("81234567") && !text.contains(&letters(81_234_567)), "{text}");
    }
    let file = &lake.data_files(&table, version).await.unwrap()[0];
    let bytes = store.get(&file.path).await.unwrap().bytes().await.unwrap();
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    let hidden = metadata.row_group(0).columns().last().unwrap();
    assert_eq!(hidden.column_path().string(), PERSON_INDEX_COLUMN);
    assert!(hidden.statistics().is_none());
    assert!(metadata.row_group(0).column(0).statistics().is_none(), "no pseudonym in a footer");
    assert!(metadata.row_group(0).column(1).statistics().is_some(), "numbers can be pruned");
}

#[rstest]
#[case::outside(r#"{"add":{"path":"../other/part.parquet","size":1,"partitionValues":{},"modificationTime":0,"dataChange":true,"stats":"{\"numRecords\":1}"}}"#)]
#[case::address(r#"{"add":{"path":"s3://elsewhere/part.parquet","size":1,"partitionValues":{},"modificationTime":0,"dataChange":true,"stats":"{\"numRecords\":1}"}}"#)]
#[case::uncounted(
    r#"{"add":{"path":"part.parquet","size":1,"partitionValues":{},"modificationTime":0,"dataChange":true}}"#
)]
#[case::deletion_vector(r#"{"add":{"path":"part.parquet","size":1,"partitionValues":{},"modificationTime":0,"dataChange":true,"stats":"{\"numRecords\":1}","deletionVector":{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}K{vb[*k^","offset":4,"sizeInBytes":40,"cardinality":6}}}"#)]
#[case::newer_reader(r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#)]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_entry_that_we_would_never_write_is_refused(#[case] entry: &str) {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch([1])).await.unwrap();
    writer.commit(&delivery("first")).await.unwrap();
    let path = Path::from("lake/register/persons/_delta_log/00000000000000000001.json");
    place.storage.store().put(&path, entry.to_owned().into()).await.unwrap();
    let read = lake.provider(&table, 1).await.map(|_| ());
    assert!(matches!(read, Err(TableError::Foreign { .. } | TableError::Log(_))), "{read:?}");
    assert_eq!(numbers(&lake, &table, 0).await, [1], "the version before it stays readable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_file_that_has_been_damaged_is_an_error_and_not_fewer_rows() {
    let place = Backend::Local.place().unwrap();
    let (lake, table) = (Lake::new(place.storage.clone()), table("persons"));
    let mut writer = lake.table_writer(&table, schema(), WriteMode::Replace, None).await.unwrap();
    writer.write(batch(0..5000)).await.unwrap();
    let version = writer.commit(&delivery("first")).await.unwrap();
    let file = lake.data_files(&table, version).await.unwrap().remove(0);
    let store = place.storage.store();
    let bytes = store.get(&file.path).await.unwrap().bytes().await.unwrap();
    for damaged in [bytes.slice(..bytes.len() / 2), bytes::Bytes::new()] {
        store.put(&file.path, damaged.into()).await.unwrap();
        let context = SessionContext::new();
        context.register_table("t", lake.provider(&table, version).await.unwrap()).unwrap();
        assert!(context.sql("SELECT sum(contacts) FROM t").await.unwrap().collect().await.is_err());
    }
    store.delete(&file.path).await.unwrap();
    let context = SessionContext::new();
    context.register_table("t", lake.provider(&table, version).await.unwrap()).unwrap();
    assert!(context.sql("SELECT sum(contacts) FROM t").await.unwrap().collect().await.is_err());
}
