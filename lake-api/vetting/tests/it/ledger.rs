//! R7 between releases, through the whole judgement.

use oscar_permit::ReleaseId;
use oscar_vetting::{AggregateKind, DrawSecret, Judgement, ReleaseContext, ReviewReason, Verdict};
use rstest::rstest;

use crate::population::{
    Row, Statement, context, group, judge_after, judge_alone, profile, refused_by, release, shown, text,
};

const PERSONS: &[AggregateKind] = &[AggregateKind::CountPersons];

fn by_group(rows: &[Row]) -> oscar_vetting::Evidence {
    Statement::by_open_key(PERSONS).evidence(rows)
}

fn total(rows: &[Row]) -> oscar_vetting::Evidence {
    let rows: Vec<Row> = rows.iter().map(|row| Row { keys: Vec::new(), ..row.clone() }).collect();
    Statement::by_keys(Vec::new(), PERSONS).evidence(&rows)
}

fn six_groups_and(last: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..6).flat_map(|n| group(&format!("g{n}"), n * 100..n * 100 + 40)).collect();
    rows.extend(group("last", 900..900 + last));
    rows
}

#[rstest]
#[case(9, true, false)]
#[case(10, false, true)]
#[case(19, false, true)]
#[case(20, false, false)]
fn the_same_query_on_a_later_version_with_more_persons_is_a_difference(
    #[case] added: u32,
    #[case] refused: bool,
    #[case] near: bool,
) {
    let before = judge_alone(&total(&six_groups_and(0))).released;
    let after = judge_after(&total(&six_groups_and(added)), &[before]);
    assert_eq!(refused_by(&after), if refused { vec!["R7"] } else { vec![] });
    if !refused {
        let expected = if near { Verdict::Review(vec![ReviewReason::GapBelowTwiceThreshold]) } else { Verdict::Auto };
        assert_eq!(after.verdict, expected);
    }
}

/// Why a count of repeated rows never passes by itself, later releases included: dominance
/// (R3, R4) has nothing to say here, the two counts have the same persons, and yet their
/// difference is rows of one of them. Only people who see both statements can tell.
#[test]
fn rows_of_one_person_are_a_difference_that_person_sets_do_not_show_so_people_look() {
    let all: Vec<Row> = (0..5).flat_map(|_| six_groups_and(40)).collect();
    let mut left_out = 0;
    let without: Vec<Row> = all
        .iter()
        .filter(|row| {
            let one_of_several = row.person == Some(7) && left_out < 4;
            left_out += usize::from(one_of_several);
            !one_of_several
        })
        .cloned()
        .collect();
    for kind in [AggregateKind::CountRows, AggregateKind::CountNonNull] {
        let statement = Statement::by_open_key(&[kind]);
        let first = judge_alone(&statement.evidence(&all));
        let second = judge_after(&statement.evidence(&without), std::slice::from_ref(&first.released));
        for judgement in [&first, &second] {
            assert_eq!(judgement.verdict, Verdict::Review(vec![ReviewReason::RepeatedRows]), "{kind:?}");
        }
        let sets = |judgement: &oscar_vetting::Judgement| judgement.released.sets().cloned().collect::<Vec<_>>();
        assert_eq!(sets(&first), sets(&second), "the ledger sees one and the same table");
        assert_ne!(shown(&first, &[text("g0")]), shown(&second, &[text("g0")]), "and the numbers differ");
    }
}

#[test]
fn a_total_after_a_table_with_a_hidden_cell_is_refused_and_the_other_way_round() {
    let rows = six_groups_and(7);
    let table = judge_alone(&by_group(&rows));
    assert_eq!(table.verdict, Verdict::Auto);
    assert_eq!(shown(&table, &[text("last")]), None);
    assert_eq!(refused_by(&judge_after(&total(&rows), &[table.released])), ["R7"]);
    let total_first = judge_alone(&total(&rows)).released;
    assert_eq!(refused_by(&judge_after(&by_group(&rows), &[total_first])), ["R7"]);
}

#[test]
fn the_same_release_again_passes() {
    let evidence = by_group(&six_groups_and(40));
    let first = judge_alone(&evidence);
    let again = judge_after(&evidence, std::slice::from_ref(&first.released));
    assert_eq!(again.verdict, Verdict::Auto);
    assert_eq!(again.table, first.table);
    assert!(again.witness.is_some());
}

