use std::fs;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use oscar_intake::{IntakeError, Refusal};
use rstest::rstest;
use serde_json::{Value, json};

use crate::spoke::{
    Spoke, cpr, parquet_of, person_fields, person_section, persons_csv, put_csv, put_persons, single, write,
};

/// The rule that refuses this file.
async fn rule_of(name: &str, bytes: &[u8], change: impl Fn(&mut Value)) -> (&'static str, String) {
    let spoke = Spoke::new();
    let mut package = single(name, bytes, &person_fields(), &person_section());
    change(&mut package);
    write(&spoke.package(), &package, &[(name, bytes)]);
    let refusal = spoke.refusal().await;
    (refusal.rule(), refusal.to_string())
}

fn row(n: usize) -> String {
    format!("{},1,a\n", cpr(n))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest() {
    let change = |package: &mut Value| package["resources"][0]["hash"] = json!(format!("sha256:{}", "0".repeat(64)));
    assert_eq!(rule_of("a.csv", &persons_csv(100), change).await.0, "file-digest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_another_kind_or_none() {
    for hash in [json!("d41d8cd98f00b204e9800998ecf8427e"), json!("sha256:12"), Value::Null] {
        let change = |package: &mut Value| package["resources"][0]["hash"] = hash.clone();
        assert_eq!(package_error(change).await.0, "package");
    }
}

/// Errors of the package itself come before the dataset is known to the journal.
async fn package_error(change: impl Fn(&mut Value)) -> (&'static str, String) {
    rule_of("a.csv", &persons_csv(3), change).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_number_of_rows_or_bytes() {
    let rows = |package: &mut Value| package["resources"][0]["oscar"]["rows"] = json!(101);
    assert_eq!(rule_of("a.csv", &persons_csv(100), rows).await.0, "row-count");
    let bytes = |package: &mut Value| package["resources"][0]["bytes"] = json!(7);
    assert_eq!(rule_of("a.csv", &persons_csv(100), bytes).await.0, "file-size");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_gzip_or_zstd() {
    let csv = persons_csv(50_000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&csv).unwrap();
    let gzip = encoder.finish().unwrap();
    assert_eq!(rule_of("a.csv.gz", &gzip[..gzip.len() / 2], |_| ()).await.0, "file-truncated");
    assert_eq!(rule_of("a.csv.gz", &gzip[..gzip.len() - 4], |_| ()).await.0, "file-truncated");
    let zstd = zstd::encode_all(csv.as_slice(), 1).unwrap();
    assert_eq!(rule_of("a.csv.zst", &zstd[..zstd.len() / 2], |_| ()).await.0, "file-truncated");
    assert_eq!(rule_of("a.csv.gz", b"cpr,age,note\n", |_| ()).await.0, "file-truncated");
}

#[rstest]
#[case("cpr,age\n0201609995,1\n", "column-missing", "note")]
#[case("cpr,age,note,extra\n0201609995,1,a,b\n", "column-extra", "1 columns")]
#[case("cpr,age,remark\n0201609995,1,a\n", "column-missing", "note")]
#[case("cpr,note,age\n0201609995,a,1\n", "column-order", "age")]
#[case("cpr,age,note,note\n0201609995,1,a,b\n", "column-twice", "note")]
#[case("", "column-missing", "header")]
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_missing_extra_renamed_moved_or_twice(
    #[case] csv: &str,
    #[case] rule: &str,
    #[case] says: &str,
) {
    let (found, text) = rule_of("a.csv", csv.as_bytes(), |_| ()).await;
    assert_eq!(found, rule);
    assert!(text.contains(says), "{text}");
    assert!(!text.contains("remark") && !text.contains("extra"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_line_with_an_unknown_name_or_without_a_column_anywhere() {
    let extra = json!({"cpr": cpr(1), "age": 1, "note": "a", "secret": 1}).to_string();
    assert_eq!(rule_of("a.ndjson", extra.as_bytes(), |_| ()).await.0, "column-extra");
    let missing = json!({"cpr": cpr(1), "age": 1}).to_string();
    assert_eq!(rule_of("a.ndjson", missing.as_bytes(), |_| ()).await.0, "column-missing");
}

/// A Parquet file of text columns with one row each.
fn parquet_with(columns: &[(&str, &str)]) -> Vec<u8> {
    let columns = columns.iter().map(|(name, cell)| (*name, Arc::new(StringArray::from(vec![*cell])) as ArrayRef));
    parquet_of(&RecordBatch::try_from_iter(columns).unwrap(), |properties| properties)
}

#[rstest]
#[case(&[("cpr", "0201609995"), ("note", "a")], "column-missing")]
#[case(&[("cpr", "0201609995"), ("sex", "m"), ("note", "a"), ("extra", "b")], "column-extra")]
#[case(&[("cpr", "0201609995"), ("sex", "m"), ("remark", "a")], "column-missing")]
#[case(&[("cpr", "0201609995"), ("note", "a"), ("sex", "m")], "column-order")]
#[case(&[("cpr", "0201609995"), ("sex", "m"), ("note", "see 050490-9995")], "person-number")]
#[tokio::test(flavor = "multi_thread")]
async fn a_parquet_file_with_other_columns_or_a_person_number_in_a_comment(
    #[case] columns: &[(&str, &str)],
    #[case] rule: &str,
) {
    let sex = |package: &mut Value| {
        package["resources"][0]["schema"]["fields"][1] = json!({"name": "sex", "type": "string"});
    };
    let (found, text) = rule_of("a.parquet", &parquet_with(columns), sex).await;
    assert_eq!(found, rule);
    assert!(!text.contains("remark") && !text.contains("0504"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parquet_file_that_is_cut_off_damaged_or_none() {
    let whole = parquet_with(&[("cpr", "0201609995"), ("age", "1"), ("note", "a")]);
    let cut_off = &whole[..whole.len() - 9];
    for (what, bytes) in [("cut off", cut_off), ("none", &b"cpr,age,note\n"[..]), ("empty", &[][..])] {
        assert_eq!(rule_of("a.parquet", bytes, |_| ()).await.0, "parquet", "{what}");
    }
    // A changed byte may do no harm; whatever it does, it ends in an answer about the file.
    let mut refused = 0;
    for at in (0..whole.len()).step_by(11) {
        let spoke = Spoke::new();
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        let mut package = single("a.parquet", &damaged, &person_fields(), &person_section());
        package["resources"][0]["schema"]["fields"][1] = json!({"name": "age", "type": "string"});
        write(&spoke.package(), &package, &[("a.parquet", &damaged)]);
        match spoke.deliver().await {
            Ok(_) => {}
            Err(IntakeError::Refused(_)) => refused += 1,
            Err(other) => panic!("an unclear error after a change of byte {at}: {other:?}"),
        }
    }
    assert!(refused > 10, "only {refused} changes were noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_number_in_a_json_line_of_free_text() {
    let line = json!({"cpr": cpr(1), "age": 1, "note": "see 050490-9995"}).to_string();
    let (rule, text) = rule_of("a.ndjson", line.as_bytes(), |_| ()).await;
    assert_eq!(rule, "person-number");
    assert!(text.contains("'note'") && !text.contains("0504"), "{text}");
}

#[rstest]
#[case("[1,2,3]")]
#[case("{\"cpr\":\"0201609995\",\"age\":{\"years\":1},\"note\":\"a\"}")]
#[case("{\"cpr\":\"0201609995\",\"age\":1,\"note\":\"a\"} trailing")]
#[case("{\"cpr\":\"0201609995\",\"age\":1,\"note\":\"a\",\"age\":2}")]
#[case("{\"cpr\":\"0201609995\"")]
#[tokio::test(flavor = "multi_thread")]
async fn a_json_line_that_is_no_flat_object(#[case] line: &str) {
    let (rule, text) = rule_of("a.ndjson", line.as_bytes(), |_| ()).await;
    assert_eq!(rule, "json");
    assert!(text.contains("row 1") && !text.contains("0201"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_encodings_name_the_row() {
    let mut csv = format!("cpr,age,note\n{}{},1,Læge\n", row(1), cpr(2)).into_bytes();
    csv.extend_from_slice(format!("{},1,", cpr(3)).as_bytes());
    csv.extend_from_slice(b"L\xe6ge\n");
    let (rule, text) = rule_of("a.csv", &csv, |_| ()).await;
    assert_eq!(rule, "encoding");
    assert!(text.contains("row 3"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn utf_8_that_is_declared_to_be_latin_1_and_utf_16() {
    let latin = |package: &mut Value| package["resources"][0]["encoding"] = json!("latin1");
    let csv = format!("cpr,age,note\n{},1,Læge\n", cpr(2));
    assert_eq!(rule_of("a.csv", csv.as_bytes(), latin).await.0, "encoding");
    assert_eq!(rule_of("a.csv", b"\xff\xfec\0p\0r\0", |_| ()).await.0, "encoding");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_hundred_megabytes_is_refused_early() {
    let long = "x".repeat(100 * 1024 * 1024);
    let csv = format!("cpr,age,note\n{}{},1,{long}\n", row(1), cpr(2));
    let (rule, text) = rule_of("a.csv", csv.as_bytes(), |_| ()).await;
    assert_eq!(rule, "row-too-long");
    assert!(text.contains("row 2") && text.len() < 300, "{text}");
    let json = format!("{{\"cpr\":\"{}\",\"age\":1,\"note\":\"{long}\"}}", cpr(1));
    assert_eq!(rule_of("a.ndjson", json.as_bytes(), |_| ()).await.0, "row-too-long");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quoted_cell_that_goes_on_behind_its_quote() {
    let csv = format!("cpr,age,note\n{}{},1,\"5 inch\n{}{},1,\"6 inch\n", row(1), cpr(2), row(3), cpr(4));
    let (rule, text) = rule_of("a.csv", csv.as_bytes(), |_| ()).await;
    assert_eq!(rule, "misplaced-quote");
    assert!(text.contains("row 2") && text.contains("twice") && !text.contains("inch"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_never_closes() {
    let csv = format!("cpr,age,note\n{}{},1,\"open\n{}", row(1), cpr(2), row(3));
    let (rule, text) = rule_of("a.csv", csv.as_bytes(), |_| ()).await;
    assert_eq!(rule, "open-quote");
    assert!(text.contains("row 2"), "{text}");
}

#[rstest]
#[case("../outside.csv")]
#[case("/etc/hostname")]
#[case("sub/../../outside.csv")]
#[case("https://example.org/a.csv")]
#[case("file:///etc/hostname")]
#[case("C:\\a.csv")]
#[case("./a.csv")]
#[case("")]
#[case("missing.csv")]
#[case("folder")]
#[case("link.csv")]
#[case("linked/outside.csv")]
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_out_of_the_package_or_to_no_file(#[case] path: &str) {
    let spoke = Spoke::new();
    let csv = persons_csv(3);
    fs::write(spoke.folder.join("outside.csv"), &csv).unwrap();
    fs::create_dir(spoke.package().join("folder")).unwrap();
    std::os::unix::fs::symlink(spoke.folder.join("outside.csv"), spoke.package().join("link.csv")).unwrap();
    std::os::unix::fs::symlink(&spoke.folder, spoke.package().join("linked")).unwrap();
    let mut package = single("a.csv", &csv, &person_fields(), &person_section());
    package["resources"][0]["path"] = json!(path);
    write(&spoke.package(), &package, &[("a.csv", &csv)]);
    let refusal = spoke.refusal().await;
    assert_eq!(refusal.rule(), "package");
    assert!(path.is_empty() || !refusal.to_string().contains(path), "{refusal}");
}

#[rstest]
#[case("/oscar/misspelt", json!(1), "misspelt")]
#[case("/resources/0/oscar/misspelt", json!(1), "misspelt")]
#[case("/resources/0/schema/fields/1/constraints/misspelt", json!(1), "misspelt")]
#[case("/resources/0/schema/fields/1/oscar", json!({"misspelt": 1}), "misspelt")]
#[case("/resources/0/schema", json!("schema.json"), "schema in another file")]
#[case("/resources/0/oscar/personKey", json!("nobody"), "nobody")]
#[case("/resources/0/oscar/codes", json!({"nobody": {"1": "a"}}), "nobody")]
#[case("/resources/0/schema/primaryKey", json!("nobody"), "nobody")]
#[case("/resources/0/schema/fields/2/name", json!("age"), "age")]
#[case("/resources/0/schema/fields/2/oscar", json!({"name": "age"}), "column age")]
#[case("/resources/0/schema/fields/2/oscar", json!({"name": "__oscar_person"}), "column name")]
#[case("/resources/0/schema/fields/1/constraints/pattern", json!("x"), "type string")]
#[case("/resources/0/schema/fields/2/constraints", json!({"pattern": "("}), "pattern")]
#[case("/resources/0/schema/fields/1/constraints/minimum", json!("abc"), "minimum")]
#[case("/resources/0/encoding", json!("ebcdic"), "utf-8")]
#[case("/resources/0/dialect", json!({"delimiter": "ab"}), "dialect")]
#[case("/resources/0/schema/foreignKeys", json!([{"fields": "age", "reference": {"resource": "x", "fields": "y"}}]), "'x'")]
#[case("/oscar/quarantinePercent", json!(101), "quarantinePercent")]
#[case("/resources/0/dialect", json!({"delimiter": "\""}), "signs of their own")]
#[case("/resources/0/schema/primaryKey", json!(["cpr", "cpr"]), "once")]
#[case("/resources/0/schema/fields", (0..4_097).map(|n| json!({"name": format!("c{n}")})).collect(), "4096 fields")]
#[case("/resources/0/schema/uniqueKeys", json!(vec!["age"; 257]), "256")]
#[case("/resources", vec![json!({"name": "a"}); 1_001].into(), "1000 resources")]
#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_that_says_something_else_than_it_means(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] says: &str,
) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let change = |package: &mut Value| package.pointer_mut(parent).unwrap()[key] = value.clone();
    let (rule, text) = package_error(change).await;
    assert_eq!(rule, "package");
    assert!(text.contains(says), "{text}");
}

#[rstest]
#[case("/resources/0/schema/fields/1/constraints/minLength", json!(-123_456_789))]
#[case("/resources/0/schema/fields/1/type", json!(201_609_995))]
#[case("/resources/0/schema/primaryKey", json!(12_345))]
#[case("/resources/0/dialect", json!({"delimiter": 201_609_995}))]
#[case("/resources/0/bytes", json!("54321 bytes"))]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_parser_of_a_descriptor_quotes_is_not_repeated(#[case] pointer: &str, #[case] value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let change = |package: &mut Value| package.pointer_mut(parent).unwrap()[key] = value.clone();
    let (rule, text) = package_error(change).await;
    assert_eq!(rule, "package");
    let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    assert!(longest < Some(5), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_chain_never_shows_a_cell() {
    let spoke = Spoke::new();
    put_csv(&spoke, b"cpr,age,note\nQQQQ,WWWW,EEEE\n", &person_fields(), &person_section());
    let error = spoke.deliver().await.unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text += &format!(" {inner} {inner:?}");
        source = inner.source();
    }
    assert!(["QQQQ", "WWWW", "EEEE"].iter().all(|cell| !text.contains(cell)), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_read_is_a_refusal_and_an_empty_table_is_not() {
    let spoke = Spoke::new();
    spoke.package();
    assert!(matches!(spoke.deliver().await, Err(IntakeError::Refused(Refusal::Package(_)))));
    put_persons(&spoke, b"cpr,age,note\n");
    assert_eq!(spoke.deliver().await.unwrap().tables.values().next().unwrap().rows, 0);
}
