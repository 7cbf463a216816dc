//! R5: full cells, nearly full cells, values that hardly differ.

use oscar_vetting::{AggregateKind, KeyValue, ReviewReason, Verdict};
use rstest::rstest;

use crate::population::{Row, Statement, group, judge_alone, text};

const FLAG: ReviewReason = ReviewReason::ClassDisclosure;

fn two_keys(first: &str, second: &str, persons: std::ops::Range<u32>) -> Vec<Row> {
    let keys: Vec<KeyValue> = vec![text(first), text(second)];
    persons.map(|person| Row { person: Some(person), keys: keys.clone(), argument: Some(1.0) }).collect()
}

fn flags(judgement: &oscar_vetting::Judgement) -> bool {
    matches!(&judgement.verdict, Verdict::Review(reasons) if reasons.contains(&FLAG))
}

#[rstest]
#[case(0, true, "everybody in town b is ill")]
#[case(9, true, "all but nine in town b are ill")]
#[case(10, false, "ten in town b are well")]
fn a_full_or_nearly_full_cell_needs_a_person_s_eye(#[case] well: u32, #[case] flagged: bool, #[case] why: &str) {
    let rows: Vec<Row> = [
        two_keys("a", "ill", 0..100),
        two_keys("a", "well", 100..200),
        two_keys("b", "ill", 200..300),
        two_keys("b", "well", 300..300 + well),
        two_keys("c", "ill", 400..500),
        two_keys("c", "well", 500..600),
    ]
    .concat();
    let judgement = judge_alone(&Statement::by_keys(vec![None, None], &[AggregateKind::CountPersons]).evidence(&rows));
    assert_eq!(flags(&judgement), flagged, "{why}: {:?}", judgement.verdict);
}

#[test]
fn a_single_group_is_full() {
    let judgement = judge_alone(&Statement::by_open_key(&[AggregateKind::CountPersons]).evidence(&group("a", 0..50)));
    assert!(flags(&judgement));
}

#[test]
fn a_sum_of_equal_values_tells_everybody_s_value() {
    let rows: Vec<Row> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 100..n * 100 + 40)).collect();
    let statement = Statement::by_open_key(&[AggregateKind::Sum]);
    assert!(flags(&judge_alone(&statement.evidence(&rows))));
    let spread: Vec<Row> =
        rows.into_iter().map(|row| Row { argument: row.person.map(|person| f64::from(person % 7)), ..row }).collect();
    assert!(!flags(&judge_alone(&statement.evidence(&spread))));
}

#[rstest]
#[case(40, true, "everybody in the group fulfils the condition")]
#[case(31, true, "all but nine do")]
#[case(30, false, "ten do not")]
fn a_condition_that_all_of_a_group_fulfil_needs_a_person_s_eye(
    #[case] fulfil: u32,
    #[case] flagged: bool,
    #[case] why: &str,
) {
    let mut rows: Vec<Row> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 100..n * 100 + 40)).collect();
    for row in &mut rows {
        let place = row.person.unwrap() % 100;
        let most = if row.person.unwrap() < 100 { fulfil } else { 20 };
        row.argument = row.argument.filter(|_| place < most);
    }
    let count = Statement::by_open_key(&[AggregateKind::CountNonNull]);
    assert_eq!(flags(&judge_alone(&count.clone().with_condition().evidence(&rows))), flagged, "{why}");
    assert!(!flags(&judge_alone(&count.evidence(&rows))), "that everybody has a value is no condition");
}
