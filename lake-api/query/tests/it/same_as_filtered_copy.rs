//! Results must equal those of a bare engine on a physically filtered copy. Where that fails on a
//! row the guarded engine does not: a failure would be an answer.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use oscar_query::QueryError;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::data::{bare_engine, evidence, unvetted};
use crate::gate_allows::CORPUS;

/// Rows as text, sorted, with numbers cut to nine digits.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let fields = columns.iter().map(|column| {
                let text = column.value(row).to_string();
                text.parse::<f64>().map_or(text, |number| format!("{number:.6e}"))
            });
            lines.push(fields.collect::<Vec<_>>().join(" | "));
        }
    }
    lines.sort();
    lines
}

async fn guarded(sql: &str) -> Result<Vec<String>, QueryError> {
    let (query, evidence) = evidence(sql).await?;
    oscar_vetting::check_evidence(&evidence).unwrap_or_else(|error| panic!("{error}: {sql}"));
    let finished = query.finish(&unvetted(&evidence)).await.map_err(|_| QueryError::ExecutionFailed)?;
    Ok(lines(&[finished.rows().clone()]))
}

async fn bare(sql: &str) -> Result<Vec<String>, ()> {
    let frame = bare_engine(false).sql(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    frame.collect().await.map(|batches| lines(&batches)).map_err(|_| ())
}

fn assert_same(sql: &str, guarded: Result<Vec<String>, QueryError>, bare: Result<Vec<String>, ()>) {
    match (guarded, bare) {
        (Ok(guarded), Ok(bare)) => assert_eq!(guarded, bare, "{sql}"),
        (Ok(_), Err(())) => {}
        (guarded, bare) => panic!("guarded {guarded:?}\nbare {bare:?}\n{sql}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyday_statistics_have_the_results_of_the_bare_engine() {
    for sql in CORPUS {
        assert_same(sql, guarded(sql).await, bare(sql).await);
    }
}

/// Statements that would fail on a hidden row (age 0, sex "no number").
const POISONED: &[&str] = &[
    "SELECT sum(1000 / age) AS s FROM resident",
    "SELECT count(*) AS n FROM resident WHERE 1000 / age > 10",
    "SELECT count(*) AS n FROM resident WHERE 1000 / age > 10 AND region <> 2",
    "SELECT 1000 / age AS k, count(*) AS n FROM resident GROUP BY 1",
    "SELECT count(*) FILTER (WHERE 1000 % age = 0) AS n FROM resident",
    "SELECT r.region, count(*) AS n FROM resident r JOIN contact c ON r.person_id = c.person_id AND 1000 / r.age > c.days GROUP BY r.region",
    "SELECT count(*) AS n FROM contact WHERE person_id IN (SELECT person_id FROM resident WHERE 1000 / age > 10)",
    "SELECT count(*) AS n FROM contact c WHERE EXISTS (SELECT 1 FROM resident r WHERE r.person_id = c.person_id AND 1000 / r.age > 10)",
    "SELECT q, count(*) AS n FROM (SELECT person_id, max(1000 / age) AS q FROM resident GROUP BY person_id) AS t GROUP BY q",
    "SELECT count(*) AS n FROM resident WHERE CASE WHEN age > 0 THEN 1000 / age ELSE 0 END > 20",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_the_permit_hides_cause_no_error() {
    for sql in POISONED {
        let result = guarded(sql).await;
        assert!(result.is_ok(), "{result:?} {sql}");
        assert_same(sql, result, bare(sql).await);
    }
}

/// Statements that fail on visible rows of the bare engine.
const FAILING: &[&str] = &[
    "SELECT sum(1 / (age - age)) AS s FROM resident",
    "SELECT count(*) AS n FROM resident WHERE 1 / (region - 2) > 0",
    "SELECT sum(CAST(sex AS BIGINT)) AS s FROM resident",
    "SELECT count(*) AS n FROM resident WHERE CAST(sex AS BIGINT) > 0",
    "SELECT sum(n) AS s FROM (SELECT person_id, sum(1 / (days - 3)) AS n FROM contact GROUP BY person_id) AS t",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_on_a_row_of_the_bare_engine_does_not_fail_here() {
    for sql in FAILING {
        let result = guarded(sql).await;
        assert!(result.is_ok(), "{result:?} {sql}");
        assert_eq!(bare(sql).await, Err(()), "{sql}");
    }
}

/// Random predicates and keys, many of them failing on hidden rows or on visible ones.
fn statement() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("age".to_owned()),
        Just("region".to_owned()),
        (0i64..40).prop_map(|n| n.to_string()),
        Just("1000 / age".to_owned()),
        Just("100 / (region - 2)".to_owned()),
        Just("100 / nullif(region - 2, 0)".to_owned()),
        Just("CAST(income AS BIGINT)".to_owned()),
        Just("date_part('year', born)".to_owned()),
    ];
    let comparison = (number.clone(), prop_oneof![Just("<"), Just("="), Just(">="), Just("<>")], number.clone())
        .prop_map(|(left, op, right)| format!("{left} {op} {right}"));
    let predicate = prop_oneof![
        comparison.clone(),
        (comparison.clone(), comparison.clone()).prop_map(|(one, two)| format!("({one}) AND ({two})")),
        (comparison.clone(), comparison.clone()).prop_map(|(one, two)| format!("({one}) OR NOT ({two})")),
        Just("sex = 'f'".to_owned()),
        Just("income IS NULL".to_owned()),
    ];
    // A bare number would be the place of a column in the select list.
    let key = proptest::sample::select(vec![
        "sex",
        "region",
        "age / 20",
        "1000 / age",
        "100 / nullif(region - 2, 0)",
        "100 / (region - 2)",
        "date_part('year', born)",
    ]);
    let value = prop_oneof![
        Just("count(*)".to_owned()),
        Just("count(DISTINCT person_id)".to_owned()),
        Just("count(DISTINCT parish)".to_owned()),
        Just("avg(income)".to_owned()),
        number.prop_map(|number| format!("sum({number})")),
        predicate.clone().prop_map(|filter| format!("count(income) FILTER (WHERE {filter})")),
    ];
    (key, value.clone(), value, predicate).prop_map(|(key, one, two, filter)| {
        format!("SELECT {key} AS k, {one} AS a, {two} AS b FROM resident WHERE {filter} GROUP BY {key}")
    })
}

#[test]
fn random_statements_cannot_be_told_from_the_filtered_copy() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
    runner
        .run(&statement(), |sql| {
            let (guarded, bare) = runtime.block_on(async { (guarded(&sql).await, bare(&sql).await) });
            assert_same(&sql, guarded, bare);
            Ok(())
        })
        .unwrap();
}
