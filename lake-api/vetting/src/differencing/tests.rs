//! An attacker who tries everything on tiny populations: he computes the row space of the
//! released sets over the persons themselves, in exact fractions, and asks for every set
//! of 1…T−1 persons whether its indicator lies in it.

use proptest::prelude::*;

use super::*;
use crate::Family;

const PERSONS: u32 = 8;

/// A fraction in lowest terms; numbers stay tiny here.
type Fraction = (i128, i128);

fn lowest((n, d): Fraction) -> Fraction {
    let (mut a, mut b) = (n.abs(), d.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let sign = if d < 0 { -1 } else { 1 };
    (sign * n / a.max(1), sign * d / a.max(1))
}

fn minus_product(a: Fraction, b: Fraction, c: Fraction) -> Fraction {
    lowest((a.0 * b.1 * c.1 - b.0 * c.0 * a.1, a.1 * b.1 * c.1))
}

/// Rows in echelon form by plain elimination, and whether `vector` lies in their span.
fn echelon(rows: &[u32]) -> Vec<Vec<Fraction>> {
    let mut basis: Vec<Vec<Fraction>> = Vec::new();
    for row in rows {
        let left = reduce(&basis, (0..PERSONS).map(|bit| (i128::from(row >> bit & 1), 1)).collect());
        if left.iter().any(|value| value.0 != 0) {
            basis.push(left);
        }
    }
    basis
}

fn reduce(basis: &[Vec<Fraction>], mut vector: Vec<Fraction>) -> Vec<Fraction> {
    for row in basis {
        let pivot = row.iter().position(|value| value.0 != 0).unwrap();
        let factor = lowest((vector[pivot].0 * row[pivot].1, vector[pivot].1 * row[pivot].0));
        for (value, other) in vector.iter_mut().zip(row) {
            *value = minus_product(*value, factor, *other);
        }
    }
    vector
}

fn isolated_by_brute_force(sets: &[u32], threshold: u32) -> Vec<u32> {
    let basis = echelon(sets);
    (1u32..1 << PERSONS)
        .filter(|set| set.count_ones() < threshold)
        .filter(|set| {
            let indicator = (0..PERSONS).map(|bit| (i128::from(set >> bit & 1), 1)).collect();
            reduce(&basis, indicator).iter().all(|value| value.0 == 0)
        })
        .collect()
}

fn set_of(mask: u32) -> RoaringBitmap {
    (0..PERSONS).filter(|bit| mask >> bit & 1 == 1).collect()
}

fn table(masks: &[u32]) -> LedgerTable {
    let cells = masks.iter().map(|mask| set_of(*mask)).collect();
    LedgerTable { families: vec![Family { cells }], ..empty() }
}

fn empty() -> LedgerTable {
    LedgerTable::empty("rel-1".parse().unwrap(), [].into())
}

fn distinct(sets: &[RoaringBitmap]) -> Vec<&RoaringBitmap> {
    let sets = sets.iter().map(|persons| ReleasedSet { persons, before: false, threshold: 0 });
    distinct_sets(sets).into_iter().map(|set| set.persons).collect()
}

/// Sets that may be released at all: at least T persons.
fn releasable(threshold: u32) -> impl Strategy<Value = u32> {
    (1u32..1 << PERSONS).prop_filter("fewer than T persons", move |mask| mask.count_ones() >= threshold)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nothing_that_an_exhaustive_attacker_isolates_passes(
        threshold in 2u32..=4,
        seed in proptest::collection::vec(releasable(4), 1..7),
        cut in 0usize..7,
    ) {
        let sets: Vec<u32> = seed;
        let (earlier, new) = sets.split_at(cut.min(sets.len() - 1));
        let earlier: Vec<LedgerTable> = earlier.chunks(2).map(table).collect();
        let found = judge_differencing(&earlier, &table(new), threshold);
        let isolated = isolated_by_brute_force(&sets, threshold);
        let passes = !found.refused && found.proof.is_some();
        prop_assert!(isolated.is_empty() || !passes, "sets {sets:?} isolate {isolated:?}");
        // The first stage's gaps below T are real: what it refuses can be computed.
        if found.refused && earlier.is_empty() {
            prop_assert!(!isolated.is_empty(), "refused without cause: {sets:?}");
        }
    }

    #[test]
    fn an_isolated_single_atom_is_always_refused(sets in proptest::collection::vec(releasable(3), 2..7)) {
        let bitmaps: Vec<RoaringBitmap> = sets.iter().map(|mask| set_of(*mask)).collect();
        let distinct = distinct(&bitmaps);
        let (found, span) = span_of(&distinct, 3);
        let atoms_alone: Vec<u32> = isolated_by_brute_force(&sets, 3)
            .into_iter()
            .filter(|set| found.iter().any(|atom| persons_of(atom, &distinct) == set_of(*set)))
            .collect();
        if !atoms_alone.is_empty() {
            prop_assert!(matches!(span, Span::Isolated(_)), "{sets:?} isolate the atoms {atoms_alone:?}: {span:?}");
        }
    }
}

fn persons_of(atom: &Atom, sets: &[&RoaringBitmap]) -> RoaringBitmap {
    let in_same_sets =
        |person: &u32| (0u32..).zip(sets).all(|(number, set)| set.contains(*person) == atom.sets.contains(&number));
    (0..PERSONS).filter(in_same_sets).collect()
}

#[test]
fn a_total_minus_all_published_groups_is_refused() {
    // Groups {0,1,2} and {3,4,5}, then everybody: persons 6 and 7 would remain.
    let found = judge_differencing(&[table(&[0b0000_0111, 0b0011_1000])], &table(&[0b1111_1111]), 3);
    assert!(found.refused);
    // The other way round: the groups are asked for after the total.
    let found = judge_differencing(&[table(&[0b1111_1111])], &table(&[0b0000_0111, 0b0011_1000]), 3);
    assert!(found.refused);
}

#[test]
fn the_same_table_again_tells_nothing_new() {
    let released = table(&[0b0000_1111, 0b1111_0000]);
    let found = judge_differencing(std::slice::from_ref(&released), &released, 4);
    assert!(!found.refused && found.proof.is_some() && !found.near);
}

#[test]
fn a_gap_of_exactly_t_persons_is_near_and_one_of_t_minus_1_is_refused() {
    let whole: RoaringBitmap = (0..100).collect();
    let judge = |missing: u32, threshold| {
        let part: RoaringBitmap = (missing..100).collect();
        let of = |set: &RoaringBitmap| LedgerTable { families: vec![Family { cells: vec![set.clone()] }], ..empty() };
        judge_differencing(&[of(&whole)], &of(&part), threshold)
    };
    assert!(judge(9, 10).refused);
    assert!(!judge(10, 10).refused && judge(10, 10).near);
    assert!(!judge(19, 10).refused && judge(19, 10).near);
    assert!(!judge(20, 10).refused && !judge(20, 10).near);
    assert!(judge(20, 10).proof.is_some());
}

#[test]
fn three_overlapping_sets_that_add_up_to_one_person_are_refused() {
    // a = {0..9} ∪ {20}, b = {10..19}, c = {0..20} without 20 … a + b − c = {20}.
    let sets: Vec<RoaringBitmap> = vec![(0..10).chain([20]).collect(), (10..20).collect(), (0..20).collect()];
    let one_each: Vec<LedgerTable> =
        sets.iter().map(|set| LedgerTable { families: vec![Family { cells: vec![set.clone()] }], ..empty() }).collect();
    let found = judge_differencing(&one_each[..2], &one_each[2], 5);
    assert!(found.refused, "no pair and no family shows it, only the combination of all three");
}

#[test]
fn what_was_isolated_before_leads_to_people_and_not_to_refusal() {
    let odd: Vec<RoaringBitmap> = vec![(0..10).chain([20]).collect(), (10..20).collect(), (0..20).collect()];
    let earlier = LedgerTable { families: odd.into_iter().map(|set| Family { cells: vec![set] }).collect(), ..empty() };
    let unrelated = LedgerTable { families: vec![Family { cells: vec![(100..200).collect()] }], ..empty() };
    let found = judge_differencing(&[earlier], &unrelated, 5);
    assert!(!found.refused && found.proof.is_none());
}

#[test]
fn scattered_person_indices_are_judged_like_dense_ones() {
    let scattered =
        |persons: std::ops::Range<u32>| -> RoaringBitmap { persons.map(|n| n * 40_000_003 % 4_294_967_291).collect() };
    let of = |set: RoaringBitmap| LedgerTable { families: vec![Family { cells: vec![set] }], ..empty() };
    assert!(judge_differencing(&[of(scattered(0..50))], &of(scattered(0..47)), 10).refused);
    assert!(!judge_differencing(&[of(scattered(0..50))], &of(scattered(50..90)), 10).refused);
}

#[test]
fn two_crossing_tables_with_large_atoms_are_proven_safe() {
    // 6 × 5 cells over 6000 persons: 30 atoms of 200.
    let cells = |modulus: u32| -> Vec<RoaringBitmap> {
        (0..modulus).map(|rest| (0..6000).filter(|person| person % modulus == rest).collect()).collect()
    };
    let of = |cells| LedgerTable { families: vec![Family { cells }], ..empty() };
    let found = judge_differencing(&[of(cells(6))], &of(cells(5)), 10);
    assert!(!found.refused && !found.near && found.proof.is_some());
}

/// A table of cells, each of the persons from one index up to another.
fn family(cells: &[(u32, u32)]) -> LedgerTable {
    let cells = cells.iter().map(|(from, until)| (*from..*until).collect()).collect();
    LedgerTable { families: vec![Family { cells }], ..empty() }
}

#[test]
fn the_first_stage_sees_what_a_table_leaves_of_a_set_and_what_it_has_around_it() {
    let gaps = |earlier: LedgerTable, new: LedgerTable| {
        let found = pairwise::compare(&[earlier], &new, 10, &mut Budget::new(1_000_000)).0;
        (found.below_threshold, found.near)
    };
    // A total of 100 persons and disjoint cells inside it that leave `left` persons out.
    for (left, expected) in [(0, (false, false)), (9, (true, false)), (10, (false, true)), (20, (false, false))] {
        let cells = || family(&[(0, 40), (40, 100 - left)]);
        assert_eq!(gaps(cells(), family(&[(0, 100)])), expected, "cells, then the total: {left}");
        assert_eq!(gaps(family(&[(0, 100)]), cells()), expected, "the total, then cells: {left}");
    }
    // Disjoint cells that cover a set of 100 persons and have `around` persons besides.
    for (around, expected) in [(0, (false, false)), (9, (true, false)), (19, (false, true)), (20, (false, false))] {
        let cells = || family(&[(0, 60), (60, 130)]);
        let covered = || family(&[(around, 130)]);
        assert_eq!(gaps(cells(), covered()), expected, "cells, then a part: {around}");
        assert_eq!(gaps(covered(), cells()), expected, "a part, then cells: {around}");
    }
}

#[test]
fn overlapping_sets_that_come_close_lead_to_people_and_not_to_refusal() {
    // Persons may be in both cells, so 100 − 60 − 57 tells nobody that three are in none.
    let diagnoses = || family(&[(0, 60), (40, 97)]);
    for (earlier, new) in [(diagnoses(), family(&[(0, 100)])), (family(&[(0, 100)]), diagnoses())] {
        let found = judge_differencing(&[earlier], &new, 10);
        assert!(!found.refused && found.near && found.proof.is_some());
    }
}

#[test]
fn what_was_isolated_before_does_not_excuse_isolating_others() {
    let isolating = |offset: u32| -> Vec<Family> {
        let sets: [RoaringBitmap; 3] = [
            (offset..offset + 10).chain([offset + 20]).collect(),
            (offset + 10..offset + 20).collect(),
            (offset..offset + 20).collect(),
        ];
        sets.into_iter().map(|set| Family { cells: vec![set] }).collect()
    };
    let earlier = LedgerTable { families: isolating(0), ..empty() };
    let new = LedgerTable { families: isolating(1000), ..empty() };
    assert!(judge_differencing(&[earlier], &new, 5).refused);
}

proptest! {
    #[test]
    fn a_search_without_relations_finds_every_single_atom_and_pair(
        sets in proptest::collection::vec(releasable(3), 2..9),
    ) {
        let bitmaps: Vec<RoaringBitmap> = sets.iter().map(|mask| set_of(*mask)).collect();
        let distinct = distinct(&bitmaps);
        let atoms = super::atoms::atoms(&distinct).unwrap();
        let count = u32::try_from(distinct.len()).unwrap();
        let limits = Limits { proof: 0, atoms: 1_000_000, unions: 0 };
        let found = match examine(&atoms, count, 3, limits) {
            Span::Isolated(unions) => unions,
            Span::Undecided => Vec::new(),
            Span::Proven(_) => return Err(TestCaseError::fail("proven without a budget for it")),
        };
        let persons = |union: &[u32]| union.iter().fold(RoaringBitmap::new(), |all, atom| {
            all | persons_of(&atoms[*atom as usize], &distinct)
        });
        let mut seen: Vec<Vec<u32>> = found.iter().map(|union| persons(union).iter().collect()).collect();
        let pairs = (0u32..).zip(&atoms).flat_map(|(a, _)| (0..=a).map(move |b| if a == b { vec![a] } else { vec![b, a] }));
        let computable = isolated_by_brute_force(&sets, 3);
        let mut expected: Vec<Vec<u32>> = pairs
            .map(|union| persons(&union))
            .filter(|persons| computable.iter().any(|mask| set_of(*mask) == *persons))
            .map(|persons| persons.iter().collect())
            .collect();
        seen.sort();
        expected.sort();
        // Two atoms that are isolated each are not named again as a pair.
        expected.retain(|persons| seen.contains(persons) || !persons.iter().all(|p| seen.contains(&vec![*p])));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn no_limit_on_work_lets_a_release_pass(
        sets in proptest::collection::vec(releasable(3), 1..7),
        proof in 0u64..60, atoms in 0u64..60, unions in 0u64..60,
    ) {
        let bitmaps: Vec<RoaringBitmap> = sets.iter().map(|mask| set_of(*mask)).collect();
        let distinct = distinct(&bitmaps);
        let found = super::atoms::atoms(&distinct).unwrap();
        let limits = Limits { proof, atoms, unions };
        let span = examine(&found, u32::try_from(distinct.len()).unwrap(), 3, limits);
        match span {
            Span::Proven(_) => prop_assert!(isolated_by_brute_force(&sets, 3).is_empty()),
            Span::Isolated(_) => prop_assert!(!isolated_by_brute_force(&sets, 3).is_empty()),
            Span::Undecided => {}
        }
    }
}

#[test]
fn an_unfinished_first_stage_is_told() {
    // Every person is in 20 cells of both tables: 100 · 20 · 19 steps beyond one pass.
    let everybody_in = |cells: u32| {
        let cells = (0..cells).map(|_| (0..100).collect()).collect();
        LedgerTable { families: vec![Family { cells }], ..empty() }
    };
    let complete =
        |operations| pairwise::compare(&[everybody_in(20)], &everybody_in(20), 10, &mut Budget::new(operations)).1;
    assert!(!complete(2 * 38_000 - 1));
    assert!(complete(1_000_000));
}

#[test]
fn a_search_that_may_not_work_ends_undecided() {
    // a + b − c is person 20, as above.
    let sets: Vec<RoaringBitmap> = vec![(0..10).chain([20]).collect(), (10..20).collect(), (0..20).collect()];
    let sets: Vec<&RoaringBitmap> = sets.iter().collect();
    let found = super::atoms::atoms(&sets).unwrap();
    let person_20 = found.iter().position(|atom| atom.size == 1).unwrap();
    let isolated = Span::Isolated(vec![vec![u32::try_from(person_20).unwrap()]]);
    let none = Limits { proof: 0, atoms: 0, unions: 0 };
    assert_eq!(examine(&found, 3, 5, none), Span::Undecided);
    assert_eq!(examine(&found, 3, 5, Limits { atoms: 100, ..none }), isolated);
    assert_eq!(examine(&found, 3, 5, Limits { proof: 100, unions: 100, ..none }), isolated);
}

#[test]
fn a_series_too_large_to_search_leads_to_people() {
    // 1 300 sets in which every other person is, at random: the search would need 1 300³/12.
    let at_random = |table: u64| {
        let bit = |cell: u64, person: u32| {
            let mixed = (table << 48 ^ cell << 32 ^ u64::from(person)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 63 == 1
        };
        let cells = (0..100).map(|cell| (0..550).filter(|person| bit(cell, *person)).collect()).collect();
        LedgerTable { families: vec![Family { cells }], ..empty() }
    };
    let series: Vec<LedgerTable> = (0..12).map(at_random).collect();
    // With as many sets as persons everybody can be computed, be it only in theory.
    let found = judge_differencing(&series, &at_random(12), 10);
    assert!(!found.refused && found.proof.is_none());
    assert!(judge_differencing(&series[..5], &at_random(12), 10).refused, "within the limits it is found");
}

fn under(threshold: u32, cells: &[(u32, u32)]) -> LedgerTable {
    LedgerTable { threshold: Some(threshold), ..family(cells) }
}

#[test]
fn what_a_laxer_table_leaves_of_a_stricter_one_is_judged_by_the_stricter() {
    let strict = under(10, &[(0, 40)]);
    // One table: 40 − 33 persons; two: 40 − 20 − 13, which no pair of tables shows.
    assert!(judge_differencing(std::slice::from_ref(&strict), &under(5, &[(0, 33)]), 5).refused);
    let first = under(5, &[(0, 20)]);
    let earlier = [strict, first.clone()];
    assert!(!judge_differencing(&earlier[..1], &first, 5).refused);
    assert!(judge_differencing(&earlier, &under(5, &[(20, 33)]), 5).refused);
    assert!(!judge_differencing(&earlier, &under(5, &[(20, 30)]), 5).refused);
    // Under the laxer T alone seven persons are enough.
    let lax = [LedgerTable { threshold: None, ..earlier[0].clone() }, first];
    assert!(!judge_differencing(&lax, &under(5, &[(20, 33)]), 5).refused);
}

#[test]
fn the_own_small_cells_of_a_laxer_table_are_not_refused_for_a_stricter_one() {
    let strict = under(10, &[(0, 40), (40, 80)]);
    let found = judge_differencing(&[strict], &under(5, &[(20, 27), (35, 42), (100, 120)]), 5);
    assert!(!found.refused && found.proof.is_none(), "people look");
}

#[test]
fn an_entry_of_before_thresholds_were_kept_reads_and_writes_as_before() {
    let text = r#"{"release":"rel-1","lineage":{},"families":[]}"#;
    let table: LedgerTable = serde_json::from_str(text).unwrap();
    assert_eq!(table.threshold, None);
    assert_eq!(serde_json::to_string(&table).unwrap(), text);
}