#[test]
fn where_no_key_names_persons_an_earlier_release_of_another_version_leads_to_people() {
    let table = || oscar_permit::TableRef::try_from("health.contacts".to_owned()).unwrap();
    let evidence = |version| {
        let mut evidence = by_group(&six_groups_and(40));
        evidence.lineage.insert(table(), version);
        evidence
    };
    let released = judge_alone(&evidence(1)).released;
    let judged = |version, unlinked: bool| {
        let mut evidence = evidence(version);
        evidence.unlinked.extend(unlinked.then(table));
        judge_after(&evidence, std::slice::from_ref(&released))
    };
    assert_eq!(judged(1, true).verdict, Verdict::Auto);
    assert_eq!(judged(2, false).verdict, Verdict::Auto);
    let other = judged(2, true);
    assert_eq!(other.verdict, Verdict::Review(vec![ReviewReason::SpanUndecided]));
    assert_eq!(other.witness, None);
}

#[test]
fn a_strict_release_keeps_its_threshold_when_a_laxer_one_follows() {
    let before = judge_alone(&total(&six_groups_and(7))).released;
    let lax = |rows: &[Row], earlier: &[_]| oscar_vetting::judge(&total(rows), &profile(5), earlier, &context());
    assert_eq!(refused_by(&lax(&six_groups_and(0), std::slice::from_ref(&before))), ["R7"]);
    let all_lax = lax(&six_groups_and(7), &[]).released;
    assert!(refused_by(&lax(&six_groups_and(0), &[all_lax])).is_empty());
}

#[test]
fn a_population_without_one_person_is_refused_whatever_the_grouping() {
    let rows = six_groups_and(40);
    let released = judge_alone(&by_group(&rows)).released;
    let without_one: Vec<Row> = rows.iter().filter(|row| row.person != Some(17)).cloned().collect();
    assert_eq!(refused_by(&judge_after(&by_group(&without_one), std::slice::from_ref(&released))), ["R7"]);
    assert_eq!(refused_by(&judge_after(&total(&without_one), &[released])), ["R7"]);
}

#[test]
fn a_support_that_misses_few_persons_of_an_earlier_cell_is_hidden() {
    let mut rows = six_groups_and(40);
    let released = judge_alone(&by_group(&rows)).released;
    rows[0].argument = None;
    let with_argument = Statement::by_open_key(&[AggregateKind::CountNonNull]).evidence(&rows);
    let judgement = judge_after(&with_argument, &[released]);
    assert_eq!(shown(&judgement, &[text("g0")]), Some(vec![None]));
    assert!(!matches!(judgement.verdict, Verdict::Refused(_)));
}

#[test]
fn the_digests_of_a_receipt_say_nothing_without_the_platforms_secret() {
    let (one, other) = (release(), "rel-2".parse::<ReleaseId>().unwrap());
    let (secret, another) = (DrawSecret::new([0; 32]), DrawSecret::new([1; 32]));
    let evidence = by_group(&six_groups_and(9));
    let small = judge_alone(&evidence);
    let of = |judgement: &Judgement, secret, id| judgement.findings_digest(secret, id).unwrap();
    assert_eq!(of(&small, &secret, &one), of(&small, &secret, &one), "an auditor with the secret can compute it again");
    assert_ne!(of(&small, &secret, &one), of(&small, &another, &one), "nobody can without");
    assert_ne!(of(&small, &secret, &one), of(&small, &secret, &other), "equal digests would tell of equal findings");
    let absent = judge_alone(&by_group(&six_groups_and(0)));
    assert_ne!(of(&small, &secret, &one), of(&absent, &secret, &one), "an auditor is told what the requester is not");

    let witness = |secret, id: &ReleaseId| {
        let context = ReleaseContext { draw: secret, release: id.clone(), ..context() };
        oscar_vetting::judge(&evidence, &profile(10), std::slice::from_ref(&small.released), &context).witness.unwrap()
    };
    assert_eq!(witness(secret, &one), witness(secret, &one));
    assert_ne!(witness(secret, &one), witness(another, &one));
    assert_ne!(witness(secret, &one), witness(secret, &other));
}

#[test]
fn the_persons_behind_an_aggregate_are_remembered_too() {
    // Only persons with an argument are counted: 40, then the same but for `missing`.
    let with_argument = |without: std::ops::Range<u32>| {
        let mut rows = six_groups_and(0);
        for row in rows.iter_mut().filter(|row| row.person.is_some_and(|person| without.contains(&person))) {
            row.argument = None;
        }
        Statement::by_open_key(&[AggregateKind::CountNonNull]).evidence(&rows)
    };
    let released = judge_alone(&with_argument(0..15)).released;
    assert!(released.sets().any(|set| set.len() == 25), "25 of 40 persons of the first group have an argument");
    assert_eq!(refused_by(&judge_after(&with_argument(0..12), &[released])), ["R7"]);
}
