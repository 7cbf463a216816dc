use std::sync::Arc;

use oscar_intake::{IntakeError, Silent};
use oscar_journal::Event;
use serde_json::json;

use crate::spoke::{
    Spoke, cpr, permit, permit_for, person_fields, person_section, persons_csv, put_csv, put_persons, single, texts,
    write,
};

#[tokio::test(flavor = "multi_thread")]
async fn delivering_the_same_package_twice_does_nothing() {
    let spoke = Spoke::new();
    put_persons(&spoke, &persons_csv(20));
    let first = spoke.deliver().await.unwrap();
    let head = spoke.open().await.journal.snapshot().head;
    let second = spoke.deliver().await.unwrap();
    assert!(!first.already_delivered && second.already_delivered);
    assert_eq!(first.delivery, second.delivery);
    assert_eq!(spoke.open().await.journal.snapshot().head, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_delivery_replaces_and_an_appended_one_adds() {
    let spoke = Spoke::new();
    put_persons(&spoke, &persons_csv(20));
    spoke.deliver().await.unwrap();
    put_persons(&spoke, &persons_csv(5));
    spoke.deliver().await.unwrap();
    assert_eq!(spoke.open().await.rows("person").await.num_rows(), 5);
    let more = format!("cpr,age,note\n{},1,new\n", cpr(900));
    let mut package = single("data.csv", more.as_bytes(), &person_fields(), &person_section());
    package["oscar"]["delivery"] = json!("append");
    write(&spoke.package(), &package, &[("data.csv", more.as_bytes())]);
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(rows.num_rows(), 6);
    assert!(texts(&rows, "note").contains(&Some("new".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_never_added_to_rows_with_other_pseudonyms_or_columns() {
    let spoke = Spoke::new();
    put_persons(&spoke, &persons_csv(20));
    spoke.deliver().await.unwrap();
    let csv = persons_csv(2);
    let mut package = single("data.csv", &csv, &person_fields(), &person_section());
    package["oscar"]["delivery"] = json!("append");
    write(&spoke.package(), &package, &[("data.csv", &csv)]);
    let error = spoke.deliver_under(&permit("P-2")).await.unwrap_err();
    assert_eq!(error.code(), "append-to-other-permit");
    package["resources"][0]["schema"]["fields"][1]["type"] = json!("number");
    write(&spoke.package(), &package, &[("data.csv", &csv)]);
    assert_eq!(spoke.refusal().await.rule(), "append-to-other-columns");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_intakes_of_one_dataset_at_once_end_with_one_of_them_and_never_a_mixture() {
    for round in 0..4 {
        let spoke = Spoke::new();
        let folders: Vec<_> = ["one", "two"].iter().map(|name| spoke.folder.join(name)).collect();
        for (folder, note) in folders.iter().zip(["one", "two"]) {
            std::fs::create_dir_all(folder).unwrap();
            let rows: String = (0..2000 + round).map(|n| format!("{},1,{note}\n", cpr(n))).collect();
            let csv = format!("cpr,age,note\n{rows}");
            write(
                folder,
                &single("data.csv", csv.as_bytes(), &person_fields(), &person_section()),
                &[("data.csv", csv.as_bytes())],
            );
        }
        let spoke = Arc::new(spoke);
        let tasks: Vec<_> = folders
            .into_iter()
            .map(|folder| {
                let spoke = Arc::clone(&spoke);
                tokio::spawn(
                    async move { spoke.open().await.intake.deliver(&folder, None, &permit("P-1"), &Silent).await },
                )
            })
            .collect();
        let mut accepted = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => accepted += 1,
                Err(IntakeError::Overtaken(_) | IntakeError::Lake(_) | IntakeError::Journal(_)) => {}
                Err(other) => panic!("an unclear error: {other:?}"),
            }
        }
        assert!(accepted >= 1);
        let rows = spoke.open().await.rows("person").await;
        let notes: std::collections::HashSet<_> = texts(&rows, "note").into_iter().collect();
        assert_eq!((rows.num_rows(), notes.len()), (2000 + round, 1));
        let indexes: std::collections::HashSet<_> = crate::spoke::hidden(&rows).into_iter().collect();
        assert_eq!(indexes.len(), 2000 + round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_permit_lists_and_only_while_it_is_in_force_comes_in() {
    let spoke = Spoke::new();
    put_persons(&spoke, &persons_csv(2));
    let code = async |permit| spoke.deliver_under(&permit).await.unwrap_err().code();
    assert_eq!(code(permit_for("P-1", "other", &["person"])).await, "dataset-not-permitted");
    assert_eq!(code(permit_for("P-1", "register", &["contact"])).await, "table-not-permitted");
    let mut expired = permit("P-1");
    expired.valid_until = "2021-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(code(expired).await, "permit-not-in-force");
    let mut revoked = permit("P-1");
    revoked.revoked_at = Some("2021-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(code(revoked).await, "permit-not-in-force");
    assert!(spoke.open().await.journal.refresh().await.unwrap().visible_versions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_recorded_with_its_rule_and_table() {
    let spoke = Spoke::new();
    put_csv(&spoke, b"cpr,age,note\n0201609995,1,see 0504909995\n", &person_fields(), &person_section());
    spoke.refusal().await;
    let journal = spoke.open().await.journal;
    let records = journal.records(0, 100).await.unwrap();
    let recorded = records.iter().flat_map(|record| &record.entries).any(|entry| {
        matches!(&entry.event, Event::DeliveryRefused { rule, table: Some(table), .. } if rule == "person-number" && table.as_str() == "person")
    });
    assert!(recorded);
}
