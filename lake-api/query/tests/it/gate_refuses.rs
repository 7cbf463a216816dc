//! The attack corpus: every statement here must be refused, with exactly this code.

use std::collections::BTreeSet;

use oscar_query::{RefusalCode, check};

use crate::fixture::catalog;

/// (statement, code). Grouped as the design's table of nodes.
const CORPUS: &[(&str, &str)] = &[
    // Statements that are no query.
    ("COPY resident TO 'x.csv'", "statement-refused"),
    ("SET datafusion.execution.batch_size = 1", "statement-refused"),
    ("EXPLAIN SELECT count(*) FROM resident", "statement-refused"),
    ("EXPLAIN ANALYZE SELECT count(*) FROM resident", "statement-refused"),
    ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "statement-refused"),
    ("CREATE TABLE t AS SELECT * FROM resident", "statement-refused"),
    ("CREATE VIEW v AS SELECT 1", "statement-refused"),
    ("INSERT INTO resident SELECT * FROM resident", "statement-refused"),
    ("DELETE FROM resident", "statement-refused"),
    ("UPDATE resident SET age = 1", "statement-refused"),
    ("DROP TABLE resident", "statement-refused"),
    ("SHOW TABLES", "statement-refused"),
    ("SHOW ALL", "statement-refused"),
    ("DESCRIBE resident", "statement-refused"),
    ("PREPARE p AS SELECT 1", "statement-refused"),
    ("BEGIN", "statement-refused"),
    ("(DELETE FROM resident)", "query-form-refused"),
    ("WITH x AS (DELETE FROM resident RETURNING *) SELECT count(*) FROM x", "query-form-refused"),
    ("", "not-one-statement"),
    (";", "not-one-statement"),
    ("-- nothing", "not-one-statement"),
    ("SELECT count(*) FROM resident; SELECT count(*) FROM resident", "not-one-statement"),
    ("SELECT count(*) FROM resident; DROP TABLE resident", "not-one-statement"),
    ("SELECT count( FROM resident", "syntax-error"),
    ("SELECT 'unclosed", "syntax-error"),
    ("SELECT count(*) INTO t FROM resident", "query-form-refused"),
    ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", "query-form-refused"),
    ("SELECT count(*) FROM resident TABLESAMPLE BERNOULLI (10)", "query-form-refused"),
    ("SELECT count(*) FROM resident, LATERAL (SELECT 1) AS x", "query-form-refused"),
    ("SELECT unnest(make_array(1, 2))", "query-form-refused"),
    // What is not permitted does not exist.
    ("SELECT count(*) FROM nothing", "table-not-found"),
    ("SELECT count(*) FROM other.resident", "table-not-found"),
    ("SELECT count(*) FROM information_schema.tables", "table-not-found"),
    ("SELECT count(*) FROM datafusion.population.resident", "table-not-found"),
    ("SELECT count(*) FROM 'file.parquet'", "table-not-found"),
    ("SELECT count(*) FROM generate_series(1, 10)", "query-form-refused"),
    ("SELECT sum(salary) FROM resident", "column-not-found"),
    ("SELECT sum(nonsense) FROM resident", "column-not-found"),
    ("SELECT count(*) FROM resident WHERE __oscar_person > 1", "name-refused"),
    ("SELECT \"__oscar_person\", count(*) FROM resident GROUP BY 1", "name-refused"),
    // Names and literals as carriers of data.
    ("SELECT count(*) AS \"Anna Jensen\" FROM resident", "name-refused"),
    ("SELECT count(*) AS n12345 FROM resident", "name-refused"),
    ("SELECT count(*) AS a_name_that_is_so_long_that_it_could_carry_quite_some_data FROM resident", "name-refused"),
    ("SELECT count(*) AS n FROM resident x20240131", "name-refused"),
    ("WITH c123456 AS (SELECT * FROM resident) SELECT count(*) FROM c123456", "name-refused"),
    ("SELECT count(*) FROM resident WHERE region = 1 -- 010190-1234", "person-number-in-text"),
    ("SELECT count(*) FROM resident /* 0101901234 */", "person-number-in-text"),
    ("SELECT count(*) FROM resident WHERE sex = '010190-1234'", "person-number-in-text"),
    ("SELECT count(*) FROM resident WHERE sex = U&'\\0030101901234'", "person-number-in-text"),
    ("SELECT count(*) FROM resident WHERE age = $1", "expression-refused"),
    ("SELECT count(*) FROM resident WHERE age = ?", "expression-refused"),
    // Row-level results.
    ("SELECT * FROM resident", "row-level-result"),
    ("SELECT person_id FROM resident", "row-level-result"),
    ("SELECT region FROM resident WHERE age = 40", "row-level-result"),
    ("SELECT person_id, count(*) FROM contact GROUP BY person_id", "row-level-result"),
    ("SELECT DISTINCT person_id FROM resident", "row-level-result"),
    ("SELECT row_number() OVER (PARTITION BY person_id ORDER BY started) FROM contact", "row-level-result"),
    ("SELECT 1", "no-person-data"),
    ("SELECT count(*) FROM region", "no-person-data"),
    ("VALUES (1)", "no-person-data"),
    // Sort and limit below the boundary.
    ("SELECT avg(income) FROM (SELECT * FROM resident LIMIT 1) AS x", "limit-before-aggregation"),
    ("SELECT avg(income) FROM (SELECT * FROM resident OFFSET 5) AS x", "limit-before-aggregation"),
    ("SELECT * FROM resident ORDER BY income DESC LIMIT 1", "order-before-aggregation"),
    ("SELECT region, count(*) FROM resident GROUP BY region LIMIT 1 + 1", "limit-not-literal"),
    // The person key.
    ("SELECT count(*) FROM resident WHERE person_id = 'a'", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE person_id > 'a'", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE person_id IN ('a', 'b')", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE person_id LIKE 'a%'", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE 'a' LIKE CAST(age AS VARCHAR)", "expression-refused"),
    ("SELECT count(*) FROM resident WHERE sex LIKE concat('a', '%')", "expression-refused"),
    (
        "SELECT sex, count(*) AS n FROM (SELECT person_id, sex, avg(CAST(age AS DECIMAL(38,0))) AS a FROM resident GROUP BY person_id, sex) AS t GROUP BY sex",
        "aggregate-type-refused",
    ),
    (
        "SELECT count(*) AS n FROM (SELECT sum(CAST(age AS DECIMAL(38,0))) OVER (PARTITION BY person_id) AS a FROM resident) AS t WHERE a > 0",
        "aggregate-type-refused",
    ),
    ("SELECT count(*) FROM resident WHERE left(person_id, 1) = 'a'", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE character_length(person_id) = 3", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE person_id BETWEEN 'a' AND 'b'", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE person_id IS NULL", "person-key-misused"),
    ("SELECT count(*) FROM resident WHERE person_id IN (SELECT title FROM region)", "person-key-misused"),
    ("SELECT left(person_id, 1) AS k, count(*) FROM resident GROUP BY left(person_id, 1)", "person-key-misused"),
    ("SELECT k, count(*) FROM (SELECT person_id || 'x' AS k FROM resident) AS t GROUP BY k", "person-key-misused"),
    (
        "SELECT k, count(*) FROM (SELECT CASE WHEN person_id = 'a' THEN 1 ELSE 0 END AS k FROM resident) AS t GROUP BY k",
        "person-key-misused",
    ),
    (
        "WITH renamed AS (SELECT person_id AS thing FROM resident) SELECT count(*) FROM renamed WHERE thing = 'a'",
        "person-key-misused",
    ),
    (
        "SELECT count(*) FROM (SELECT person_id AS p FROM resident UNION ALL SELECT person_id FROM contact) AS u WHERE p < 'c'",
        "person-key-misused",
    ),
    ("SELECT coalesce(person_id, 'none') AS k, count(*) FROM resident GROUP BY 1", "person-key-misused"),
    ("SELECT count(*) FILTER (WHERE person_id = 'a') FROM resident", "person-key-misused"),
    (
        "SELECT k, count(*) FROM (SELECT max(person_id) AS k FROM contact GROUP BY person_id) AS t GROUP BY k",
        "person-key-misused",
    ),
    ("SELECT max(person_id) FROM contact", "aggregate-refused"),
    // A NULL key of an outer join would gather many persons under one key.
    (
        "SELECT count(*) FROM (SELECT c.person_id, sum(r.age) AS s FROM resident r LEFT JOIN contact c ON r.person_id = c.person_id GROUP BY c.person_id) AS t",
        "person-key-misused",
    ),
    // Aggregates.
    ("SELECT min(age) FROM resident", "aggregate-refused"),
    ("SELECT max(income) FROM resident", "aggregate-refused"),
    ("SELECT array_agg(age) FROM resident", "aggregate-refused"),
    ("SELECT string_agg(sex, ',') FROM resident", "aggregate-refused"),
    ("SELECT first_value(age) FROM resident", "aggregate-refused"),
    ("SELECT last_value(age ORDER BY income) FROM resident", "aggregate-refused"),
    ("SELECT nth_value(age, 2) FROM resident", "aggregate-refused"),
    ("SELECT bit_xor(age) FROM resident", "aggregate-refused"),
    ("SELECT bool_and(age > 1) FROM resident", "aggregate-refused"),
    ("SELECT approx_distinct(age) FROM resident", "aggregate-refused"),
    ("SELECT approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY age) FROM resident", "aggregate-refused"),
    ("SELECT stddev(income) FROM resident", "statistic-not-yet-available"),
    ("SELECT var_pop(income) FROM resident", "statistic-not-yet-available"),
    ("SELECT median(income) FROM resident", "statistic-not-yet-available"),
    ("SELECT corr(income, age) FROM resident", "statistic-not-yet-available"),
    ("SELECT regr_slope(income, age) FROM resident", "statistic-not-yet-available"),
    ("SELECT sum(DISTINCT income) FROM resident", "aggregate-form-refused"),
    ("SELECT avg(DISTINCT income) FROM resident", "aggregate-form-refused"),
    ("SELECT count(sex, region) FROM resident", "aggregate-form-refused"),
    ("SELECT sum(income ORDER BY age) FROM resident", "aggregate-form-refused"),
    ("SELECT avg(born) FROM resident", "not-understood"),
    ("SELECT note, count(*) FROM resident GROUP BY note", "free-text-key"),
    ("SELECT left(note, 5) AS k, count(*) FROM resident GROUP BY 1", "free-text-key"),
    ("SELECT DISTINCT note FROM resident", "free-text-key"),
    // Several boundaries.
    ("SELECT count(*) FROM (SELECT region, count(*) AS n FROM resident GROUP BY region) AS t", "several-aggregations"),
    ("SELECT max(n) FROM (SELECT region, count(*) AS n FROM resident GROUP BY region) AS t", "several-aggregations"),
    (
        "SELECT DISTINCT n FROM (SELECT region, count(*) AS n FROM resident GROUP BY region) AS t",
        "several-aggregations",
    ),
    ("SELECT count(*) FROM (SELECT DISTINCT region FROM resident) AS t", "several-aggregations"),
    ("SELECT count(*) FROM resident UNION ALL SELECT count(*) FROM contact", "combines-results"),
    (
        "SELECT a.n, b.n FROM (SELECT count(*) AS n FROM resident) AS a CROSS JOIN (SELECT count(*) AS n FROM contact) AS b",
        "several-aggregations",
    ),
    (
        "SELECT r.region, t.n FROM resident r JOIN (SELECT region, count(*) AS n FROM resident GROUP BY region) AS t ON r.region = t.region",
        "combines-results",
    ),
    ("SELECT count(*) FROM resident WHERE age > (SELECT avg(age) FROM resident)", "combines-results"),
    (
        "SELECT count(*) FROM resident WHERE region IN (SELECT region FROM resident GROUP BY region HAVING count(*) > 5)",
        "combines-results",
    ),
    // Joins.
    ("SELECT count(*) FROM resident r JOIN contact c ON r.region = c.days", "join-without-person-key"),
    ("SELECT count(*) FROM resident r CROSS JOIN contact c", "join-without-person-key"),
    ("SELECT count(*) FROM resident r, contact c WHERE r.person_id = c.person_id", "join-without-person-key"),
    ("SELECT count(*) FROM resident r JOIN contact c ON r.person_id <> c.person_id", "person-key-misused"),
    ("SELECT count(*) FROM resident r JOIN contact c ON r.person_id = c.person_id OR r.age = 1", "person-key-misused"),
    ("SELECT count(*) FROM resident r JOIN contact c ON r.person_id = c.diagnosis", "person-key-misused"),
    ("SELECT count(*) FROM resident r JOIN region g ON r.person_id = g.title", "person-key-misused"),
    ("SELECT count(*) FROM resident r JOIN resident s ON r.person_id = r.person_id", "person-key-misused"),
    ("SELECT count(*) FROM region g LEFT JOIN resident r ON r.region = g.code", "join-preserves-reference"),
    ("SELECT count(*) FROM resident r RIGHT JOIN region g ON r.region = g.code", "join-preserves-reference"),
    ("SELECT count(*) FROM resident r FULL JOIN region g ON r.region = g.code", "join-preserves-reference"),
    ("SELECT title FROM region g LEFT ANTI JOIN resident r ON r.region = g.code", "join-preserves-reference"),
    // Subqueries.
    ("SELECT title FROM region g WHERE EXISTS (SELECT 1 FROM resident r WHERE r.region = g.code)", "subquery-refused"),
    ("SELECT count(*) FROM resident WHERE region IN (SELECT region FROM resident WHERE age = 40)", "subquery-refused"),
    ("SELECT count(*) FROM resident r WHERE EXISTS (SELECT 1 FROM contact c WHERE c.days = r.age)", "subquery-refused"),
    ("SELECT count(*) FROM resident r WHERE EXISTS (SELECT 1 FROM contact c)", "subquery-refused"),
    (
        "SELECT count(*) FROM resident r WHERE EXISTS (SELECT 1 FROM contact c WHERE c.person_id = r.person_id OR c.days = 1)",
        "person-key-misused",
    ),
    ("SELECT count(*) FROM resident WHERE age = (SELECT age FROM resident)", "subquery-refused"),
    ("SELECT count(*) FROM resident WHERE age > ALL (SELECT age FROM resident)", "subquery-refused"),
    ("SELECT count(*) FROM resident WHERE person_id IN (SELECT diagnosis FROM contact)", "subquery-refused"),
    (
        "SELECT region, (SELECT count(*) FROM contact) AS n, count(*) FROM resident GROUP BY region",
        "result-expression-refused",
    ),
    // Unions and windows.
    (
        "SELECT count(*) FROM (SELECT person_id AS k FROM resident UNION ALL SELECT diagnosis FROM contact) AS u",
        "union-of-different-units",
    ),
    (
        "SELECT count(*) FROM (SELECT region AS k FROM resident UNION ALL SELECT code FROM region) AS u",
        "union-of-different-units",
    ),
    ("SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY age) AS n FROM resident) AS w", "window-without-person"),
    (
        "SELECT count(*) FROM (SELECT lag(age) OVER (PARTITION BY region ORDER BY age) AS n FROM resident) AS w",
        "window-without-person",
    ),
    (
        "SELECT count(*) FROM (SELECT ntile(4) OVER (PARTITION BY person_id) AS n FROM resident) AS w",
        "function-not-allowed",
    ),
    ("SELECT region, sum(count(*)) OVER () AS n FROM resident GROUP BY region", "result-expression-refused"),
    ("SELECT DISTINCT ON (region) region, age FROM resident", "plan-node-refused"),
    // Functions and expressions.
    ("SELECT count(*) FROM resident WHERE random() < 0.5", "function-not-allowed"),
    ("SELECT now(), count(*) FROM resident", "function-not-allowed"),
    ("SELECT count(*) FROM resident WHERE born < current_date", "column-not-found"),
    ("SELECT version()", "function-not-allowed"),
    ("SELECT md5(sex) AS k, count(*) FROM resident GROUP BY 1", "function-not-allowed"),
    ("SELECT arrow_typeof(sex) AS k, count(*) FROM resident GROUP BY 1", "function-not-allowed"),
    ("SELECT count(*) FROM resident WHERE regexp_like(sex, 'f')", "function-not-allowed"),
    ("SELECT count(*) FROM resident WHERE sex ~ 'f'", "expression-refused"),
    ("SELECT count(*) FROM resident WHERE sex SIMILAR TO 'f'", "expression-refused"),
    ("SELECT count(*) FROM resident WHERE age & 1 = 1", "expression-refused"),
    ("SELECT count(*) FROM resident WHERE CAST(sex AS BYTEA) IS NULL", "cast-refused"),
    ("SELECT @@version, count(*) FROM resident", "name-refused"),
    // Expressions over results.
    ("SELECT region, coalesce(count(*), 0) AS n FROM resident GROUP BY region", "result-expression-refused"),
    (
        "SELECT region, CASE WHEN count(*) IS NULL THEN 0 ELSE count(*) END AS n FROM resident GROUP BY region",
        "result-expression-refused",
    ),
    ("SELECT region + 1 AS r, count(*) AS n FROM resident GROUP BY region", "result-expression-refused"),
    (
        "SELECT region, count(*) AS n, grouping(region) AS g FROM resident GROUP BY ROLLUP (region)",
        "result-expression-refused",
    ),
    (
        "SELECT region, count(*) AS n FROM resident GROUP BY region HAVING coalesce(count(*), 0) = 0",
        "result-expression-refused",
    ),
    ("SELECT region, count(*) AS n FROM resident GROUP BY GROUPING SETS ((region), (region))", "grouping-refused"),
    (
        "SELECT count(*) FROM (SELECT person_id, sex FROM resident GROUP BY ROLLUP (person_id, sex)) AS t",
        "person-key-misused",
    ),
    ("SELECT region AS a, sex AS a, count(*) AS n FROM resident GROUP BY region, sex", "not-understood"),
    (
        "SELECT r.sex, s.sex, count(*) AS n FROM resident r JOIN resident s ON r.person_id = s.person_id GROUP BY r.sex, s.sex",
        "duplicate-column",
    ),
    (
        "SELECT count(*) FROM resident GROUP BY CUBE (sex, region, parish, age, income, born, sex || 'a', sex || 'b', sex || 'c', sex || 'd', sex || 'e', sex || 'f', sex || 'g')",
        "too-many-columns",
    ),
    // Sets that are multiplied out before a plan can be looked at.
    (
        "SELECT count(*) FROM resident GROUP BY CUBE (sex, region, parish), ROLLUP (age, income, born, region + 1, age + 1, age + 2, age + 3, age + 4)",
        "too-many-columns",
    ),
    (
        "SELECT count(*) FROM (SELECT person_id FROM resident GROUP BY person_id, CUBE (sex, region, parish), GROUPING SETS ((income), (born), (age), (income, born), (income, age), (born, age), (sex), (region), (parish))) AS t",
        "too-many-columns",
    ),
];

