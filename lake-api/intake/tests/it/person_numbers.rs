use serde_json::json;

use crate::spoke::{
    Spoke, cpr, hidden, integers, permit, person_fields, person_section, persons_csv, put_csv, put_persons, texts,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_person_key_becomes_a_pseudonym_and_a_hidden_index() {
    let spoke = Spoke::new();
    // The same person in three writings, and another one.
    let csv = "cpr,age,note\n0201609995,1,a\n020160-9995,2,b\n 0201609995,3,c\n0203291WQ3,4,d\n";
    put_persons(&spoke, csv.as_bytes());
    let report = spoke.deliver().await.unwrap();
    assert_eq!(report.persons, 2);
    let rows = spoke.open().await.rows("person").await;
    let (pseudonyms, indexes) = (texts(&rows, "cpr"), hidden(&rows));
    assert_eq!(pseudonyms[0], pseudonyms[1]);
    assert_eq!(pseudonyms[0], pseudonyms[2]);
    assert_ne!(pseudonyms[0], pseudonyms[3]);
    assert_eq!(indexes[0], indexes[2]);
    assert_ne!(indexes[0], indexes[3]);
    assert!(pseudonyms.iter().flatten().all(|text| text.len() == 32 && !text.contains(|c: char| c.is_ascii_digit())));
    assert_eq!(rows.schema().fields().last().unwrap().name(), oscar_permit::PERSON_INDEX_COLUMN);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_permits_share_no_pseudonym_and_the_same_hidden_index() {
    let spoke = Spoke::new();
    put_persons(&spoke, &persons_csv(50));
    spoke.deliver_under(&permit("P-1")).await.unwrap();
    let first = spoke.open().await.rows("person").await;
    spoke.deliver_under(&permit("P-2")).await.unwrap();
    let second = spoke.open().await.rows("person").await;
    let left: std::collections::HashSet<_> = texts(&first, "cpr").into_iter().collect();
    assert!(texts(&second, "cpr").iter().all(|pseudonym| !left.contains(pseudonym)));
    assert_eq!(hidden(&first), hidden(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_number_in_a_comment_column_refuses_the_delivery_and_says_what_to_do() {
    let spoke = Spoke::new();
    let csv = "cpr,age,note\n0201609995,1,fine\n0201609996,2,same as 050490-9995 in May\n";
    put_persons(&spoke, csv.as_bytes());
    let refusal = spoke.refusal().await;
    let text = refusal.to_string();
    assert_eq!(refusal.rule(), "person-number");
    assert!(text.contains("'note'") && text.contains("oscar.mask"), "{text}");
    assert!(!text.contains("0504") && !text.contains("May"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_column_keeps_its_text_without_the_person_numbers() {
    let spoke = Spoke::new();
    let csv = "cpr,age,note\n0201609995,1,fine\n0201609996,2,same as 050490-9995 in May\n";
    let mut fields = person_fields();
    fields[2]["oscar"] = json!({"mask": true});
    put_csv(&spoke, csv.as_bytes(), &fields, &person_section());
    let report = spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(texts(&rows, "note"), [Some("fine".into()), Some("same as [masked] in May".into())]);
    assert_eq!(report.tables.values().next().unwrap().masked["note"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_column_of_person_numbers_as_integers_refuses_the_delivery() {
    let spoke = Spoke::new();
    let mut fields = person_fields();
    fields[1] = json!({"name": "age", "type": "integer"});
    let csv: String = (0..40).map(|n| format!("{},{},x\n", cpr(n), cpr(n + 50).trim_start_matches('0'))).collect();
    put_csv(&spoke, format!("cpr,age,note\n{csv}").as_bytes(), &fields, &person_section());
    assert_eq!(spoke.refusal().await.rule(), "person-number");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_digit_identifiers_that_sometimes_look_like_dates_are_accepted_as_integers() {
    let spoke = Spoke::new();
    let mut fields = person_fields();
    fields[1] = json!({"name": "age", "type": "integer"});
    let id = |n: usize| 1_000_000_000 + n * 7_654_321;
    let csv: String = (0..1000).map(|n| format!("{},{},x\n", cpr(n), id(n))).collect();
    put_csv(&spoke, format!("cpr,age,note\n{csv}").as_bytes(), &fields, &person_section());
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(integers(&rows, "age")[999], Some(i64::try_from(id(999)).unwrap()));
}

/// Delivers a text column of values made from numbers.
async fn deliver_texts(value: impl Fn(usize) -> String) -> Result<oscar_intake::DeliveryReport, String> {
    let spoke = Spoke::new();
    let rows: String = (0..400).map(|n| format!("{},1,{}\n", cpr(n), value(n))).collect();
    put_persons(&spoke, format!("cpr,age,note\n{rows}").as_bytes());
    spoke.deliver().await.map_err(|error| error.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_timestamps_is_no_column_of_person_numbers() {
    for year in [1985, 2001, 2010, 2012, 2024] {
        let start = chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_milli_opt(0, 7, 31, 9).unwrap();
        for format in ["%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S%3f", "%d%m%Y%H%M%S", "%Y%m%d%H%M%S%6f"] {
            let time = |n: usize| start + chrono::Duration::minutes(i64::try_from(n * 1_313).unwrap());
            assert!(deliver_texts(|n| time(n).format(format).to_string()).await.is_ok(), "{year} {format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_person_numbers_with_more_digits_or_without_a_zero_is_refused() {
    let without_zero = |n: usize| format!("{}-1000", &cpr(n * 28 + n % 9)[1..6]);
    let code = |result: Result<_, String>| result.err().unwrap_or_default();
    assert_eq!(code(deliver_texts(|n| format!("{}{:04}", cpr(n), n)).await), "person-number");
    assert_eq!(code(deliver_texts(|n| format!("{}7", cpr(n))).await), "person-number");
    assert_eq!(code(deliver_texts(|n| format!("20240101{}", cpr(n))).await), "person-number");
    assert_eq!(code(deliver_texts(without_zero).await), "person-number");
    assert!(deliver_texts(|n| format!("{}", 31_415_926_535_897 + n * 7_654_321_987)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_may_explain_codes_that_look_like_person_numbers_but_not_a_whole_column_of_them() {
    let mut fields = person_fields();
    fields[2]["oscar"] = json!({"notPersonNumber": "SNOMED CT codes"});
    let spoke = Spoke::new();
    let mut csv = String::from("cpr,age,note\n");
    for n in 0..20 {
        csv += &format!("{},1,{}\n", cpr(n), if n == 0 { "1209197008" } else { "195662009" });
    }
    put_csv(&spoke, csv.as_bytes(), &fields, &person_section());
    spoke.deliver().await.unwrap();

    let csv: String = (0..20).map(|n| format!("{},1,{}\n", cpr(n), cpr(n + 30))).collect();
    put_csv(&spoke, format!("cpr,age,note\n{csv}").as_bytes(), &fields, &person_section());
    assert_eq!(spoke.refusal().await.rule(), "person-number");
}

#[tokio::test(flavor = "multi_thread")]
async fn free_text_is_dropped_unless_the_permit_allows_the_column() {
    let spoke = Spoke::new();
    let mut fields = person_fields();
    fields[2]["oscar"] = json!({"tags": ["free-text"]});
    put_csv(&spoke, b"cpr,age,note\n0201609995,1,long story\n", &fields, &person_section());
    let report = spoke.deliver().await.unwrap();
    assert_eq!(report.tables.values().next().unwrap().dropped, ["note"]);
    assert!(spoke.open().await.rows("person").await.column_by_name("note").is_none());

    let mut allowed = permit("P-1");
    allowed.free_text.insert("register.person.note".into());
    spoke.deliver_under(&allowed).await.unwrap();
    assert_eq!(texts(&spoke.open().await.rows("person").await, "note"), [Some("long story".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_key_column_refuses_the_delivery() {
    let spoke = Spoke::new();
    let mut fields = person_fields();
    fields[0] = json!({"name": "cpr", "type": "string"});
    put_csv(&spoke, b"cpr,age,note\n,1,a\n,2,b\n", &fields, &person_section());
    assert_eq!(spoke.refusal().await.rule(), "empty-person-key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_person_belongs_to_nobody() {
    let spoke = Spoke::new();
    let mut fields = person_fields();
    fields[0] = json!({"name": "cpr", "type": "string"});
    put_csv(&spoke, b"cpr,age,note\n0201609995,1,a\n,2,b\n", &fields, &person_section());
    spoke.deliver().await.unwrap();
    let rows = spoke.open().await.rows("person").await;
    assert_eq!(hidden(&rows), [Some(0), None]);
    assert_eq!(texts(&rows, "cpr")[1], None);
}
