use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray};
use serde_json::{Value, json};

use crate::spoke::{
    Spoke, cpr, hash, integers, parquet_of, person_fields, person_section, put_csv, single, texts, write,
};

/// Delivers one file and returns the notes and ages that were stored.
async fn stored(name: &str, bytes: &[u8], change: impl Fn(&mut Value)) -> Vec<(Option<String>, Option<i64>)> {
    let spoke = Spoke::new();
    let mut package = single(name, bytes, &person_fields(), &person_section());
    change(&mut package["resources"][0]);
    write(&spoke.package(), &package, &[(name, bytes)]);
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    texts(&rows, "note").into_iter().zip(integers(&rows, "age")).collect()
}

fn expected() -> Vec<(Option<String>, Option<i64>)> {
    vec![(Some("Læge, \"ny\"\nto linjer".into()), Some(1)), (None, Some(2)), (Some("x".into()), None)]
}

fn csv() -> String {
    format!("cpr,age,note\n{},1,\"Læge, \"\"ny\"\"\nto linjer\"\r\n{},2,\n{},,x", cpr(1), cpr(2), cpr(3))
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_csv_with_quoted_newlines_and_without_a_last_line_end() {
    assert_eq!(stored("a.csv", csv().as_bytes(), |_| ()).await, expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_no_part_of_the_first_header() {
    assert_eq!(stored("a.csv", format!("\u{feff}{}", csv()).as_bytes(), |_| ()).await, expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_may_come_in_pieces() {
    let text = format!("\u{feff}{}", csv());
    let mut members = Vec::new();
    for part in [&text.as_bytes()[..1], &text.as_bytes()[1..2], &text.as_bytes()[2..]] {
        let mut encoder = flate2::write::GzEncoder::new(&mut members, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    assert_eq!(stored("a.csv.gz", &members, |_| ()).await, expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_no_value_are_those_of_the_files_encoding() {
    let spoke = Spoke::new();
    let csv = format!("cpr,age,note\n{},ukendt ålder,måske\n{},7,måske ikke\n", cpr(1), cpr(2));
    let bytes: Vec<u8> = csv.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let mut package = single("a.csv", &bytes, &person_fields(), &person_section());
    package["resources"][0]["encoding"] = json!("latin1");
    package["resources"][0]["schema"]["missingValues"] = json!(["ukendt ålder", "måske", "\u{3a9}"]);
    write(&spoke.package(), &package, &[("a.csv", &bytes)]);
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(integers(&rows, "age"), [None, Some(7)]);
    assert_eq!(texts(&rows, "note"), [None, Some("måske ikke".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn semicolons_and_latin_1() {
    let text = csv().replace(',', ";").replace("Læge;", "Læge,");
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let change = |resource: &mut Value| {
        resource["encoding"] = json!("iso-8859-1");
        resource["dialect"] = json!({"delimiter": ";"});
    };
    assert_eq!(stored("a.csv", &bytes, change).await, expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_also_of_several_members_and_zstd() {
    let text = csv();
    let (head, tail) = text.as_bytes().split_at(30);
    let mut members = Vec::new();
    for part in [head, tail] {
        let mut encoder = flate2::write::GzEncoder::new(&mut members, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    assert_eq!(stored("a.csv.gz", &members, |_| ()).await, expected());
    assert_eq!(stored("a.csv.zst", &zstd::encode_all(text.as_bytes(), 3).unwrap(), |_| ()).await, expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn ndjson_with_names_in_any_order_nulls_and_absent_names() {
    let lines = format!(
        "{}\n\n{}\n{}\n",
        json!({"note": "Læge, \"ny\"\nto linjer", "cpr": cpr(1), "age": 1}),
        json!({"cpr": cpr(2), "age": "2", "note": null}),
        json!({"cpr": cpr(3), "note": "x"}),
    );
    assert_eq!(stored("a.ndjson", lines.as_bytes(), |_| ()).await, expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn ndjson_packed_as_gzip_and_as_zstd() {
    let lines = format!(
        "{}\n{}\n{}",
        json!({"cpr": cpr(1), "age": 1, "note": "Læge, \"ny\"\nto linjer"}),
        json!({"cpr": cpr(2), "age": 2}),
        json!({"cpr": cpr(3), "note": "x"}),
    );
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(lines.as_bytes()).unwrap();
    assert_eq!(stored("a.ndjson.gz", &encoder.finish().unwrap(), |_| ()).await, expected());
    let zstd = zstd::encode_all(lines.as_bytes(), 3).unwrap();
    assert_eq!(stored("a.jsonl.zst", &zstd, |_| ()).await, expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_is_read_however_its_pages_are_packed() {
    use parquet::basic::{Compression, ZstdLevel};
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("note", Arc::new(StringArray::from(vec![Some("Læge, \"ny\"\nto linjer"), None, Some("x")]))),
        ("cpr", Arc::new(StringArray::from(vec![cpr(1), cpr(2), cpr(3)]))),
        ("age", Arc::new(Int32Array::from(vec![Some(1), Some(2), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())] {
        for dictionary in [true, false] {
            let bytes = parquet_of(&batch, |properties| {
                properties.set_compression(compression).set_dictionary_enabled(dictionary)
            });
            let any_order = |resource: &mut Value| resource["schema"]["fieldsMatch"] = json!("equal");
            assert_eq!(stored("a.parquet", &bytes, any_order).await, expected(), "{compression:?}");
        }
    }
    // Packed once more from outside it could not be read from its end.
    let bytes = parquet_of(&batch, |properties| properties);
    let spoke = Spoke::new();
    let packed = zstd::encode_all(bytes.as_slice(), 3).unwrap();
    let package = single("a.parquet.zst", &packed, &person_fields(), &person_section());
    write(&spoke.package(), &package, &[("a.parquet.zst", &packed)]);
    let refusal = spoke.refusal().await;
    assert!(refusal.rule() == "package" && refusal.to_string().contains("deliver it as it is"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_of_one_table_are_read_one_after_the_other() {
    let spoke = Spoke::new();
    let parts: Vec<String> = (0..3).map(|n| format!("cpr,age,note\n{},{n},a\n", cpr(n))).collect();
    let names = ["1.csv", "2.csv", "3.csv"];
    let mut package = single("1.csv", parts[0].as_bytes(), &person_fields(), &person_section());
    let resource = &mut package["resources"][0];
    resource["path"] = json!(names);
    resource["hash"] = parts.iter().map(|part| hash(part.as_bytes())).collect();
    resource["bytes"] = json!(parts.iter().map(String::len).sum::<usize>());
    let files: Vec<(&str, &[u8])> = names.iter().copied().zip(parts.iter().map(String::as_bytes)).collect();
    write(&spoke.package(), &package, &files);
    assert_eq!(spoke.deliver().await.unwrap().tables.values().next().unwrap().files, 3);
    assert_eq!(integers(&spoke.open().await.rows("person").await, "age"), [Some(0), Some(1), Some(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_columns_of_the_right_kind_are_widened() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("cpr", Arc::new(StringArray::from(vec![cpr(1), cpr(2)]))),
        ("age", Arc::new(Int32Array::from(vec![Some(1), None]))),
        ("note", Arc::new(StringArray::from(vec![None, Some("x")]))),
        ("dose", Arc::new(Float64Array::from(vec![0.5, 2.0]))),
        ("day", Arc::new(Date32Array::from(vec![1, 2]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let spoke = Spoke::new();
    let bytes = parquet_of(&batch, |properties| properties);
    std::fs::write(spoke.package().join("a.parquet"), &bytes).unwrap();
    let mut fields = person_fields();
    fields
        .as_array_mut()
        .unwrap()
        .extend([json!({"name": "dose", "type": "number"}), json!({"name": "day", "type": "date"})]);
    write(&spoke.package(), &single("a.parquet", &bytes, &fields, &person_section()), &[]);
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(integers(&rows, "age"), [Some(1), None]);
    assert_eq!(texts(&rows, "day"), [Some("1970-01-02".into()), Some("1970-01-03".into())]);

    fields[1]["type"] = json!("boolean");
    fields[1]["constraints"] = json!({});
    write(&spoke.package(), &single("a.parquet", &bytes, &fields, &person_section()), &[]);
    assert_eq!(spoke.refusal().await.rule(), "column-type");
}

#[tokio::test(flavor = "multi_thread")]
async fn decimal_commas_own_missing_values_and_own_date_formats() {
    let spoke = Spoke::new();
    let fields = json!([
        {"name": "CPR-nr", "type": "string"},
        {"name": "Vægt (kg)", "type": "number", "decimalChar": ",", "groupChar": "."},
        {"name": "Dato", "type": "date", "format": "%d-%m-%Y"},
    ]);
    let section = json!({"table": "person", "kind": "persons", "personKey": "CPR-nr", "personKeyKind": "cpr"});
    let csv = format!("CPR-nr;Vægt (kg);Dato\n{};1.070,5;31-12-2020\n{};NA;NA\n", cpr(1), cpr(2));
    let mut package = single("a.csv", csv.as_bytes(), &fields, &section);
    package["resources"][0]["dialect"] = json!({"delimiter": ";"});
    package["resources"][0]["schema"]["missingValues"] = json!(["NA"]);
    write(&spoke.package(), &package, &[("a.csv", csv.as_bytes())]);
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(texts(&rows, "vaegt_kg"), [Some("1070.5".into()), None]);
    assert_eq!(texts(&rows, "dato"), [Some("2020-12-31".into()), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_in_yaml_is_the_same_package_and_files_may_lie_elsewhere() {
    let spoke = Spoke::new();
    let csv = format!("cpr,age,note\n{},1,a\n", cpr(1));
    let files = spoke.folder.join("files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("a.csv"), &csv).unwrap();
    let yaml = format!(
        "oscar: {{dataset: register, profile: strict}}\nresources:\n  - name: person\n    path: a.csv\n    hash: {}\n    \
         schema:\n      fields:\n        - {{name: cpr, type: string}}\n        - {{name: age, type: integer}}\n        - {{name: note}}\n    \
         oscar: {{kind: persons, personKey: cpr, personKeyKind: cpr, rows: 1}}\n",
        hash(csv.as_bytes())
    );
    let path = spoke.package().join("datapackage.yaml");
    std::fs::write(&path, yaml).unwrap();
    let open = spoke.open().await;
    let permit = crate::spoke::permit("P-1");
    let report = open.intake.deliver(&path, Some(&files), &permit, &oscar_intake::Silent).await.unwrap();
    assert_eq!(report.tables.values().next().unwrap().rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_their_order_over_many_blocks() {
    let spoke = Spoke::new();
    let rows: String = (0..70_000).map(|n| format!("{},{},n\n", cpr(n % 500), n % 131)).collect();
    put_csv(&spoke, format!("cpr,age,note\n{rows}").as_bytes(), &person_fields(), &person_section());
    spoke.deliver().await.unwrap();
    let ages = integers(&spoke.open().await.rows("person").await, "age");
    assert!(ages.iter().enumerate().all(|(n, age)| *age == Some(i64::try_from(n % 131).unwrap())));
}
