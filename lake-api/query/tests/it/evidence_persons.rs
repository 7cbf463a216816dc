//! Who is in a cell: compared with an oracle that can see the hidden column.

use std::collections::BTreeMap;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use oscar_permit::{PersonNaming, TableKind, Value};
use oscar_query::{PinnedVersions, QueryError, QueryLimits, check, evidence_from_tables};
use oscar_vetting::{AggregateKind, KeyValue};

use crate::data::{bare_engine, evidence, filtered_catalog, stored};
use crate::fixture::{name, table_ref};

type Cells = BTreeMap<i64, Vec<u32>>;

/// Cells of a statement whose first key is an integer.
async fn persons(sql: &str) -> Cells {
    let (_, evidence) = evidence(sql).await.unwrap();
    let cells = evidence.cells.iter().map(|cell| match &cell.key[0] {
        KeyValue::Integer(key) => (*key, cell.persons.iter().collect()),
        other => panic!("{other:?}"),
    });
    cells.collect()
}

/// `SELECT key, person …` with the hidden column, from the bare engine.
async fn oracle(sql: &str) -> Cells {
    let batches = bare_engine(true).sql(sql).await.unwrap().collect().await.unwrap();
    let mut cells = Cells::new();
    for batch in &batches {
        let keys = batch.column(0).as_primitive::<Int64Type>();
        let persons = batch.column(1).as_primitive::<Int32Type>();
        for (key, person) in keys.values().iter().zip(persons.values()) {
            cells.entry(*key).or_default().push(person.cast_unsigned());
        }
    }
    for persons in cells.values_mut() {
        persons.sort_unstable();
        persons.dedup();
    }
    cells
}

#[tokio::test]
async fn every_operator_hands_on_the_person_of_the_row() {
    let cases = [
        ("SELECT region, count(*) AS n FROM resident GROUP BY region", "SELECT region, __oscar_person FROM resident"),
        (
            "SELECT c.days, count(*) AS n FROM resident r JOIN contact c ON r.person_id = c.person_id GROUP BY c.days",
            "SELECT c.days, r.__oscar_person FROM resident r JOIN contact c ON r.person_id = c.person_id",
        ),
        (
            "SELECT r.region, count(c.days) AS n FROM resident r LEFT JOIN contact c ON r.person_id = c.person_id AND c.days > 6 GROUP BY r.region",
            "SELECT r.region, r.__oscar_person FROM resident r",
        ),
        (
            "SELECT c.days, count(*) AS n FROM resident r RIGHT JOIN contact c ON r.person_id = c.person_id GROUP BY c.days",
            "SELECT days, __oscar_person FROM contact",
        ),
        (
            "SELECT coalesce(c.days, 99) AS d, count(*) AS n FROM resident r FULL JOIN contact c ON r.person_id = c.person_id GROUP BY 1",
            "SELECT coalesce(c.days, 99), coalesce(r.__oscar_person, c.__oscar_person) FROM resident r FULL JOIN contact c ON r.person_id = c.person_id",
        ),
        (
            "SELECT g.code, count(*) AS n FROM region g JOIN resident r ON r.region = g.code GROUP BY g.code",
            "SELECT region, __oscar_person FROM resident",
        ),
        (
            "SELECT k, count(*) AS n FROM (SELECT person_id, region AS k FROM resident UNION ALL SELECT person_id, days AS k FROM contact) AS u GROUP BY k",
            "SELECT region, __oscar_person FROM resident UNION ALL SELECT days, __oscar_person FROM contact",
        ),
        (
            "SELECT visits, count(*) AS n FROM (SELECT person_id, count(*) AS visits FROM contact GROUP BY person_id) AS p GROUP BY visits",
            "SELECT visits, person FROM (SELECT __oscar_person AS person, count(*) AS visits FROM contact GROUP BY __oscar_person) AS p",
        ),
        (
            "SELECT days, count(*) AS n FROM (SELECT DISTINCT person_id, days FROM contact) AS d GROUP BY days",
            "SELECT days, __oscar_person FROM contact",
        ),
        (
            "SELECT region, count(*) AS n FROM resident WHERE person_id IN (SELECT person_id FROM contact WHERE days > 6) GROUP BY region",
            "SELECT region, __oscar_person FROM resident WHERE __oscar_person IN (SELECT __oscar_person FROM contact WHERE days > 6)",
        ),
        (
            "SELECT first_days, count(*) AS n FROM (SELECT person_id, first_value(days) OVER (PARTITION BY person_id ORDER BY started, days) AS first_days FROM contact) AS w GROUP BY first_days",
            "SELECT first_value(days) OVER (PARTITION BY person_id ORDER BY started, days), __oscar_person FROM contact",
        ),
    ];
    for (sql, truth) in cases {
        assert_eq!(persons(sql).await, oracle(truth).await, "{sql}");
    }
}

