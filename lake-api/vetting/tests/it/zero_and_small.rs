//! Nobody and few persons must look the same, wherever the reader looks.

use oscar_vetting::{AggregateKind, Evidence, Judgement, Note, Verdict};
use proptest::prelude::*;

use crate::population::{Row, Statement, count, group, judge_alone, shown, text};

const KINDS: &[AggregateKind] = &[AggregateKind::CountPersons, AggregateKind::CountRows];
const CODES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];

/// What the requester gets to see.
fn public(judgement: &Judgement) -> (Option<String>, &oscar_vetting::VettedTable) {
    let refusal = match &judgement.verdict {
        Verdict::Refused(findings) => Some(format!("{findings:?}")),
        Verdict::Auto | Verdict::Review(_) => None,
    };
    (refusal, &judgement.table)
}

proptest! {
    #[test]
    fn removing_every_small_group_changes_nothing_that_is_shown(sizes in proptest::collection::vec(0u32..60, 8)) {
        let population = |keep: &dyn Fn(u32) -> bool| -> Vec<Row> {
            (0u32..).zip(&sizes).filter(|(_, size)| keep(**size))
                .flat_map(|(n, size)| group(CODES[n as usize], n * 100..n * 100 + size)).collect()
        };
        let closed = Statement::by_codes(CODES, KINDS);
        let with_small = judge_alone(&closed.evidence(&population(&|_| true)));
        let without = judge_alone(&closed.evidence(&population(&|size| size >= 10)));
        prop_assert_eq!(public(&with_small), public(&without));
        prop_assert_eq!(&with_small.released, &without.released);
        let open = Statement::by_open_key(KINDS);
        let with_small = judge_alone(&open.evidence(&population(&|_| true)));
        let without = judge_alone(&open.evidence(&population(&|size| size >= 10)));
        if !matches!(with_small.verdict, Verdict::Refused(_)) {
            prop_assert_eq!(public(&with_small), public(&without));
        }
    }
}

fn with_structural_zero(rows: &[Row]) -> Evidence {
    let mut evidence = Statement::by_codes(CODES, KINDS).evidence(rows);
    evidence.structural_zeros = vec![vec![Some(text("h"))]];
    evidence
}

fn seven_groups() -> Vec<Row> {
    (0u32..7).flat_map(|n| group(CODES[n as usize], n * 100..n * 100 + 40)).collect()
}

#[test]
fn a_declared_structural_zero_is_shown_as_zero() {
    let judgement = judge_alone(&with_structural_zero(&seven_groups()));
    assert_eq!(judgement.verdict, Verdict::Auto);
    assert_eq!(shown(&judgement, &[text("h")]), Some(vec![count(0), count(0)]));
}

#[test]
fn a_structural_zero_that_holds_persons_is_believed_nowhere() {
    let mut rows = seven_groups();
    rows.retain(|row| row.keys != [text("g")]);
    rows.extend(group("h", 700..703));
    let mut evidence = with_structural_zero(&rows);
    evidence.structural_zeros.push(vec![Some(text("g"))]);
    let judgement = judge_alone(&evidence);
    // Two of eight hidden: refused; nothing says which declaration was wrong.
    assert!(judgement.table.rows.is_empty());
    rows.extend(group("g", 600..640));
    let mut evidence = with_structural_zero(&rows);
    evidence.structural_zeros = vec![vec![Some(text("h"))]];
    let judgement = judge_alone(&evidence);
    assert_eq!(shown(&judgement, &[text("h")]), Some(vec![None, None]));
    assert!(!matches!(judgement.verdict, Verdict::Auto));
}

#[test]
fn a_cell_without_rows_is_an_absent_cell() {
    let rows = seven_groups();
    let mut evidence = Statement::by_codes(CODES, KINDS).evidence(&rows);
    let absent = judge_alone(&evidence);
    let mut empty = evidence.cells[0].clone();
    empty.key = vec![text("h")];
    empty.rows = 0;
    empty.persons.clear();
    for aggregate in &mut empty.aggregates {
        (aggregate.value, aggregate.non_null_rows, aggregate.absolute_total, aggregate.largest) =
            (0.0, 0, 0.0, [0.0; 2]);
    }
    evidence.cells.push(empty);
    assert_eq!(public(&judge_alone(&evidence)), public(&absent));
}

#[test]
fn the_notes_do_not_depend_on_the_data() {
    let notes = |rows: &[Row]| judge_alone(&Statement::by_open_key(KINDS).evidence(rows)).table.notes;
    let mut more = seven_groups();
    more.extend(group("h", 700..703));
    assert_eq!(notes(&seven_groups()), notes(&more));
    assert_eq!(notes(&more), [Note::CountsRoundedTo(5), Note::HiddenCells, Note::SmallGroupsNotListed]);
}
