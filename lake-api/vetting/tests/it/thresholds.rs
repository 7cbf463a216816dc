//! R1, R10 and rows without a person.

use oscar_vetting::{AggregateKind, RuleId, Verdict};
use rstest::rstest;

use crate::population::{Statement, count, group, judge_alone, refused_by, shown, text};

const PERSONS: &[AggregateKind] = &[AggregateKind::CountPersons];

fn six_groups_and(last: u32) -> Vec<crate::population::Row> {
    let mut rows: Vec<_> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 100..n * 100 + 40)).collect();
    rows.extend(group("last", 900..900 + last));
    rows
}

const CODES: &[&str] = &["g0", "g1", "g2", "g3", "g4", "g5", "last"];

#[rstest]
#[case(1, None)]
#[case(9, None)]
#[case(10, count(10))]
#[case(12, count(10))]
fn a_cell_of_nine_persons_is_hidden_and_one_of_ten_is_shown(
    #[case] persons: u32,
    #[case] expected: Option<oscar_vetting::VettedValue>,
) {
    let judgement = judge_alone(&Statement::by_codes(CODES, PERSONS).evidence(&six_groups_and(persons)));
    assert_eq!(judgement.verdict, Verdict::Auto);
    assert_eq!(shown(&judgement, &[text("last")]), Some(vec![expected]));
    assert_eq!(shown(&judgement, &[text("g0")]), Some(vec![count(40)]));
}

#[test]
fn one_person_with_a_hundred_rows_counts_as_one() {
    let mut rows = six_groups_and(0);
    rows.extend((0..100).flat_map(|_| group("last", 900..901)));
    let judgement = judge_alone(&Statement::by_codes(CODES, PERSONS).evidence(&rows));
    assert_eq!(shown(&judgement, &[text("last")]), Some(vec![None]));
}

#[test]
fn rows_without_a_person_hide_their_cell() {
    let mut rows = six_groups_and(50);
    rows.last_mut().unwrap().person = None;
    let judgement = judge_alone(&Statement::by_codes(CODES, PERSONS).evidence(&rows));
    assert_eq!(shown(&judgement, &[text("last")]), Some(vec![None]));
    assert_eq!(judgement.hidden[0].rules, [RuleId::Unattributed].into());
}

#[rstest]
#[case(2, None)]
#[case(3, count(50))]
fn a_cell_of_two_hospitals_is_hidden(#[case] units: u32, #[case] expected: Option<oscar_vetting::VettedValue>) {
    let mut evidence = Statement::by_codes(CODES, PERSONS).evidence(&six_groups_and(50));
    for cell in &mut evidence.cells {
        cell.second_units = Some(if cell.key == [text("last")] { units } else { 9 });
    }
    let judgement = judge_alone(&evidence);
    assert_eq!(shown(&judgement, &[text("last")]), Some(vec![expected]));
}

#[test]
fn a_hidden_cell_is_not_remembered_as_released() {
    let judgement = judge_alone(&Statement::by_codes(CODES, PERSONS).evidence(&six_groups_and(9)));
    assert_eq!(judgement.released.sets().count(), 6);
    assert!(judgement.released.sets().all(|set| !set.contains(900)));
}

#[test]
fn a_total_of_fewer_than_t_persons_is_refused_like_one_of_nobody() {
    let statement = Statement::by_keys(Vec::new(), PERSONS);
    let strip = |rows: Vec<crate::population::Row>| -> Vec<_> {
        rows.into_iter().map(|row| crate::population::Row { keys: Vec::new(), ..row }).collect()
    };
    let few = judge_alone(&statement.evidence(&strip(group("x", 0..9))));
    let nobody = judge_alone(&statement.evidence(&[]));
    assert_eq!(refused_by(&few), ["SPARSE"]);
    assert_eq!(few.verdict, nobody.verdict);
    assert_eq!(few.table, nobody.table);
    let enough = judge_alone(&statement.evidence(&strip(group("x", 0..10))));
    assert_eq!(enough.verdict, Verdict::Auto);
    assert_eq!(shown(&enough, &[]), Some(vec![count(10)]));
}
