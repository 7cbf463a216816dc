//! What a researcher needs must pass, with the outline the rest of the platform expects.

use oscar_permit::ColumnTag;
use oscar_query::{CheckedQuery, OutputRole, ReviewFlag, check};

use crate::fixture::catalog;

pub(crate) const CORPUS: &[&str] = &[
    "SELECT count(*) FROM resident",
    "SELECT count(*) AS n FROM population.resident",
    "select REGION, COUNT(*) as n from Resident group by region",
    "SELECT region, sex, count(*) AS n, count(DISTINCT person_id) AS persons FROM resident GROUP BY region, sex",
    "SELECT region, avg(income) AS mean, sum(income) AS total FROM resident GROUP BY region",
    "SELECT region, count(income) AS known FROM resident GROUP BY region",
    "SELECT count(person_id) AS n FROM resident",
    "SELECT region, count(*) FILTER (WHERE age >= 65) AS old FROM resident GROUP BY region",
    "SELECT region, sum(CASE WHEN sex = 'f' THEN 1 ELSE 0 END) AS women FROM resident GROUP BY region",
    "SELECT age / 10 * 10 AS decade, count(*) AS n FROM resident GROUP BY age / 10 * 10 ORDER BY decade",
    "SELECT date_part('year', born) AS year, count(*) AS n FROM resident GROUP BY 1 ORDER BY 1 DESC LIMIT 5",
    "SELECT date_trunc('month', started) AS month, count(*) AS n FROM contact GROUP BY 1",
    "SELECT DISTINCT region, sex FROM resident",
    "SELECT region FROM resident GROUP BY region",
    "SELECT region, sex, count(*) AS n FROM resident GROUP BY ROLLUP (region, sex)",
    "SELECT region, sex, count(*) AS n FROM resident GROUP BY CUBE (region, sex)",
    "SELECT region, sex, count(*) AS n FROM resident GROUP BY GROUPING SETS ((region), (sex), ())",
    "SELECT region, count(*) AS n FROM resident GROUP BY region HAVING count(*) >= 100 ORDER BY n DESC",
    "SELECT region, sum(income) / count(*) AS per_head, round(avg(age), 1) AS age FROM resident GROUP BY region",
    "SELECT r.sex, count(*) AS n FROM resident r JOIN contact c ON r.person_id = c.person_id GROUP BY r.sex",
    "SELECT r.sex, count(*) AS n FROM resident r JOIN contact c USING (person_id) GROUP BY r.sex",
    "SELECT r.sex, count(DISTINCT c.person_id) AS n FROM resident r LEFT JOIN contact c ON r.person_id = c.person_id AND c.days > 3 GROUP BY r.sex",
    "SELECT g.title, count(*) AS n FROM resident r JOIN region g ON r.region = g.code GROUP BY g.title",
    "SELECT g.title, count(*) AS n FROM resident r LEFT JOIN region g ON r.region = g.code GROUP BY g.title",
    "SELECT count(*) AS n FROM resident r FULL JOIN contact c ON r.person_id = c.person_id",
    "SELECT count(*) AS n FROM resident r LEFT SEMI JOIN contact c ON r.person_id = c.person_id",
    "SELECT count(*) AS n FROM resident WHERE person_id IN (SELECT person_id FROM contact WHERE days > 3)",
    "SELECT count(*) AS n FROM resident WHERE person_id NOT IN (SELECT person_id FROM contact)",
    "SELECT count(*) AS n FROM resident WHERE person_id IN (SELECT person_id FROM contact GROUP BY person_id HAVING count(*) >= 2)",
    "SELECT count(*) AS n FROM resident r WHERE EXISTS (SELECT 1 FROM contact c WHERE c.person_id = r.person_id AND c.days > 3)",
    "SELECT count(*) AS n FROM resident r WHERE NOT EXISTS (SELECT 1 FROM contact c WHERE c.person_id = r.person_id)",
    "SELECT count(*) AS n FROM resident WHERE region IN (SELECT code FROM region WHERE title LIKE 'N%')",
    "SELECT count(*) AS n FROM resident WHERE region = (SELECT max(code) FROM region)",
    "SELECT count(*) AS n FROM resident WHERE person_id IS NOT NULL",
    "SELECT visits, count(*) AS persons FROM (SELECT person_id, count(*) AS visits FROM contact GROUP BY person_id) AS p GROUP BY visits",
    "WITH first AS (SELECT person_id, min(started) AS day FROM contact GROUP BY person_id) SELECT date_part('year', day) AS year, count(*) AS n FROM first GROUP BY 1",
    "WITH c AS (SELECT person_id, row_number() OVER (PARTITION BY person_id ORDER BY started, days) AS nr, days FROM contact) SELECT nr, avg(days) AS mean FROM c WHERE nr <= 3 GROUP BY nr",
    "SELECT count(DISTINCT person_id) AS n FROM (SELECT person_id FROM resident UNION ALL SELECT person_id FROM contact) AS u",
    "SELECT count(*) AS n FROM (SELECT person_id FROM resident UNION SELECT person_id FROM contact) AS u",
    "SELECT count(*) AS n FROM (SELECT person_id FROM resident EXCEPT SELECT person_id FROM contact) AS u",
    "SELECT v.label, count(*) AS n FROM resident r JOIN (VALUES (1, 'north'), (2, 'south')) AS v (code, label) ON r.region = v.code GROUP BY v.label",
    "SELECT count(*) AS n FROM resident WHERE born >= DATE '1990-01-01' AND born < DATE '1990-01-01' + INTERVAL '10' YEAR",
    "SELECT 'all' AS scope, count(*) AS n FROM resident -- a harmless comment",
    "SELECT count(DISTINCT diagnosis) AS kinds FROM contact",
];

