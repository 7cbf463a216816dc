//! An attacker who submits release after release and keeps every table he gets.
//!
//! Populations are tiny, so he can try every set of 1…T−1 persons: does the count of the
//! set follow from the counts of the tables? He eliminates over the persons themselves, in
//! plain fractions; nothing is shared with the engine.

use oscar_vetting::{AggregateKind, LedgerTable, Verdict, judge};
use proptest::prelude::*;

use crate::population::{Row, Statement, context, profile, text};

const PERSONS: u32 = 12;
const THRESHOLD: u32 = 3;

/// A query: a population (who fulfils the predicate) and a way to group.
fn query() -> impl Strategy<Value = (u32, u32)> {
    (0u32..1 << PERSONS, 1u32..4)
}

fn rows(population: u32, groups: u32) -> Vec<Row> {
    (0..PERSONS)
        .filter(|person| population >> person & 1 == 1)
        .map(|person| Row { person: Some(person), keys: vec![text(&(person % groups).to_string())], argument: None })
        .collect()
}

/// Integer row space by fraction-free elimination over persons.
struct RowSpace(Vec<Vec<i128>>);

impl RowSpace {
    fn of(sets: &[Vec<u32>]) -> Self {
        let mut space = Self(Vec::new());
        for set in sets {
            let left = space.reduce((0..PERSONS).map(|person| i128::from(set.contains(&person))).collect());
            if left.iter().any(|value| *value != 0) {
                space.0.push(left);
            }
        }
        space
    }

    fn reduce(&self, mut vector: Vec<i128>) -> Vec<i128> {
        for row in &self.0 {
            let pivot = row.iter().position(|value| *value != 0).unwrap();
            let (a, b) = (row[pivot], vector[pivot]);
            for (value, other) in vector.iter_mut().zip(row) {
                *value = *value * a - other * b;
            }
            let divisor = vector.iter().fold(0i128, |divisor, value| gcd(divisor, value.abs())).max(1);
            for value in &mut vector {
                *value /= divisor;
            }
        }
        vector
    }

    fn holds(&self, mask: u32) -> bool {
        self.reduce((0..PERSONS).map(|bit| i128::from(mask >> bit & 1)).collect()).iter().all(|value| *value == 0)
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What the automatic verdicts of a series of queries have published: the persons of every shown cell.
fn publish(queries: &[(u32, u32)]) -> Vec<LedgerTable> {
    let statement = Statement::by_open_key(&[AggregateKind::CountPersons]);
    let mut ledger = Vec::new();
    for (population, groups) in queries {
        let evidence = statement.evidence(&rows(*population, *groups));
        let judgement = judge(&evidence, &profile(THRESHOLD), &ledger, &context());
        if judgement.verdict == Verdict::Auto {
            // What is remembered is what is shown: the attacker gets exactly these rows.
            assert_eq!(judgement.released.sets().count(), judgement.table.rows.len());
            ledger.push(judgement.released);
        }
    }
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_series_of_automatic_releases_lets_anybody_compute_a_small_group(
        queries in proptest::collection::vec(query(), 1..8)
    ) {
        let ledger = publish(&queries);
        let sets: Vec<Vec<u32>> = ledger.iter().flat_map(LedgerTable::sets).map(|set| set.iter().collect()).collect();
        let space = RowSpace::of(&sets);
        let small = (1u32..1 << PERSONS).filter(|mask| mask.count_ones() < THRESHOLD);
        let computed: Vec<u32> = small.filter(|mask| space.holds(*mask)).collect();
        prop_assert!(computed.is_empty(), "{queries:?} publish {sets:?} and give away {computed:?}");
    }
}

#[test]
fn series_do_publish_something() {
    // Otherwise the attacker above would be fighting a wall.
    let everybody = (1 << PERSONS) - 1;
    assert_eq!(publish(&[(everybody, 2), (everybody, 2)]).len(), 2);
}
