//! Evidence that cannot be true is refused as a whole.

use oscar_vetting::{AggregateKind, CellEvidence, Evidence, EvidenceError, KeyValue, check_evidence};
use rstest::rstest;

use crate::population::{Row, Statement, group, judge_alone, refused_by, text};

const KINDS: &[AggregateKind] =
    &[AggregateKind::CountPersons, AggregateKind::CountRows, AggregateKind::CountNonNull, AggregateKind::Sum];

fn good() -> Evidence {
    let rows: Vec<Row> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 100..n * 100 + 40)).collect();
    Statement::by_open_key(KINDS).evidence(&rows)
}

type Change = fn(&mut Evidence);

fn cell(evidence: &mut Evidence) -> &mut CellEvidence {
    &mut evidence.cells[0]
}

#[rstest]
#[case::no_grouping_set(|e: &mut Evidence| e.grouping_sets.clear(), EvidenceError::GroupingSets)]
#[case::short_grouping_set(|e: &mut Evidence| e.grouping_sets[0].clear(), EvidenceError::GroupingSets)]
#[case::long_structural_zero(|e: &mut Evidence| e.structural_zeros.push(vec![None, None]), EvidenceError::StructuralZeros)]
#[case::unknown_set(|e: &mut Evidence| cell(e).grouping_set = 7, EvidenceError::CellShape)]
#[case::missing_aggregate(|e: &mut Evidence| drop(cell(e).aggregates.pop()), EvidenceError::CellShape)]
#[case::missing_key(|e: &mut Evidence| cell(e).key.clear(), EvidenceError::CellShape)]
#[case::stray_key(|e: &mut Evidence| e.grouping_sets[0] = vec![false], EvidenceError::StrayKey)]
#[case::same_cell_twice(|e: &mut Evidence| { let again = cell(e).clone(); e.cells.push(again); }, EvidenceError::DuplicateCell)]
#[case::more_persons_than_rows(|e: &mut Evidence| cell(e).rows = 39, EvidenceError::RowCount)]
#[case::rows_and_no_persons(|e: &mut Evidence| cell(e).persons.clear(), EvidenceError::RowCount)]
#[case::nobody_s_rows_beyond_all(|e: &mut Evidence| cell(e).unattributed_rows = 41, EvidenceError::RowCount)]
#[case::support_outside(|e: &mut Evidence| cell(e).aggregates[2].support = Some((0..41).collect()), EvidenceError::Support)]
#[case::wrong_person_count(|e: &mut Evidence| cell(e).aggregates[0].value = 41.0, EvidenceError::Numbers)]
#[case::wrong_row_count(|e: &mut Evidence| cell(e).aggregates[1].value = 41.0, EvidenceError::Numbers)]
#[case::fractional_count(|e: &mut Evidence| cell(e).aggregates[1].value = 39.5, EvidenceError::Numbers)]
#[case::no_contributions(|e: &mut Evidence| (cell(e).aggregates[1].absolute_total, cell(e).aggregates[1].largest) = (0.0, [0.0; 2]), EvidenceError::Numbers)]
#[case::forgotten_largest(|e: &mut Evidence| cell(e).aggregates[3].largest = [0.0; 2], EvidenceError::Numbers)]
#[case::too_large_largest(|e: &mut Evidence| cell(e).aggregates[3].largest = [30.0, 20.0], EvidenceError::Numbers)]
#[case::unordered_largest(|e: &mut Evidence| cell(e).aggregates[3].largest = [1.0, 2.0], EvidenceError::Numbers)]
#[case::sum_beyond_total(|e: &mut Evidence| cell(e).aggregates[3].value = 41.0, EvidenceError::Numbers)]
#[case::not_a_number(|e: &mut Evidence| cell(e).aggregates[3].value = f64::NAN, EvidenceError::Numbers)]
#[case::infinite(|e: &mut Evidence| cell(e).aggregates[3].absolute_total = f64::INFINITY, EvidenceError::Numbers)]
#[case::reversed_range(|e: &mut Evidence| cell(e).aggregates[3].range = Some((2.0, 1.0)), EvidenceError::Numbers)]
fn each_contradiction_is_found_and_refused(#[case] change: Change, #[case] error: EvidenceError) {
    let mut evidence = good();
    assert_eq!(check_evidence(&evidence), Ok(()));
    change(&mut evidence);
    assert_eq!(check_evidence(&evidence), Err(error));
    let judgement = judge_alone(&evidence);
    assert_eq!(refused_by(&judgement), ["EVIDENCE"]);
    assert!(judgement.table.rows.is_empty() && judgement.released.families.is_empty() && judgement.witness.is_none());
}

#[test]
fn keys_of_any_type_are_judged() {
    let values = [
        KeyValue::Null,
        KeyValue::Boolean(true),
        KeyValue::Integer(-4),
        KeyValue::Number(0.5.into()),
        text("x"),
        KeyValue::Date(0),
    ];
    let rows: Vec<Row> = (0u32..)
        .zip(&values)
        .flat_map(|(n, key)| {
            group("", n * 100..n * 100 + 40).into_iter().map(|row| Row { keys: vec![key.clone()], ..row })
        })
        .collect();
    let judgement = judge_alone(&Statement::by_open_key(KINDS).evidence(&rows));
    let keys: Vec<KeyValue> = judgement.table.rows.iter().map(|row| row.key[0].clone()).collect();
    assert_eq!(keys, values, "rows are sorted by the order of keys");
}