#[tokio::test]
async fn support_is_the_persons_with_an_argument_that_is_not_neutral() {
    let (_, evidence) = evidence(
        "SELECT count(*) AS n, count(income) AS known, sum(CASE WHEN sex = 'f' THEN 1 ELSE 0 END) AS women, count(*) FILTER (WHERE age > 80) AS old FROM resident",
    )
    .await
    .unwrap();
    let cell = &evidence.cells[0];
    let truth = |condition: &str| format!("SELECT CAST(0 AS BIGINT), __oscar_person FROM resident WHERE {condition}");
    for (place, condition) in [(1, "income IS NOT NULL"), (2, "sex = 'f'"), (3, "age > 80")] {
        let expected = oracle(&truth(condition)).await.remove(&0).unwrap();
        let found: Vec<u32> = cell.aggregates[place].support.as_ref().unwrap().iter().collect();
        assert_eq!(found, expected, "{condition}");
        assert!(found.len() < cell.persons.len().try_into().unwrap());
    }
    assert!(cell.aggregates[0].support.is_none());
}

#[tokio::test]
async fn a_heavy_user_is_seen_in_the_largest_contributions() {
    let (_, evidence) = evidence("SELECT sum(cost) AS cost, count(*) AS n FROM contact").await.unwrap();
    let batches = bare_engine(true)
        .sql("SELECT sum(cost) AS s, count(*) AS n FROM contact GROUP BY __oscar_person ORDER BY s DESC LIMIT 2")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let sums = batches[0].column(0).as_primitive::<datafusion::arrow::datatypes::Float64Type>();
    let found = evidence.cells[0].aggregates[0].largest;
    assert!((found[0] - sums.value(0)).abs() < 1e-6 && (found[1] - sums.value(1)).abs() < 1e-6, "{found:?}");
    assert!((evidence.cells[0].aggregates[1].largest[0] - 5.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn evidence_is_the_same_whatever_the_number_of_threads() {
    let catalog = filtered_catalog();
    let query = check("SELECT sex, region, sum(income) AS s, avg(income) AS a, count(DISTINCT parish) AS p FROM resident GROUP BY CUBE (sex, region)", &catalog).unwrap();
    let versions = PinnedVersions::default();
    let mut seen = Vec::new();
    for threads in [1, 2, 7] {
        let limits = QueryLimits { threads, ..QueryLimits::default() };
        let mut evidence = evidence_from_tables(&query, &catalog, &versions, &stored(), &limits).await.unwrap();
        evidence.cells.sort_by(|one, other| (one.grouping_set, &one.key).cmp(&(other.grouping_set, &other.key)));
        seen.push(evidence);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert!(seen[0].aggregates.iter().any(|spec| spec.kind == AggregateKind::CountDistinct));
}

#[tokio::test]
async fn a_code_list_closes_the_domain_of_a_bare_key_only() {
    let (_, evidence_bare) = evidence("SELECT sex, count(*) AS n FROM resident GROUP BY sex").await.unwrap();
    let domain = evidence_bare.keys[0].domain.as_ref().unwrap();
    assert_eq!(domain, &[KeyValue::Null, KeyValue::Text("f".into()), KeyValue::Text("m".into())]);
    let (_, evidence_derived) =
        evidence("SELECT upper(sex) AS s, count(*) AS n FROM resident GROUP BY 1").await.unwrap();
    assert!(evidence_derived.keys[0].domain.is_none());
}

#[tokio::test]
async fn a_declared_structural_zero_reaches_the_evidence_when_its_columns_are_keys() {
    let mut catalog = filtered_catalog();
    let resident = catalog.tables.get_mut(&table_ref("population.resident")).unwrap();
    let zero = [(name("sex"), Value::Text("m".into())), (name("region"), Value::Integer(3))];
    resident.contract.structural_zeros = vec![oscar_permit::StructuralZero(zero.into_iter().collect())];
    let limits = QueryLimits::default();
    for (keys, expected) in [("sex, region", 1), ("sex", 0)] {
        let query = check(&format!("SELECT {keys}, count(*) AS n FROM resident GROUP BY {keys}"), &catalog).unwrap();
        let evidence =
            evidence_from_tables(&query, &catalog, &PinnedVersions::default(), &stored(), &limits).await.unwrap();
        assert_eq!(evidence.structural_zeros.len(), expected, "{keys}");
    }
}

#[tokio::test]
async fn too_many_cells_end_the_query_with_their_own_code() {
    let catalog = filtered_catalog();
    let query = check("SELECT income, count(*) AS n FROM resident GROUP BY income", &catalog).unwrap();
    let limits = QueryLimits { max_cells: 50, ..QueryLimits::default() };
    let result = evidence_from_tables(&query, &catalog, &PinnedVersions::default(), &stored(), &limits).await;
    assert_eq!(result.unwrap_err(), QueryError::TooLarge);
}

#[tokio::test]
async fn the_cells_of_all_grouping_sets_count_together() {
    let catalog = filtered_catalog();
    let query = check("SELECT income, age, count(*) AS n FROM resident GROUP BY CUBE (income, age)", &catalog).unwrap();
    let alone = check("SELECT income, age, count(*) AS n FROM resident GROUP BY income, age", &catalog).unwrap();
    let cells = async |query, max_cells| {
        let limits = QueryLimits { max_cells, ..QueryLimits::default() };
        evidence_from_tables(query, &catalog, &PinnedVersions::default(), &stored(), &limits).await
    };
    let found = cells(&alone, 100_000).await.unwrap().cells.len();
    assert!(cells(&alone, found).await.is_ok());
    assert_eq!(cells(&query, found).await.unwrap_err(), QueryError::TooLarge);
}

#[tokio::test]
async fn keys_that_differ_by_less_than_a_result_can_say_are_one_cell() {
    // Ages as nanoseconds; a result says microseconds.
    let second = "concat('1999-05-06T07:08:09.0000000', CAST(age AS VARCHAR))";
    let sql = format!("SELECT CAST({second} AS TIMESTAMP) AS k, count(*) AS n FROM resident GROUP BY 1");
    let (_, evidence) = evidence(&sql).await.unwrap();
    let keys: Vec<_> = evidence.cells.iter().map(|cell| &cell.key).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
}

/// Rows of all persons that have a value.
async fn rows_with_a_value(expression: &str) -> u64 {
    let sql = format!("SELECT count({expression}) AS n FROM resident");
    let (_, evidence) = evidence(&sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    evidence.cells[0].aggregates[0].non_null_rows
}

#[tokio::test]
async fn what_would_fail_for_a_row_is_null_for_it_and_for_no_other() {
    let all = rows_with_a_value("age").await;
    let one_person_less = rows_with_a_value("CASE WHEN age > 40 THEN age END").await;
    assert!(0 < one_person_less && one_person_less < all);
    for failing in [
        "CAST(concat('x', CAST(age AS VARCHAR)) AS INT)",
        "1000 / (age - age)",
        "1000 % (age - age)",
        "CAST(age AS DECIMAL(10, 2)) / (age - age)",
        "CAST(age + 1 AS DECIMAL(38, 0)) * CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
        "CAST(age AS DATE) + (CAST(concat(CAST(200000000 + age AS VARCHAR), ' months') AS INTERVAL))",
        "make_date(2020, 13 + CAST(age AS INT), 1)",
        "substr('abc', 1, -1 - age)",
        "split_part('abc', 'b', age - age)",
        "date_part('nonsense', born)",
        "lpad('x', 3000000000 + age)",
        "rpad('x', 20000 + age, 'y')",
        "concat(rpad('x', 600, 'y'), rpad('x', 400 + age, 'z'))",
        "rpad('x', 600, 'y') || rpad('x', 400 + age, 'z')",
        "concat_ws(rpad('', 400, ','), CAST(age AS VARCHAR), 'b', 'c')",
        "replace(rpad('x', 100 + age, 'y'), 'y', 'twelve chars')",
        "abs((age - age) - 9223372036854775807 - 1)",
        "CAST(1e300 * (age + 1) AS BIGINT)",
    ] {
        assert_eq!(rows_with_a_value(failing).await, 0, "{failing}");
        let for_some = format!("CASE WHEN age > 40 THEN age WHEN {failing} IS NULL THEN NULL END");
        assert_eq!(rows_with_a_value(&for_some).await, one_person_less, "{failing}");
    }
    let doubled = (0..24).fold("CASE WHEN age > 40 THEN 'x' ELSE 'xx' END".to_owned(), |text, level| {
        if level % 2 == 0 { format!("({text} || 'y')") } else { format!("replace({text}, 'y', 'yy')") }
    });
    assert_eq!(rows_with_a_value(&doubled).await, 0, "growth ends");
    // In a batch with rows that fail the others keep their values.
    assert_eq!(rows_with_a_value("make_date(2020, CASE WHEN age > 40 THEN 12 ELSE 13 END, 1)").await, one_person_less);
}

#[tokio::test]
async fn what_is_no_finite_number_is_not_added_up() {
    for argument in ["income / 0.0", "exp(income + 1000)", "1e300 * (age + 1)"] {
        let sql = format!("SELECT sum({argument}) AS s FROM resident");
        let (_, evidence) = evidence(&sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        let found = &evidence.cells[0].aggregates[0];
        assert_eq!((found.non_null_rows, found.support_in(&evidence.cells[0]).len()), (0, 0), "{sql}");
    }
}

#[tokio::test]
async fn a_table_that_differs_from_its_contract_is_not_read() {
    let mut catalog = filtered_catalog();
    let resident = catalog.tables.get_mut(&table_ref("population.resident")).unwrap();
    resident.contract.columns[2].logical_type = oscar_permit::LogicalType::Date;
    let query = check("SELECT count(*) AS n FROM resident", &catalog).unwrap();
    let limits = QueryLimits::default();
    let result = evidence_from_tables(&query, &catalog, &PinnedVersions::default(), &stored(), &limits).await;
    assert_eq!(result.unwrap_err(), QueryError::ExecutionFailed);
}

#[tokio::test]
async fn a_row_filter_that_cannot_be_applied_hides_every_row() {
    let mut catalog = filtered_catalog();
    let resident = catalog.tables.get_mut(&table_ref("population.resident")).unwrap();
    resident.row_filter.0[0].any_of = vec![Value::Text("north".into())];
    let query = check("SELECT region, count(*) AS n FROM resident GROUP BY region", &catalog).unwrap();
    let limits = QueryLimits::default();
    let evidence =
        evidence_from_tables(&query, &catalog, &PinnedVersions::default(), &stored(), &limits).await.unwrap();
    assert!(evidence.cells.is_empty());
}

#[tokio::test]
async fn a_table_called_reference_has_no_persons_and_a_table_of_persons_cannot_pass_for_one() {
    // A contract that calls persons "reference" would make every row public. The gate then
    // sees no person data at all and refuses the whole statement.
    let mut catalog = filtered_catalog();
    catalog.tables.get_mut(&table_ref("population.resident")).unwrap().contract.kind = TableKind::Reference;
    let refusal = check("SELECT region, count(*) AS n FROM resident GROUP BY region", &catalog).unwrap_err();
    assert_eq!(refusal.code.as_str(), "no-person-data");
}

#[tokio::test]
async fn a_table_whose_persons_no_key_names_is_known_to_be_comparable_within_one_version_only() {
    let key = PersonNaming::Key { form: oscar_permit::Sha256Digest::of("form") };
    for (naming, unlinked) in [(Some(key), false), (Some(PersonNaming::RowNumber), true), (None, true)] {
        let mut catalog = filtered_catalog();
        let resident = table_ref("population.resident");
        let TableKind::Persons { naming: known, .. } = &mut catalog.tables.get_mut(&resident).unwrap().contract.kind
        else {
            panic!("residents are persons")
        };
        *known = naming;
        let query = check("SELECT region, count(*) AS n FROM resident GROUP BY region", &catalog).unwrap();
        let limits = QueryLimits::default();
        let evidence =
            evidence_from_tables(&query, &catalog, &PinnedVersions::default(), &stored(), &limits).await.unwrap();
        assert_eq!(evidence.unlinked.contains(&resident), unlinked);
    }
}
