//! Evidence and judgements cross pipes and are stored: they must survive it, and broken
//! ones must not be read.

use oscar_vetting::{AggregateKind, Evidence, Judgement};

use crate::population::{Row, Statement, group, judge_alone};

fn evidence() -> Evidence {
    let rows: Vec<Row> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 70_000..n * 70_000 + 40)).collect();
    let mut evidence = Statement::by_open_key(&[AggregateKind::CountPersons, AggregateKind::Avg]).evidence(&rows);
    evidence.cells[0].aggregates[1].value = 0.1 + 0.2;
    evidence
}

#[test]
fn evidence_survives_json_and_person_sets_stay_small() {
    let text = serde_json::to_string(&evidence()).unwrap();
    assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence());
    assert!(text.len() < 6000, "{} bytes for 240 persons in 12 sets", text.len());
}

#[test]
fn a_judgement_survives_json() {
    let judgement = judge_alone(&evidence());
    let text = serde_json::to_string(&judgement).unwrap();
    assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
}

#[test]
fn a_broken_person_set_is_no_evidence() {
    let text = serde_json::to_string(&evidence()).unwrap();
    let start = text.find("\"persons\":\"").unwrap() + 11;
    for garbage in ["!!!!", "", "AAAA"] {
        let end = start + text[start..].find('"').unwrap();
        let broken = format!("{}{garbage}{}", &text[..start], &text[end..]);
        assert!(serde_json::from_str::<Evidence>(&broken).is_err(), "{garbage:?}");
    }
}

#[test]
fn an_unknown_field_is_no_evidence() {
    let text = serde_json::to_string(&evidence()).unwrap().replacen("\"keys\"", "\"trusted\":true,\"keys\"", 1);
    assert!(serde_json::from_str::<Evidence>(&text).is_err());
}

#[test]
fn a_sum_that_is_not_finite_does_not_survive_as_a_number() {
    let mut evidence = evidence();
    evidence.cells[0].aggregates[1].value = f64::INFINITY;
    let text = serde_json::to_string(&evidence).unwrap();
    assert!(serde_json::from_str::<Evidence>(&text).is_err());
}
