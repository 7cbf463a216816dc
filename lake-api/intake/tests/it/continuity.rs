//! What a delivery must have in common with the ones before it.

use std::collections::BTreeSet;

use oscar_intake::DeliveryReport;
use oscar_journal::{Actor, Event};
use oscar_permit::{PersonNaming, Sha256Digest, TableKind};
use serde_json::{Value, json};

use crate::spoke::{Spoke, hidden, single, texts, write};

/// A package of patients that the holder numbers, with words of its `oscar` section changed.
fn put_patients(spoke: &Spoke, patients: std::ops::Range<u32>, words: &Value) {
    let section = json!({"table": "person", "kind": "persons", "personKey": "patient", "personKeyKind": "identifier"});
    put(spoke, "patient,age\n", patients, &section, words);
}

fn put(spoke: &Spoke, header: &str, patients: std::ops::Range<u32>, section: &Value, words: &Value) {
    let csv = format!("{header}{}", patients.map(|n| format!("P{n},{}\n", n % 90)).collect::<String>());
    let fields = json!([{"name": "patient", "type": "string"}, {"name": "age", "type": "integer"}]);
    let mut package = single("data.csv", csv.as_bytes(), &fields, section);
    for (word, value) in words.as_object().unwrap() {
        package["oscar"][word] = value.clone();
    }
    write(&spoke.package(), &package, &[("data.csv", csv.as_bytes())]);
}

