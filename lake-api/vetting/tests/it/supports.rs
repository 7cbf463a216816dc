//! R2: the persons behind an aggregate, and those it leaves out.

use oscar_vetting::{AggregateKind, ReviewReason, RuleId, Verdict};
use rstest::rstest;

use crate::population::{Row, Statement, count, group, judge_after, judge_alone, shown, text};

/// Six groups of 40 persons; in the first, `with` of them have an argument.
fn rows(with: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 100..n * 100 + 40)).collect();
    rows.iter_mut()
        .filter(|row| row.person.unwrap() < 40 && row.person.unwrap() >= with)
        .for_each(|row| row.argument = None);
    rows
}

#[rstest]
#[case(0, None, "no support looks like small support")]
#[case(9, None, "support below T")]
#[case(10, count(10), "support of T, complement of 30")]
#[case(30, count(30), "complement of T")]
#[case(31, None, "complement of T-1")]
#[case(39, None, "complement of one person")]
#[case(40, count(40), "everybody")]
fn support_and_complement_need_t_persons_each(
    #[case] with: u32,
    #[case] expected: Option<oscar_vetting::VettedValue>,
    #[case] why: &str,
) {
    let statement = Statement::by_open_key(&[AggregateKind::CountPersons, AggregateKind::CountNonNull]);
    let judgement = judge_alone(&statement.evidence(&rows(with)));
    assert_eq!(shown(&judgement, &[text("g0")]), Some(vec![count(40), expected]), "{why}");
    assert!(!matches!(judgement.verdict, Verdict::Refused(_)), "{why}");
    assert_eq!(judgement.hidden.iter().any(|cell| cell.rules == [RuleId::R2].into()), expected.is_none());
}

#[test]
fn the_complement_is_free_when_the_cell_s_own_persons_are_not_known() {
    let statement = Statement::by_open_key(&[AggregateKind::CountNonNull]);
    let evidence = statement.evidence(&rows(35));
    let alone = judge_alone(&evidence);
    assert_eq!(shown(&alone, &[text("g0")]), Some(vec![count(35)]));
    // Once the cell's persons have been released, the complement of five can be computed.
    let persons = Statement::by_open_key(&[AggregateKind::CountPersons]).evidence(&rows(35));
    let earlier = judge_alone(&persons).released;
    let after = judge_after(&evidence, &[earlier]);
    assert_eq!(shown(&after, &[text("g0")]), Some(vec![None]));
}

#[test]
fn few_rows_without_an_argument_hide_it_even_when_every_person_has_one() {
    // Persons 0 to 39 have a row with an argument each; some have a second row without.
    let second_rows = |without: u32| {
        let mut all = rows(40);
        all.extend(group("g0", 0..without).into_iter().map(|row| Row { argument: None, ..row }));
        all
    };
    let statement = Statement::by_open_key(&[AggregateKind::CountRows, AggregateKind::CountNonNull]);
    let few = judge_alone(&statement.evidence(&second_rows(9)));
    assert_eq!(shown(&few, &[text("g0")]), Some(vec![count(50), None]));
    let more = judge_alone(&statement.evidence(&second_rows(10)));
    let reasons = vec![ReviewReason::ComplementUnknown, ReviewReason::RepeatedRows];
    assert_eq!(more.verdict, Verdict::Review(reasons));
}
