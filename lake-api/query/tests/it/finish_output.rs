//! From vetted cells to canonical bytes.

use oscar_query::{CheckedQuery, FinishError, OutputTable, check};
use oscar_vetting::{KeyValue, VettedRow, VettedTable, VettedValue};

use crate::data::{evidence, unvetted};
use crate::fixture::catalog;

fn query(sql: &str) -> CheckedQuery {
    check(sql, &catalog()).unwrap()
}

/// A vetted table with one text key and the given counts.
fn counts(query: &CheckedQuery, rows: &[(&str, Option<u64>)]) -> VettedTable {
    VettedTable {
        keys: query.keys.iter().map(|key| oscar_vetting::KeyColumn { name: key.name.clone(), domain: None }).collect(),
        aggregates: query
            .aggregates
            .iter()
            .map(|spec| oscar_vetting::AggregateSpec {
                name: spec.name.clone(),
                kind: oscar_vetting::AggregateKind::CountRows,
                selective: false,
            })
            .collect(),
        rows: rows
            .iter()
            .map(|(key, count)| VettedRow {
                grouping_set: 0,
                key: vec![KeyValue::Text((*key).into())],
                values: vec![count.map(VettedValue::Count)],
            })
            .collect(),
        notes: Vec::new(),
    }
}

async fn finished(sql: &str, rows: &[(&str, Option<u64>)]) -> OutputTable {
    let query = query(sql);
    query.finish(&counts(&query, rows)).await.unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_suppressed_measure_is_one_mark_in_csv_and_null_in_json() {
    let table =
        finished("SELECT sex, count(*) AS n FROM resident GROUP BY sex", &[("f", Some(120)), ("m", None)]).await;
    assert_eq!(text(table.to_csv()), "sex,n\nf,120\nm,..\n");
    assert_eq!(
        text(table.to_json().unwrap()),
        r#"{"columns":[{"name":"sex","role":"key","type":"string"},{"name":"n","role":"measure","type":"integer"}],"rows":[["f",120],["m",null]]}"#
    );
}

#[tokio::test]
async fn arithmetic_keeps_the_mark_and_having_and_order_see_vetted_values_only() {
    let rows = [("a", Some(50)), ("b", None), ("c", Some(10)), ("d", Some(200))];
    let table = finished(
        "SELECT sex, count(*) / 10 AS tens FROM resident GROUP BY sex HAVING count(*) >= 50 OR sex = 'b' ORDER BY count(*) DESC LIMIT 3",
        &rows,
    )
    .await;
    assert_eq!(text(table.to_csv()), "sex,tens\nb,..\nd,20\na,5\n");
    let hidden = finished("SELECT sex FROM resident GROUP BY sex HAVING count(*) < 50", &rows).await;
    assert_eq!(text(hidden.to_csv()), "sex\nc\n");
}

#[tokio::test]
async fn arithmetic_that_fails_on_a_value_shows_the_mark_and_lets_the_release_go_on() {
    // A failure would tell which value is shown, in a release that nobody remembers.
    let rows = [("f", Some(0)), ("m", Some(20))];
    for (expression, shown) in [
        ("100 / count(*)", "sex,x\nf,..\nm,5\n"),
        ("100.0 / count(*)", "sex,x\nf,..\nm,5\n"),
        ("1000 / (100 / count(*))", "sex,x\nf,..\nm,200\n"),
        ("count(*) / (count(*) - 20)", "sex,x\nf,0\nm,..\n"),
        ("CAST(1e30 * count(*) AS BIGINT)", "sex,x\nf,0\nm,..\n"),
        ("CAST(1000000000 * count(*) AS INT)", "sex,x\nf,0\nm,..\n"),
        ("(count(*) - 9223372036854775807 - 1) / -1", "sex,x\nf,..\nm,9223372036854775788\n"),
    ] {
        let table = finished(&format!("SELECT sex, {expression} AS x FROM resident GROUP BY sex"), &rows).await;
        assert_eq!(text(table.to_csv()), shown, "{expression}");
    }
    let having = "SELECT sex, count(*) AS n FROM resident GROUP BY sex HAVING 100 / count(*) > 1 ORDER BY 1 / count(*)";
    assert_eq!(text(finished(having, &rows).await.to_csv()), "sex,n\nm,20\n");
    let constant = query("SELECT sex, count(*) + CAST('no number' AS BIGINT) AS x FROM resident GROUP BY sex");
    assert_eq!(text(constant.finish(&counts(&constant, &rows)).await.unwrap().to_csv()), "sex,x\nf,..\nm,..\n");
}

#[tokio::test]
async fn a_sum_that_is_no_number_of_its_type_is_the_mark() {
    let query = query("SELECT sex, sum(age) AS n FROM resident GROUP BY sex");
    let mut table = counts(&query, &[("f", None), ("m", None)]);
    for (row, value) in table.rows.iter_mut().zip([9.3e18, 9.2e18]) {
        row.values = vec![Some(VettedValue::Decimal(oscar_vetting::OrderedF64::new(value)))];
    }
    let finished = query.finish(&table).await.unwrap();
    assert_eq!(text(finished.to_csv()), "sex,n\nf,..\nm,9200000000000000000\n");
}

#[tokio::test]
async fn columns_that_are_each_the_last_one_twice_are_computed_one_by_one() {
    let link = |n: u32| format!(", c{n} AS (SELECT sex, a + a AS a FROM c{})", n - 1);
    let doubled = (1..36).map(link).collect::<Vec<_>>().concat();
    let sql = format!(
        "WITH c0 AS (SELECT sex, count(*) AS a FROM resident GROUP BY sex){doubled} SELECT sex, a FROM c35 WHERE a > 0 ORDER BY a"
    );
    let table = finished(&sql, &[("f", Some(2)), ("m", Some(1)), ("x", None)]).await;
    assert_eq!(text(table.to_csv()), "sex,a\nm,34359738368\nf,68719476736\n");
}

#[tokio::test]
async fn text_that_looks_like_a_formula_is_disarmed_in_csv_only() {
    let rows = [("=1+1", Some(10)), ("-x", Some(20)), ("a,\"b\"", Some(30)), ("", Some(40)), ("@cmd", Some(50))];
    let table = finished("SELECT sex, count(*) AS n FROM resident GROUP BY sex", &rows).await;
    assert_eq!(text(table.to_csv()), "sex,n\n'=1+1,10\n'-x,20\n\"a,\"\"b\"\"\",30\n\"\",40\n'@cmd,50\n");
    assert!(text(table.to_json().unwrap()).contains("[\"=1+1\",10]"));
}

#[tokio::test]
async fn a_table_of_another_statement_is_not_finished() {
    let one = query("SELECT sex, count(*) AS n FROM resident GROUP BY sex");
    let other = query("SELECT count(*) AS n FROM resident");
    let result = other.finish(&counts(&one, &[("f", Some(10))])).await;
    assert_eq!(result.unwrap_err(), FinishError::Shape);
}

#[tokio::test]
async fn the_same_release_gives_the_same_bytes() {
    let sql = "SELECT region, born, sum(income) AS s, avg(age) AS a FROM resident GROUP BY region, born";
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (query, evidence) = evidence(sql).await.unwrap();
        let table = query.finish(&unvetted(&evidence)).await.unwrap();
        seen.push((table.to_csv(), table.to_json().unwrap(), table.to_parquet().unwrap()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test]
async fn parquet_reads_back_and_names_no_program_version() {
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let table =
        finished("SELECT sex, count(*) AS n FROM resident GROUP BY sex", &[("f", Some(120)), ("m", None)]).await;
    let bytes = table.to_parquet().unwrap();
    let shown = String::from_utf8_lossy(&bytes);
    assert!(!shown.contains("parquet-rs") && !shown.contains("ARROW:schema"));
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), 2);
    assert_eq!(batch.column(1).null_count(), 1);
}
