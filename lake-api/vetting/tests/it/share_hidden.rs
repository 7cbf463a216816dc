//! R6, SPARSE, COMPLEMENT and the number of cells.

use oscar_vetting::{AggregateKind, Evidence, KeyValue, ReviewReason, Verdict};
use rstest::rstest;

use crate::population::{Row, Statement, context, group, judge_alone, profile, refused_by, shown, text};

const PERSONS: &[AggregateKind] = &[AggregateKind::CountPersons];

/// `large` groups of 40 persons and `small` groups of 5.
fn groups(large: u32, small: u32) -> Vec<Row> {
    let large = (0..large).flat_map(|n| group(&format!("l{n:03}"), n * 100..n * 100 + 40));
    large.chain((0..small).flat_map(|n| group(&format!("s{n:03}"), 100_000 + n * 100..100_000 + n * 100 + 5))).collect()
}

#[rstest]
#[case(8, 2, true)]
#[case(7, 2, false)]
#[case(3, 1, true)] // one hidden group alone is allowed
#[case(0, 1, false)]
#[case(0, 0, false)]
fn more_than_a_fifth_hidden_refuses_a_table(#[case] large: u32, #[case] small: u32, #[case] passes: bool) {
    let judgement = judge_alone(&Statement::by_open_key(PERSONS).evidence(&groups(large, small)));
    assert_eq!(refused_by(&judgement), if passes { vec![] } else { vec!["SPARSE"] });
    if passes {
        assert_eq!(judgement.table.rows.len(), large as usize, "small groups are not listed");
    } else {
        assert!(judgement.table.rows.is_empty() && judgement.released.families.is_empty());
    }
}

#[test]
fn one_person_in_many_groups_is_no_more_than_in_one() {
    let split = |persons: u32| -> Vec<Row> {
        let large = (0..4).flat_map(|n| group(&format!("l{n:03}"), n * 100..n * 100 + 40));
        let small = (0..6).flat_map(|n| group(&format!("s{n:03}"), 100_000..100_000 + persons));
        large.chain(small).collect()
    };
    let judged = |persons| refused_by(&judge_alone(&Statement::by_open_key(PERSONS).evidence(&split(persons))));
    assert_eq!(judged(0), Vec::<&str>::new());
    assert_eq!(judged(1), judged(0), "whether the one person is there is not told");
    assert_eq!(judged(9), judged(0));
    let others = (0..2).flat_map(|n| group(&format!("t{n:03}"), 200_000 + n * 100..200_000 + n * 100 + 5));
    let rows: Vec<Row> = split(0).into_iter().chain(others).collect();
    let judgement = judge_alone(&Statement::by_open_key(PERSONS).evidence(&rows));
    assert_eq!(refused_by(&judgement), vec!["SPARSE"], "as many as a shown cell needs are told of");
}

#[rstest]
#[case(8, 2, true)]
#[case(7, 2, false)]
#[case(4, 1, true)]
#[case(3, 1, true)] // fewer than T persons in hidden groups are not told of
#[case(4, 2, false)]
#[case(0, 1, false)]
fn a_list_of_groups_loses_at_most_a_fifth(#[case] large: u32, #[case] small: u32, #[case] passes: bool) {
    let judgement = judge_alone(&Statement::by_open_key(&[]).evidence(&groups(large, small)));
    assert_eq!(refused_by(&judgement), if passes { vec![] } else { vec!["R6"] });
    assert_eq!(judgement.table.rows.len(), if passes { large as usize } else { 0 });
    // The existence of a listed group is remembered like a count.
    assert_eq!(judgement.released.sets().count(), judgement.table.rows.len());
}

fn cross(key: [&str; 2], persons: std::ops::Range<u32>) -> Vec<Row> {
    let keys: Vec<KeyValue> = key.iter().map(|key| text(key)).collect();
    persons.map(|person| Row { person: Some(person), keys: keys.clone(), argument: None }).collect()
}

fn three_by_three(smallest: u32) -> Vec<Row> {
    let mut rows = Vec::new();
    for (n, (a, b)) in (0u32..).zip(["x", "y", "z"].iter().flat_map(|a| ["1", "2", "3"].map(|b| (*a, b)))) {
        rows.extend(cross([a, b], n * 100..n * 100 + if n == 0 { smallest } else { 40 }));
    }
    rows
}

#[rstest]
#[case(9, true)]
#[case(10, false)]
fn a_table_with_totals_and_an_unsafe_cell_is_refused(#[case] smallest: u32, #[case] refused: bool) {
    let with_totals = Statement::by_keys(vec![None, None], PERSONS).with_sets(vec![
        vec![true, true],
        vec![true, false],
        vec![false, true],
        vec![false, false],
    ]);
    let judgement = judge_alone(&with_totals.evidence(&three_by_three(smallest)));
    assert_eq!(refused_by(&judgement).contains(&"COMPLEMENT"), refused);
    assert_eq!(matches!(judgement.verdict, Verdict::Refused(_)), refused);
    let without = Statement::by_keys(vec![None, None], PERSONS);
    assert!(refused_by(&judge_alone(&without.evidence(&three_by_three(smallest)))).is_empty());
}

#[test]
fn a_small_cell_outside_the_code_list_is_no_way_around_the_totals() {
    let codes = |list: &[&str]| Some(list.iter().map(|code| text(code)).collect());
    let domains = vec![codes(&["x", "y", "z"]), codes(&["1", "2", "3"])];
    let with_totals = Statement::by_keys(domains, PERSONS).with_sets(vec![vec![true, true], vec![true, false]]);
    let mut rows = three_by_three(40);
    rows.extend(cross(["x", "unknown"], 5000..5004));
    assert!(refused_by(&judge_alone(&with_totals.evidence(&rows))).contains(&"COMPLEMENT"));
}

#[test]
fn above_500_cells_people_look_and_above_the_profile_s_limit_it_is_refused() {
    let evidence = Statement::by_open_key(PERSONS).evidence(&groups(501, 0));
    let judge = |evidence: &Evidence, cells_per_release| {
        let mut profile = profile(10);
        profile.quotas.cells_per_release = cells_per_release;
        oscar_vetting::judge(evidence, &profile, &[], &context())
    };
    assert_eq!(refused_by(&judge(&evidence, 500)), ["CELLS"]);
    assert_eq!(judge(&evidence, 1000).verdict, Verdict::Review(vec![ReviewReason::ManyCells]));
    let enough = Statement::by_open_key(PERSONS).evidence(&groups(500, 0));
    assert_eq!(judge(&enough, 1000).verdict, Verdict::Auto);
    let figures = Statement::by_open_key(&[AggregateKind::CountPersons, AggregateKind::CountRows]);
    assert_eq!(refused_by(&judge(&figures.evidence(&groups(251, 0)), 500)), ["CELLS"], "a cell is a figure");
    assert_eq!(judge(&figures.evidence(&groups(250, 0)), 500).verdict, Verdict::Auto);
}

#[test]
fn a_grid_beyond_the_limit_is_not_completed() {
    let codes: Vec<String> = (0..2001).map(|n| format!("l{n:03}")).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let judgement = judge_alone(&Statement::by_codes(&codes, PERSONS).evidence(&groups(8, 0)));
    assert_eq!(judgement.table.rows.len(), 8);
    assert_eq!(shown(&judgement, &[text("l1999")]), None);
}