fn refusal(sql: &str) -> oscar_query::GateRefusal {
    match check(sql, &catalog()) {
        Err(refusal) => refusal,
        Ok(checked) => panic!("allowed: {sql}\n{}", checked.plan_text),
    }
}

#[test]
fn every_attack_is_refused_with_its_code() {
    let mut wrong = Vec::new();
    for (sql, code) in CORPUS {
        match check(sql, &catalog()) {
            Ok(_) => wrong.push(format!("ALLOWED instead of {code}: {sql}")),
            Err(refusal) if refusal.code.as_str() != *code => {
                wrong.push(format!("{} instead of {code} ({}): {sql}", refusal.code, refusal.place));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Statements too large to be written down.
fn generated() -> Vec<(String, &'static str)> {
    let terms = vec!["age"; 20_000].join(" + ");
    let ors = (0..900).map(|n| format!("age={n}")).collect::<Vec<_>>().join(" OR ");
    let list = (0..300).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let chain = vec!["age"; 300].join(" + ");
    let nested = format!("SELECT sum({}age{}) FROM resident", "(".repeat(50), ")".repeat(50));
    let queries = format!("SELECT count(*) FROM {}resident{}", "(SELECT * FROM ".repeat(50), ")".repeat(50));
    let nots = format!("SELECT count(*) FROM resident WHERE {} age = 1", "NOT ".repeat(1500));
    let minus = format!("SELECT sum({}age) FROM resident", "- ".repeat(1500));
    let cases = format!("SELECT sum({}1{}) FROM resident", "CASE WHEN age=1 THEN ".repeat(60), " END".repeat(60));
    let aggregates = (0..40).map(|n| format!("sum(age + {n}) AS n{n}")).collect::<Vec<_>>().join(", ");
    let names = (0..150).map(|n| format!("age AS n{n}")).collect::<Vec<_>>().join(", ");
    let link = |n: usize| format!(", c{n} AS (SELECT a.age FROM c{0} AS a JOIN c{0} AS b ON a.age = b.age)", n - 1);
    let multiplied =
        format!("SELECT count(*) FROM resident GROUP BY CUBE (sex, region, age, born){}", ", age".repeat(1900));
    let doubling = (1..40).map(link).collect::<Vec<_>>().concat();
    vec![
        (multiplied, "too-many-columns"),
        (format!("WITH c0 AS (SELECT age FROM resident){doubling} SELECT count(*) FROM c39"), "too-many-tables"),
        (format!("SELECT count(*) FROM resident WHERE sex = '{}'", "x".repeat(1 << 20)), "text-too-long"),
        (format!("SELECT sum({terms}) FROM resident"), "text-too-long"),
        (format!("SELECT sum({}) FROM resident", vec!["age"; 5_000].join("+")), "too-many-tokens"),
        (format!("SELECT sum({chain}) FROM resident"), "nested-too-deep"),
        (format!("SELECT count(*) FROM resident WHERE {ors}"), "too-many-literals"),
        (format!("SELECT count(*) FROM resident WHERE age IN ({list})"), "too-many-literals"),
        (format!("SELECT count(*) FROM resident WHERE sex LIKE '{}'", "_".repeat(201)), "pattern-too-long"),
        (format!("SELECT count(*) FROM resident WHERE sex NOT ILIKE '%{}'", "a".repeat(200)), "pattern-too-long"),
        (nested, "nested-too-deep"),
        (queries, "nested-too-deep"),
        (nots, "nested-too-deep"),
        (minus, "nested-too-deep"),
        (cases, "nested-too-deep"),
        (format!("SELECT {aggregates} FROM resident"), "too-many-columns"),
        (format!("SELECT count(*) FROM (SELECT {names} FROM resident) AS t"), "name-refused"),
    ]
}

#[test]
fn statements_without_measure_are_refused_and_crash_nothing() {
    for (sql, code) in generated() {
        assert_eq!(refusal(&sql).code.as_str(), code, "{}…", &sql[..80]);
    }
}

/// Codes that no SQL text can reach: they guard against a planner that changes.
const UNREACHABLE: &[RefusalCode] = &[RefusalCode::LineageUnknown, RefusalCode::AggregateTypeRefused];

#[test]
fn every_refusal_code_is_reached_by_an_attack() {
    let mut reached: BTreeSet<&str> = CORPUS.iter().map(|(_, code)| *code).collect();
    reached.extend(generated().iter().map(|(_, code)| *code));
    let missing: Vec<_> = RefusalCode::ALL
        .iter()
        .filter(|code| !UNREACHABLE.contains(code) && !reached.contains(code.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_refusal_never_repeats_the_statement() {
    let secrets = ["zebra", "4711", "quagga"];
    let statements = [
        "SELECT count(*) FROM resident WHERE zebra = 4711",
        "SELECT count(*) FROM zebra",
        "SELECT zebra(age) FROM resident",
        "SELECT count(*) FROM resident WHERE sex = 'zebra' + 4711",
        "SELECT count(*) FROM resident WHERE born = 'quagga'::zebra",
        "SELECT zebra 4711 quagga FROM",
        "SELECT min(age) AS zebra FROM resident WHERE sex <> 'quagga'",
        "SELECT CAST('quagga' AS BYTEA), count(*) FROM resident",
    ];
    for sql in statements {
        let refusal = refusal(sql);
        let said = format!("{refusal} {refusal:?} {}", serde_json::to_string(&refusal).unwrap());
        for secret in secrets {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn what_is_not_permitted_looks_exactly_like_what_does_not_exist() {
    assert_eq!(refusal("SELECT sum(salary) FROM resident"), refusal("SELECT sum(nonsens) FROM resident"));
    let mut without = catalog();
    without.tables.retain(|table, _| table.table.as_str() != "contact");
    let hidden = check("SELECT count(*) FROM contacts.contact", &without).unwrap_err();
    let absent = check("SELECT count(*) FROM contacts.nothing", &without).unwrap_err();
    assert_eq!(hidden, absent);
}
