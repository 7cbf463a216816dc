//! An attacker who has the whole engine to himself: he sends statement after statement,
//! keeps every table that comes out, and solves for single persons.
//!
//! The population is so small that he can try every group of 1…T−1 persons. What a shown
//! number is made of he knows exactly: how much each person adds to it, computed row by
//! row by a bare engine on a physically filtered copy, not by the code under test. He wins
//! when some linear combination of all numbers he was ever given depends on fewer than T
//! persons. He uses joins that multiply rows, unions, windows, subqueries, conditions inside
//! aggregates, totals, two permits with different row filters and two versions of the data.

use std::collections::BTreeSet;

use oscar_query::{PinnedVersions, QueryLimits, check, evidence_from_tables};
use oscar_vetting::{Evidence, Judgement, LedgerTable, ReviewReason, Verdict, judge, round_count};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::question::{Question, question};
use self::row_space::RowSpace;
use self::world::{PERSONS, View, context, profile};

mod question;
mod row_space;
mod world;

/// T, small as the population is.
const THRESHOLD: u32 = 3;

/// What one statement asks, and of which copy of the data.
#[derive(Debug, Clone)]
struct Ask {
    question: Question,
    view: View,
}

fn ask() -> impl Strategy<Value = Ask> {
    let view = (any::<bool>(), 1u64..=2).prop_map(|(filtered, version)| View { filtered, version });
    (question(), view).prop_map(|(question, view)| Ask { question, view })
}

/// Everything published so far: what the platform remembers and what the attacker does.
#[derive(Default)]
struct Game {
    ledger: Vec<LedgerTable>,
    numbers: Vec<Vec<u64>>,
    published: usize,
    refused_for_differencing: usize,
}

impl Game {
    async fn play(&mut self, ask: &Ask) {
        let Ask { question, view } = ask;
        let sql = question.statement();
        let catalog = view.catalog();
        let Ok(query) = check(&sql, &catalog) else { return };
        let versions = PinnedVersions(catalog.tables.keys().map(|table| (table.clone(), view.version)).collect());
        let limits = QueryLimits { threads: 2, ..QueryLimits::default() };
        let evidence = evidence_from_tables(&query, &catalog, &versions, &view.stored(), &limits).await;
        let evidence = evidence.unwrap_or_else(|error| panic!("{error}: {sql}"));
        let judgement = judge(&evidence, &profile(THRESHOLD), &self.ledger, &context());
        match &judgement.verdict {
            Verdict::Refused(findings) => {
                self.refused_for_differencing +=
                    usize::from(findings.iter().any(|finding| finding.rule.as_str() == "R7"));
                return;
            }
            Verdict::Review(reasons) if reasons.iter().any(needs_people_for_its_persons) => return,
            Verdict::Review(_) | Verdict::Auto => {}
        }
        let finished = query.finish(&judgement.table).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        assert!(finished.rows().num_rows() <= judgement.table.rows.len(), "{sql}");
        let numbers = attacked(question, view, &evidence, &judgement, &sql).await;
        self.published += 1;
        self.numbers.extend(numbers);
        self.ledger.push(judgement.released);
    }
}

/// Reasons that leave open whether few persons can be computed. The others (a group of
/// whom all are alike, a difference that is only just large enough) say nothing of that,
/// and the attacker is given such tables as if two stewards had waved them through.
fn needs_people_for_its_persons(reason: &ReviewReason) -> bool {
    match reason {
        ReviewReason::SpanUndecided
        | ReviewReason::RepeatedRows
        | ReviewReason::ComplementUnknown
        | ReviewReason::SumsAndMeans
        | ReviewReason::DistinctCount => true,
        ReviewReason::FirstOfRequester
        | ReviewReason::FirstOfDataset
        | ReviewReason::RandomDraw
        | ReviewReason::ManyCells
        | ReviewReason::GapBelowTwiceThreshold
        | ReviewReason::ClassDisclosure
        | ReviewReason::TaggedColumn(_)
        | ReviewReason::SecondUnitsUnknown
        | ReviewReason::StructuralZeroContradicted
        | ReviewReason::Statement(_) => false,
    }
}

/// For every number of the table how much each person adds to it. Also checks the number.
async fn attacked(
    question: &Question,
    view: &View,
    evidence: &Evidence,
    judgement: &Judgement,
    sql: &str,
) -> Vec<Vec<u64>> {
    let mut truth = Vec::new();
    for used in &evidence.grouping_sets {
        truth.push(view.contributions(question, used).await);
    }
    let mut numbers = Vec::new();
    for row in &judgement.table.rows {
        let key: Vec<Option<String>> = row.key.iter().map(oscar_vetting::KeyValue::canonical).collect();
        for (place, shown) in row.values.iter().enumerate() {
            let Some(shown) = shown else { continue };
            let by_person = truth[row.grouping_set].get(&key).map(|aggregates| aggregates[place].clone());
            let by_person = by_person.unwrap_or_else(|| panic!("{key:?} is shown and does not exist: {sql}"));
            let total: u64 = by_person.iter().sum();
            assert_eq!(shown.canonical(), round_count(total, 5).to_string(), "{key:?} of {sql}");
            let persons = by_person.iter().filter(|added| **added > 0).count();
            assert!(persons >= THRESHOLD as usize, "{key:?} shows {persons} persons: {sql}");
            numbers.push(by_person);
        }
    }
    numbers
}

fn run(cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let series = proptest::collection::vec(ask(), 1..9);
    let (published, refused) = (std::cell::Cell::new(0usize), std::cell::Cell::new(0usize));
    runner
        .run(&series, |asks| {
            let mut game = Game::default();
            runtime.block_on(async {
                for ask in &asks {
                    game.play(ask).await;
                }
            });
            published.set(published.get() + game.published);
            refused.set(refused.get() + game.refused_for_differencing);
            let space = RowSpace::of(&game.numbers, PERSONS);
            let groups: BTreeSet<Vec<usize>> = space.small_supports();
            let statements: Vec<String> =
                asks.iter().map(|ask| format!("{:?} {}", ask.view, ask.question.statement())).collect();
            prop_assert!(groups.is_empty(), "{groups:?} can be computed after\n{}", statements.join("\n"));
            Ok(())
        })
        .unwrap();
    // Otherwise the attacker would be fighting a wall.
    let (published, refused) = (published.get(), refused.get());
    assert!(published > cases as usize / 2 && refused > 0, "{published} tables published, {refused} refused");
}

#[test]
fn no_series_of_statements_lets_anybody_compute_a_number_about_few_persons() {
    run(100);
}