async fn persons(spoke: &Spoke) -> (usize, usize) {
    let rows = spoke.open().await.rows("person").await;
    let pseudonyms: BTreeSet<_> = texts(&rows, "patient").into_iter().collect();
    let indexes: BTreeSet<_> = hidden(&rows).into_iter().collect();
    (pseudonyms.len(), indexes.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_somebody_else_because_the_holder_is_written_differently() {
    let spoke = Spoke::new();
    put_patients(&spoke, 0..5, &json!({}));
    spoke.deliver().await.unwrap();
    for words in [
        json!({"holder": "Region test"}),
        json!({"identifierSpace": "Region Test "}),
        json!({"holder": "Region Nord", "delivery": "append"}),
        json!({"identifierSpace": "patients", "delivery": "append"}),
    ] {
        put_patients(&spoke, 0..5, &words);
        let refusal = spoke.refusal().await;
        assert_eq!(refusal.rule(), "persons-named-otherwise", "{words}");
        assert!(refusal.to_string().contains("identifierSpace"));
    }
    put_patients(&spoke, 0..5, &json!({"holder": "Region Test ", "delivery": "append"}));
    assert!(spoke.refusal().await.to_string().contains("blanks"));
    // A holder may be renamed.
    put_patients(
        &spoke,
        0..5,
        &json!({"holder": "Region Nord", "identifierSpace": "Region Test", "delivery": "append"}),
    );
    spoke.deliver().await.unwrap();
    assert_eq!(spoke.open().await.rows("person").await.num_rows(), 10);
    assert_eq!(persons(&spoke).await, (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_comes_back_names_its_persons_as_it_did() {
    let spoke = Spoke::new();
    put_patients(&spoke, 0..5, &json!({}));
    spoke.deliver().await.unwrap();
    let contact = json!({"table": "contact", "kind": "persons", "personKey": "patient", "personKeyKind": "identifier"});
    for patients in [0..3, 0..4] {
        put(&spoke, "patient,age\n", patients, &contact, &json!({"holder": "Region Nord"}));
        spoke.deliver().await.unwrap();
    }
    put_patients(&spoke, 0..5, &json!({"holder": "Region Nord"}));
    assert_eq!(spoke.refusal().await.rule(), "persons-named-otherwise");
    put_patients(&spoke, 0..6, &json!({}));
    spoke.deliver().await.unwrap();
    assert_eq!(persons(&spoke).await, (6, 6));
}

/// Makes the visible contract one of before the naming was kept.
async fn forget_naming(spoke: &Spoke, report: &DeliveryReport) {
    let open = spoke.open().await;
    let mut contract = open.lake.contract(&report.dataset, &report.contract).await.unwrap();
    for table in contract.tables.values_mut() {
        if let TableKind::Persons { naming, .. } = &mut table.kind {
            *naming = None;
        }
    }
    let contract = open.lake.put_contract(&contract).await.unwrap();
    let state = open.journal.refresh().await.unwrap();
    let visible = state.dataset(&report.dataset).unwrap();
    let event = Event::DeliveryAccepted {
        dataset: report.dataset.clone(),
        delivery: Sha256Digest::of("another"),
        contract,
        permit: visible.permit.clone(),
        tables: visible.tables.clone(),
        persons: visible.persons,
    };
    open.journal.record(Actor::service("intake"), event).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_added_only_where_it_is_known_what_named_the_persons() {
    let spoke = Spoke::new();
    put_patients(&spoke, 0..5, &json!({}));
    let report = spoke.deliver().await.unwrap();
    forget_naming(&spoke, &report).await;
    put_patients(&spoke, 5..6, &json!({"delivery": "append"}));
    assert_eq!(spoke.refusal().await.rule(), "append-to-unknown-persons");
    put_patients(&spoke, 0..5, &json!({"title": "again"}));
    spoke.deliver().await.unwrap();
    put_patients(&spoke, 5..6, &json!({"delivery": "append"}));
    spoke.deliver().await.unwrap();
    assert_eq!(persons(&spoke).await, (6, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_rows_are_the_persons_is_never_added_to_and_says_so() {
    let spoke = Spoke::new();
    let rows = json!({"table": "person", "kind": "persons", "personKey": {"rowNumber": true}});
    put(&spoke, "patient,age\n", 0..4, &rows, &json!({}));
    let report = spoke.deliver().await.unwrap();
    let contract = spoke.open().await.lake.contract(&report.dataset, &report.contract).await.unwrap();
    assert_eq!(contract.tables[&"person".parse().unwrap()].naming(), Some(&PersonNaming::RowNumber));
    put(&spoke, "patient,age\n", 4..8, &rows, &json!({"delivery": "append"}));
    let refusal = spoke.refusal().await;
    assert_eq!(refusal.rule(), "package");
    assert!(refusal.to_string().contains("deliver the whole dataset"), "{refusal}");
    put(&spoke, "patient,age\n", 0..8, &rows, &json!({}));
    spoke.deliver().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_replaced_is_not_said_to_be_there() {
    let spoke = Spoke::new();
    let first = json!({"title": "first"});
    put_patients(&spoke, 0..5, &first);
    spoke.deliver().await.unwrap();
    assert!(spoke.deliver().await.unwrap().already_delivered);
    put_patients(&spoke, 0..2, &json!({"title": "wrong"}));
    spoke.deliver().await.unwrap();
    put_patients(&spoke, 0..5, &first);
    let refusal = spoke.refusal().await;
    assert_eq!(refusal.rule(), "superseded");
    assert!(refusal.to_string().contains("change the descriptor"));
    put_patients(&spoke, 0..5, &json!({"title": "first, again"}));
    assert!(!spoke.deliver().await.unwrap().already_delivered);
    assert_eq!(persons(&spoke).await, (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn added_rows_are_there_until_the_whole_dataset_is_delivered_again() {
    let spoke = Spoke::new();
    let added = |patients: std::ops::Range<u32>| put_patients(&spoke, patients, &json!({"delivery": "append"}));
    put_patients(&spoke, 0..5, &json!({}));
    spoke.deliver().await.unwrap();
    for patients in [5..6, 6..7] {
        added(patients);
        spoke.deliver().await.unwrap();
    }
    added(5..6);
    assert!(spoke.deliver().await.unwrap().already_delivered, "its row is there");
    put_patients(&spoke, 0..5, &json!({}));
    assert!(spoke.deliver().await.unwrap().already_delivered, "and so are those of the whole dataset, beside others");
    put_patients(&spoke, 0..3, &json!({}));
    spoke.deliver().await.unwrap();
    added(5..6);
    assert_eq!(spoke.refusal().await.rule(), "superseded");
    added(8..9);
    spoke.deliver().await.unwrap();
    added(5..6);
    assert_eq!(spoke.refusal().await.rule(), "superseded");
    assert_eq!(persons(&spoke).await, (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_has_forgotten_persons_is_not_used() {
    let spoke = Spoke::new();
    let index = spoke.folder.join("person-index");
    let older = spoke.folder.join("older");
    put_patients(&spoke, 0..5, &json!({}));
    spoke.deliver().await.unwrap();
    copy(&index, &older);
    put_patients(&spoke, 0..7, &json!({}));
    spoke.deliver().await.unwrap();
    let newest = spoke.folder.join("newest");
    std::fs::rename(&index, &newest).unwrap();

    put_patients(&spoke, 0..8, &json!({}));
    // Made anew, and restored from an older copy.
    for copied in [None, Some(older)] {
        std::fs::create_dir_all(&index).unwrap();
        if let Some(from) = copied {
            copy(&from, &index);
        }
        let before = std::fs::read_dir(&index).unwrap().count();
        let error = spoke.deliver().await.unwrap_err();
        assert_eq!(error.code(), "person-index");
        assert!(error.to_string().contains("restore"), "{error}");
        assert_eq!(std::fs::read_dir(&index).unwrap().count(), before, "nothing was written there");
        std::fs::remove_dir_all(&index).unwrap();
    }
    std::fs::rename(&newest, &index).unwrap();
    spoke.deliver().await.unwrap();
    assert_eq!(persons(&spoke).await, (8, 8));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
