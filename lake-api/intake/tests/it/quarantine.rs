use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use oscar_permit::TableRef;
use serde_json::{Value, json};

use crate::scan::everything_below;
use crate::spoke::{Spoke, cpr, integers, parquet_of, person_section, put_csv, resource, texts, write};

/// Delivers rows, the bad ones among enough good ones, and returns (row, field, rule).
async fn faults(spoke: &Spoke, fields: &Value, extra: &Value, rows: &[&str]) -> Vec<(i64, String, String)> {
    let header: Vec<&str> = fields.as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    let csv = format!("{}\n{}\n", header.join(","), rows.join("\n"));
    faults_of(spoke, fields, extra, "data.csv", csv.as_bytes()).await
}

/// The same for a file of any format.
async fn faults_of(
    spoke: &Spoke,
    fields: &Value,
    extra: &Value,
    name: &str,
    bytes: &[u8],
) -> Vec<(i64, String, String)> {
    let mut package = crate::spoke::single(name, bytes, fields, &person_section());
    package["oscar"]["quarantinePercent"] = json!(90);
    for (key, value) in extra.as_object().unwrap() {
        package["resources"][0]["schema"][key] = value.clone();
    }
    write(&spoke.package(), &package, &[(name, bytes)]);
    let report = spoke.deliver().await.unwrap();
    let table = &report.tables.values().next().unwrap();
    let Some(version) = table.quarantine_version else { return Vec::new() };
    let quarantine = TableRef::try_from("register.person__quarantine".to_owned()).unwrap();
    let batch = spoke.open().await.version(&quarantine, version).await;
    let rows = integers(&batch, "row_number");
    let fields = texts(&batch, "field");
    let rules = texts(&batch, "rule");
    (0..batch.num_rows())
        .map(|at| (rows[at].unwrap(), fields[at].clone().unwrap_or_default(), rules[at].clone().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_is_named_with_its_row_and_field_and_without_the_value() {
    let spoke = Spoke::new();
    let fields = json!([
        {"name": "cpr", "type": "string", "constraints": {"required": true}},
        {"name": "age", "type": "integer", "constraints": {"required": true, "minimum": 0, "maximum": 130}},
        {"name": "sex", "type": "string", "constraints": {"enum": ["M", "F"]}},
        {"name": "code", "type": "string", "constraints": {"pattern": "D[A-Z][0-9]{2}", "maxLength": 6}},
        {"name": "born", "type": "date"},
        {"name": "id", "type": "integer", "constraints": {"unique": true}},
    ]);
    let good = |n: usize| format!("{},5,M,DE11,2001-01-01,{n}", cpr(n));
    let rows = [
        good(1),
        format!("{},abc,M,DE11,2001-01-01,2", cpr(2)),
        format!("{},,M,DE11,2001-01-01,3", cpr(3)),
        format!("{},5,ZEBRA,DE11,2001-01-01,4", cpr(4)),
        format!("{},5,M,DE11x,2001-01-01,5", cpr(5)),
        format!("{},131,M,DE11,2001-01-01,6", cpr(6)),
        format!("{},5,M,DE11,1849-12-31,7", cpr(7)),
        format!("{},5,M,DE11,2999-01-01,8", cpr(8)),
        "3102609995,5,M,DE11,2001-01-01,9".to_owned(),
        format!("{},5,M,DE11,2001-01-01,1", cpr(10)),
        format!("{},5,M", cpr(11)),
        good(12),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let mut found = faults(&spoke, &fields, &json!({}), &rows).await;
    found.sort();
    let expected = [
        (2, "age", "type"),
        (3, "age", "required"),
        (4, "sex", "enum"),
        (5, "code", "pattern"),
        (6, "age", "range"),
        (7, "born", "plausible-date"),
        (8, "born", "plausible-date"),
        (9, "cpr", "person-key"),
        (10, "id", "unique"),
        (11, "", "cell-count"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(row, field, rule)| (*row, (*field).to_owned(), (*rule).to_owned())).collect();
    assert_eq!(found, expected);
    let stored = spoke.open().await.rows("person").await;
    assert_eq!(integers(&stored, "id"), [Some(1), Some(12)]);
    assert!(everything_below(&spoke.folder.join("tenant")).iter().all(|text| !text.contains("ZEBRA")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_of_json_lines_or_of_parquet_is_named_like_one_of_csv() {
    let fields = json!([
        {"name": "cpr", "type": "string", "constraints": {"required": true}},
        {"name": "age", "type": "integer", "constraints": {"maximum": 130}},
        {"name": "sex", "type": "string", "constraints": {"enum": ["M", "F"]}},
    ]);
    let people = [(cpr(1), 5, "M"), (cpr(2), 131, "M"), (cpr(3), 5, "ZEBRA"), ("3102609995".into(), 5, "F")];
    let expected = [(2, "age", "range"), (3, "sex", "enum"), (4, "cpr", "person-key")];
    let expected = expected.map(|(row, field, rule)| (row, field.to_owned(), rule.to_owned()));
    let lines: String =
        people.iter().map(|(cpr, age, sex)| json!({"cpr": cpr, "age": age, "sex": sex}).to_string() + "\n").collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("cpr", Arc::new(people.iter().map(|(cpr, _, _)| Some(cpr.as_str())).collect::<StringArray>())),
        ("age", Arc::new(people.iter().map(|(_, age, _)| Some(*age)).collect::<Int64Array>())),
        ("sex", Arc::new(people.iter().map(|(_, _, sex)| Some(*sex)).collect::<StringArray>())),
    ];
    let parquet = parquet_of(&RecordBatch::try_from_iter(columns).unwrap(), |properties| properties);
    for (name, bytes) in [("a.ndjson", lines.as_bytes()), ("a.parquet", parquet.as_slice())] {
        let spoke = Spoke::new();
        let mut found = faults_of(&spoke, &fields, &json!({}), name, bytes).await;
        found.sort();
        assert_eq!(found, expected, "{name}");
        assert_eq!(spoke.open().await.rows("person").await.num_rows(), 1, "{name}");
        assert!(everything_below(&spoke.folder.join("tenant")).iter().all(|text| !text.contains("ZEBRA")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_row_of_a_primary_key_is_bad_and_the_first_stays() {
    let spoke = Spoke::new();
    let fields =
        json!([{"name": "cpr", "type": "string"}, {"name": "day", "type": "date"}, {"name": "n", "type": "integer"}]);
    let (a, b) = (cpr(1), cpr(2));
    let rows = [
        format!("{a},2001-01-01,1"),
        format!("{a},2001-01-02,2"),
        format!("{a},2001-01-01,3"),
        format!("{b},2001-01-01,4"),
        format!("{b},,5"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let found = faults(&spoke, &fields, &json!({"primaryKey": ["cpr", "day"]}), &rows).await;
    assert_eq!(
        found.iter().map(|(row, _, rule)| (*row, rule.as_str())).collect::<Vec<_>>(),
        [(3, "primary-key"), (5, "primary-key")]
    );
    assert_eq!(integers(&spoke.open().await.rows("person").await, "n"), [Some(1), Some(2), Some(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_one_key_in_every_writing() {
    let spoke = Spoke::new();
    let fields = json!([{"name": "cpr", "type": "string"}, {"name": "n", "type": "integer"}]);
    let rows = ["0201609995,1", "020160-9995,2", " 020160 9995,3", "0201609996,4", "3102609995,5", "3102609995,6"];
    let found = faults(&spoke, &fields, &json!({"primaryKey": "cpr"}), &rows).await;
    let mut found: Vec<_> = found.iter().map(|(row, _, rule)| (*row, rule.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, [(2, "primary-key"), (3, "primary-key"), (5, "person-key"), (6, "person-key")]);
    assert_eq!(integers(&spoke.open().await.rows("person").await, "n"), [Some(1), Some(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_a_person_matches_in_every_writing_and_type() {
    let spoke = Spoke::new();
    let persons = "cpr,n\n020160-9995,1\n0504909995,2\n3102609995,3\n";
    let contacts = "cpr,day\n201609995,1\n504909995,2\n504909996,3\n,4\n";
    let person_fields = json!([{"name": "cpr", "type": "string"}, {"name": "n", "type": "integer"}]);
    let mut person = resource("p.csv", persons.as_bytes(), &person_fields, &person_section());
    person["schema"]["primaryKey"] = json!("cpr");
    let contact_fields = json!([{"name": "cpr", "type": "integer"}, {"name": "day", "type": "integer"}]);
    let mut section = person_section();
    section["table"] = json!("contact");
    let mut contact = resource("c.csv", contacts.as_bytes(), &contact_fields, &section);
    let key = json!([{"fields": "cpr", "reference": {"resource": "person", "fields": "cpr"}}]);
    contact["schema"]["foreignKeys"] = key;
    let mut package = json!({
        "oscar": {"dataset": "register", "profile": "strict", "quarantinePercent": 50},
        "resources": [contact, person],
    });
    let files = [("p.csv", persons.as_bytes()), ("c.csv", contacts.as_bytes())];
    write(&spoke.package(), &package, &files);
    let report = spoke.deliver().await.unwrap();
    let table = &report.tables[&"contact".parse().unwrap()];
    assert_eq!((table.rows, table.quarantined, table.faults["cpr: foreign-key"]), (3, 1, 1));
    assert_eq!(integers(&spoke.open().await.rows("contact").await, "day"), [Some(1), Some(2), Some(4)]);

    // Of another kind it is compared as it is written, so that its type must be the same.
    package["resources"][0]["oscar"]["personKeyKind"] = json!("identifier");
    write(&spoke.package(), &package, &files);
    assert!(spoke.refusal().await.to_string().contains("number or type"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_bad_for_one_key_blocks_no_later_row_for_another() {
    let spoke = Spoke::new();
    let fields = json!([
        {"name": "cpr", "type": "string"},
        {"name": "a", "type": "integer"},
        {"name": "b", "type": "integer"},
        {"name": "c", "type": "integer"},
    ]);
    let row = |n: usize, keys: &str| format!("{},{keys}", cpr(n));
    // Row 2 is bad for `b`: neither its `a` nor its `c` may be taken. Row 4 is bad for two keys.
    let rows = [row(1, "1,1,1"), row(2, "2,1,2"), row(3, "2,2,2"), row(4, "2,2,9"), row(5, "3,3,9")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let keys = json!({"primaryKey": "a", "uniqueKeys": ["b", ["c"]]});
    let found = faults(&spoke, &fields, &keys, &rows).await;
    let expected = [(2, "b", "unique"), (4, "a", "primary-key"), (4, "b", "unique")];
    assert_eq!(found, expected.map(|(row, field, rule)| (row, field.to_owned(), rule.to_owned())));
    assert_eq!(integers(&spoke.open().await.rows("person").await, "a"), [Some(1), Some(2), Some(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_a_code_that_is_not_there_is_a_bad_row_whatever_the_order_of_resources() {
    let spoke = Spoke::new();
    let persons = format!("cpr,region\n{},1081\n{},1085\n{},\n", cpr(1), cpr(2), cpr(3));
    let regions = "code,name\n1081,Nordjylland\n1082,Midtjylland\n";
    let mut person = resource(
        "p.csv",
        persons.as_bytes(),
        &json!([{"name": "cpr", "type": "string"}, {"name": "region", "type": "string"}]),
        &person_section(),
    );
    person["schema"]["foreignKeys"] =
        json!([{"fields": "region", "reference": {"resource": "region", "fields": ["code"]}}]);
    let region = resource(
        "r.csv",
        regions.as_bytes(),
        &json!([{"name": "code", "type": "string"}, {"name": "name", "type": "string"}]),
        &json!({"table": "region", "kind": "reference"}),
    );
    let package = json!({
        "oscar": {"dataset": "register", "profile": "strict", "quarantinePercent": 50},
        "resources": [person, region],
    });
    write(&spoke.package(), &package, &[("p.csv", persons.as_bytes()), ("r.csv", regions.as_bytes())]);
    let report = spoke.deliver().await.unwrap();
    let table = &report.tables[&"person".parse().unwrap()];
    assert_eq!((table.rows, table.quarantined), (2, 1));
    assert_eq!(table.faults["region: foreign-key"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bad_rows_than_the_limit_refuse_the_whole_delivery() {
    let spoke = Spoke::new();
    let fields = json!([{"name": "cpr", "type": "string"}, {"name": "age", "type": "integer"}]);
    let csv = |bad: usize| {
        let rows: String = (0..200).map(|n| format!("{},{}\n", cpr(n), if n < bad { "x" } else { "7" })).collect();
        format!("cpr,age\n{rows}").into_bytes()
    };
    put_csv(&spoke, &csv(2), &fields, &person_section());
    assert_eq!(spoke.deliver().await.unwrap().tables.values().next().unwrap().quarantined, 2);
    put_csv(&spoke, &csv(1), &fields, &person_section());
    let report = spoke.deliver().await.unwrap();
    let version = report.tables.values().next().unwrap().quarantine_version.unwrap();
    let quarantine = TableRef::try_from("register.person__quarantine".to_owned()).unwrap();
    assert_eq!(spoke.open().await.version(&quarantine, version).await.num_rows(), 1);
    put_csv(&spoke, &csv(3), &fields, &person_section());
    let refusal = spoke.refusal().await;
    assert_eq!(refusal.rule(), "too-many-bad-rows");
    assert!(refusal.to_string().contains("age: type"), "{refusal}");
}
