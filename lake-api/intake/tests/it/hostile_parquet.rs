//! Parquet files that say something else than they hold.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter, arrow_writer::ArrowWriterOptions, encode_arrow_schema};
use parquet::basic::{Encoding, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::json;

use crate::spoke::{Spoke, cpr, parquet_of, person_section, single, texts, write};

/// Field `note` beside the key.
fn fields() -> serde_json::Value {
    json!([{"name": "cpr", "type": "string"}, {"name": "note", "type": "string"}])
}

fn put(spoke: &Spoke, bytes: &[u8]) {
    let package = single("a.parquet", bytes, &fields(), &person_section());
    write(&spoke.package(), &package, &[("a.parquet", bytes)]);
}

/// Bytes that are called text by nothing but the schema of a writer.
fn hinted(note: &[u8]) -> Vec<u8> {
    let columns: Vec<(&str, ArrayRef)> =
        vec![("cpr", Arc::new(StringArray::from(vec![cpr(1)]))), ("note", Arc::new(BinaryArray::from(vec![note])))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let called = Schema::new(vec![Field::new("cpr", DataType::Utf8, false), Field::new("note", DataType::Utf8, false)]);
    let hint = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&called));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![hint])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// A column `note` of this logical type with these values, in one page of this encoding.
fn written(kind: LogicalType, encoding: Encoding, notes: &[&[u8]]) -> Vec<u8> {
    let column = |name: &str, kind| {
        let column = Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
        Arc::new(column.with_logical_type(Some(kind)).build().unwrap())
    };
    let columns = vec![column("cpr", LogicalType::String), column("note", kind)];
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(columns).build().unwrap());
    let properties = WriterProperties::builder().set_dictionary_enabled(false).set_encoding(encoding).build();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    let keys: Vec<ByteArray> = (0..notes.len()).map(|n| ByteArray::from(cpr(n).into_bytes())).collect();
    let notes: Vec<ByteArray> = notes.iter().map(|note| ByteArray::from(note.to_vec())).collect();
    for values in [keys, notes] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_only_the_writers_schema_calls_text_are_refused() {
    for note in [&b"plain"[..], &b"\xff\xfe bytes that are no text at all"[..]] {
        let spoke = Spoke::new();
        put(&spoke, &hinted(note));
        assert_eq!(spoke.refusal().await.rule(), "column-type");
        put(&spoke, &written(LogicalType::Json, Encoding::PLAIN, &[note]));
        assert_eq!(spoke.refusal().await.rule(), "column-type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_of_a_character_in_two_values_are_no_text() {
    let long = [&b"a long text "[..], &[0xC3]].concat();
    for encoding in [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
        for first in [&[0xC3][..], &long] {
            let spoke = Spoke::new();
            put(&spoke, &written(LogicalType::String, encoding, &["æ".as_bytes(), first, &[0xA6], b"x"]));
            let refusal = spoke.refusal().await;
            let text = refusal.to_string();
            // Where the library notices by itself it cannot say in which row.
            let noticed = refusal.rule() == "parquet" || (refusal.rule() == "encoding" && text.contains("row 2"));
            assert!(noticed, "{encoding}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_says_of_dictionaries_and_of_time_zones_still_holds() {
    let codes: DictionaryArray<Int32Type> = vec![Some("æ"), None, Some("æ")].into_iter().collect();
    let times = TimestampMillisecondArray::from(vec![0, 1_500, 3_600_000]).with_timezone("+02:00");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("cpr", Arc::new(StringArray::from(vec![cpr(1), cpr(2), cpr(3)]))),
        ("note", Arc::new(codes)),
        ("seen", Arc::new(times)),
        ("count", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ];
    let bytes = parquet_of(&RecordBatch::try_from_iter(columns).unwrap(), |properties| properties);
    let spoke = Spoke::new();
    let mut fields = fields();
    fields
        .as_array_mut()
        .unwrap()
        .extend([json!({"name": "seen", "type": "datetime"}), json!({"name": "count", "type": "integer"})]);
    write(&spoke.package(), &single("a.parquet", &bytes, &fields, &person_section()), &[("a.parquet", &bytes)]);
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(texts(&rows, "note"), [Some("æ".into()), None, Some("æ".into())]);
    let seen: Vec<String> = texts(&rows, "seen").into_iter().flatten().collect();
    assert!(seen[0].starts_with("1970-01-01T00:00:00") && seen[2].starts_with("1970-01-01T01:00:00"), "{seen:?}");
}
