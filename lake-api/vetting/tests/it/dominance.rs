//! R3 and R4 at their boundaries, for sums and for row counts.

use oscar_vetting::{AggregateKind, RuleId, VettedValue};
use rstest::rstest;

use crate::population::{Row, Statement, group, judge_alone, shown, text};

/// Six groups of 100 persons with the argument 1, in the first of which two persons have more.
fn rows(first: f64, second: f64) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 1000..n * 1000 + 100)).collect();
    rows[0].argument = Some(first);
    rows[1].argument = Some(second);
    rows
}

fn rules_of_first(rows: &[Row], kind: AggregateKind) -> Vec<RuleId> {
    let judgement = judge_alone(&Statement::by_open_key(&[AggregateKind::CountPersons, kind]).evidence(rows));
    let hidden = judgement.hidden.iter().find(|cell| cell.key == [text("g0")]);
    assert_eq!(hidden.is_some(), shown(&judgement, &[text("g0")]).unwrap()[1].is_none());
    hidden.map(|cell| cell.rules.iter().copied().collect()).unwrap_or_default()
}

#[rstest]
// (2, 85 %): the two hold 2x of 2x + 98; 2x > 0.85 (2x + 98) from x > 277.67.
#[case(277.0, 277.0, &[])]
#[case(278.0, 278.0, &[RuleId::R3])]
// p = 10 %: the others hold 98 + second - second; 98 < 0.1 x from x > 980, where R3 holds, too.
#[case(981.0, 1.0, &[RuleId::R3, RuleId::R4])]
#[case(980.0, 1.0, &[RuleId::R3])]
fn two_who_hold_more_than_85_percent_hide_a_sum(#[case] first: f64, #[case] second: f64, #[case] rules: &[RuleId]) {
    assert_eq!(rules_of_first(&rows(first, second), AggregateKind::Sum), rules);
    assert_eq!(rules_of_first(&rows(first, second), AggregateKind::Avg), rules);
}

#[test]
fn negative_contributions_count_by_their_size() {
    assert_eq!(rules_of_first(&rows(-600.0, 500.0), AggregateKind::Sum), [RuleId::R3]);
}

#[test]
fn a_heavy_user_hides_a_row_count_and_not_the_count_of_persons() {
    let mut heavy = rows(1.0, 1.0);
    heavy.extend((0..2000).flat_map(|_| group("g0", 0..1)));
    assert_eq!(rules_of_first(&heavy, AggregateKind::CountRows), [RuleId::R3, RuleId::R4]);
    assert_eq!(rules_of_first(&heavy, AggregateKind::CountNonNull), [RuleId::R3, RuleId::R4]);
}

#[test]
fn means_come_from_rounded_counts_and_have_three_digits() {
    // 102 persons with 1 and 3 in turn: the sum is 204, the count rounds to 100.
    let rows: Vec<Row> = group("g0", 0..102)
        .into_iter()
        .map(|row| Row { argument: Some(f64::from(row.person.unwrap() % 2 * 2 + 1)), ..row })
        .chain((1..6).flat_map(|n| group(&format!("g{n}"), n * 1000..n * 1000 + 100)))
        .collect();
    let kinds = [AggregateKind::CountRows, AggregateKind::Sum, AggregateKind::Avg];
    let judgement = judge_alone(&Statement::by_open_key(&kinds).evidence(&rows));
    let decimal = |value: f64| Some(VettedValue::Decimal(value.into()));
    let expected = vec![Some(VettedValue::Count(100)), decimal(204.0), decimal(2.04)];
    assert_eq!(shown(&judgement, &[text("g0")]), Some(expected));
}