fn checked(sql: &str) -> CheckedQuery {
    check(sql, &catalog()).unwrap_or_else(|refusal| panic!("{refusal}\n{sql}"))
}

#[test]
fn everyday_statistics_pass() {
    let mut wrong = Vec::new();
    for sql in CORPUS {
        if let Err(refusal) = check(sql, &catalog()) {
            wrong.push(format!("{refusal}: {sql}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_plan_hash_ignores_white_space_and_comments_and_nothing_else() {
    let hash = |sql| checked(sql).plan_hash;
    let plain = hash("SELECT region, count(*) AS n FROM resident WHERE age > 40 GROUP BY region");
    assert_eq!(
        plain,
        hash("SELECT  region,\n count(*) AS n /* why */ FROM resident WHERE age > 40 GROUP BY region -- x")
    );
    assert_ne!(plain, hash("SELECT region, count(*) AS n FROM resident WHERE age > 41 GROUP BY region"));
    assert_ne!(plain, hash("SELECT region, count(*) AS m FROM resident WHERE age > 40 GROUP BY region"));
    assert_ne!(plain, hash("SELECT region, count(*) AS n FROM resident WHERE age > 40 GROUP BY region LIMIT 3"));
}

#[test]
fn the_outline_names_tables_keys_aggregates_and_columns() {
    let query = checked(
        "SELECT r.sex AS s, count(*), sum(c.cost) AS cost FROM resident r JOIN contact c ON r.person_id = c.person_id GROUP BY r.sex",
    );
    let tables: Vec<String> = query.tables.iter().map(ToString::to_string).collect();
    assert_eq!(tables, ["contacts.contact", "population.resident"]);
    assert_eq!(query.keys[0].column.as_deref(), Some("population.resident.sex"));
    assert_eq!(query.aggregates.iter().map(|aggregate| aggregate.kind).collect::<Vec<_>>(), ["rows", "sum"]);
    let names: Vec<(&str, OutputRole)> =
        query.output.iter().map(|column| (column.name.as_str(), column.role)).collect();
    assert_eq!(names, [("s", OutputRole::Key), ("value_1", OutputRole::Measure), ("cost", OutputRole::Measure)]);
}

#[test]
fn tagged_columns_are_reported_where_they_decide_and_not_where_they_only_pass() {
    let tags = |sql| checked(sql).tags.into_iter().collect::<Vec<_>>();
    assert_eq!(tags("SELECT parish, count(*) AS n FROM resident GROUP BY parish"), [ColumnTag::SmallArea]);
    assert_eq!(tags("SELECT count(*) AS n FROM resident WHERE parish = 7"), [ColumnTag::SmallArea]);
    assert_eq!(
        tags("SELECT p, count(*) AS n FROM (SELECT parish + 1 AS p FROM resident) AS t GROUP BY p"),
        [ColumnTag::SmallArea]
    );
    assert_eq!(tags("SELECT count(*) AS n FROM (SELECT parish, age FROM resident) AS t"), []);
}

#[test]
fn sums_and_distinct_counts_ask_for_review() {
    let flags = |sql| checked(sql).needs_review.into_iter().collect::<Vec<_>>();
    assert_eq!(flags("SELECT count(*) AS n, count(DISTINCT person_id) AS p FROM resident"), []);
    assert_eq!(flags("SELECT avg(age) AS a FROM resident"), [ReviewFlag::SumOrMean]);
    assert_eq!(flags("SELECT count(DISTINCT diagnosis) AS k FROM contact"), [ReviewFlag::DistinctCount]);
}

#[test]
fn rows_of_which_a_person_can_have_several_ask_for_review_whatever_the_data() {
    let asks = |sql: &str| checked(sql).needs_review.contains(&ReviewFlag::RepeatedRows);
    for several in [
        "SELECT diagnosis, count(*) AS n FROM contact GROUP BY diagnosis",
        "SELECT diagnosis, count(days) AS n FROM contact GROUP BY diagnosis",
        "SELECT count(*) AS n FROM resident r JOIN contact c ON r.person_id = c.person_id",
        "SELECT count(*) AS n FROM resident r LEFT JOIN region g ON r.region > g.code",
        "SELECT count(*) AS n FROM resident r LEFT JOIN region g ON r.region = g.code + 1",
        "SELECT count(*) AS n FROM resident r LEFT JOIN region g ON r.region = r.age AND g.title = 'a'",
        "SELECT count(*) AS n FROM resident r LEFT JOIN (SELECT a.code FROM region a CROSS JOIN region b) g ON r.region = g.code",
        "SELECT count(*) AS n FROM resident r JOIN (VALUES (1), (1)) AS v (code) ON r.region = v.code",
        "SELECT count(*) AS n FROM (SELECT person_id FROM resident UNION ALL SELECT person_id FROM resident) AS u",
        "SELECT count(*) AS n FROM (SELECT person_id, diagnosis FROM contact GROUP BY person_id, diagnosis) AS c",
    ] {
        assert!(asks(several), "{several}");
    }
    for once in [
        "SELECT region, count(*) AS n, count(income) AS i FROM resident GROUP BY region",
        "SELECT diagnosis, count(DISTINCT person_id) AS n FROM contact GROUP BY diagnosis",
        "SELECT g.title, count(*) AS n FROM resident r LEFT JOIN region g ON r.region = g.code GROUP BY g.title",
        "SELECT count(*) AS n FROM resident r JOIN (SELECT code AS k FROM region WHERE title LIKE 'N%') g ON g.k = r.region + 1",
        "SELECT count(*) AS n FROM resident WHERE person_id IN (SELECT person_id FROM contact)",
        "SELECT visits, count(*) AS n FROM (SELECT person_id, count(*) AS visits FROM contact GROUP BY person_id) AS p GROUP BY visits",
        "SELECT count(*) AS n FROM resident r JOIN (SELECT DISTINCT person_id FROM contact) c ON r.person_id = c.person_id",
    ] {
        assert!(!asks(once), "{once}");
    }
}

#[test]
fn an_argument_is_a_condition_unless_every_row_has_it() {
    let selective = |sql: &str| checked(sql).aggregates.iter().map(|found| found.selective).collect::<Vec<_>>();
    assert_eq!(selective("SELECT count(*) AS n, count(DISTINCT person_id) AS p FROM resident"), [false, false]);
    assert_eq!(selective("SELECT count(born) AS n, avg(age) AS a FROM resident"), [true, true]);
    let mut catalog = catalog();
    for column in &mut catalog.tables.values_mut().flat_map(|table| &mut table.contract.columns) {
        column.required = true;
    }
    let required = check("SELECT count(born) AS n, avg(age + 1) AS a FROM resident", &catalog).unwrap();
    assert_eq!(required.aggregates.iter().map(|found| found.selective).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn every_literal_of_an_in_list_counts() {
    assert_eq!(checked("SELECT count(*) AS n FROM resident WHERE age IN (1, 2, 3) AND sex = 'f'").literals, 4);
}
