//! A real table: 30 162 persons of the UCI Adult data set, as published with ARX. Every
//! two-way table is judged and compared with a count made the obvious way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use oscar_vetting::{AggregateKind, KeyValue, Verdict, round_count};

use crate::population::{Row, Statement, count, judge_after, judge_alone, refused_by, shown};

const THRESHOLD: u64 = 10;

/// The file's columns that are codes, by name, and its rows.
fn adult() -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let root = std::env::var_os("OSCAR_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let file = root.join("anonymisation/adult.csv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        oscar_peers::skipped("anonymisation/adult.csv is not in the test data folder (OSCAR_TEST_DATA)");
        return None;
    };
    let mut lines = text.lines().map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next()?;
    Some((header, lines.collect()))
}

fn rows(table: &[Vec<String>], columns: &[usize]) -> Vec<Row> {
    (0u32..)
        .zip(table)
        .map(|(person, row)| Row {
            person: Some(person),
            keys: columns.iter().map(|column| KeyValue::Text(row[*column].clone())).collect(),
            argument: None,
        })
        .collect()
}

fn codes(table: &[Vec<String>], column: usize) -> Vec<KeyValue> {
    let codes: BTreeSet<&String> = table.iter().map(|row| &row[column]).collect();
    codes.into_iter().map(|code| KeyValue::Text(code.clone())).collect()
}

#[test]
fn every_two_way_table_of_real_data_hides_exactly_the_small_cells() {
    let Some((header, table)) = adult() else { return };
    let coded: Vec<usize> =
        (0..header.len()).filter(|column| !["age", "native-country"].contains(&header[*column].as_str())).collect();
    let (mut with_marks, mut too_sparse) = (0, 0);
    for (n, a) in coded.iter().enumerate() {
        for b in &coded[n + 1..] {
            let mut counted: BTreeMap<Vec<KeyValue>, u64> = BTreeMap::new();
            let rows = rows(&table, &[*a, *b]);
            for row in &rows {
                *counted.entry(row.keys.clone()).or_default() += 1;
            }
            let domains = [codes(&table, *a), codes(&table, *b)];
            let grid: Vec<Vec<KeyValue>> =
                domains[0].iter().flat_map(|a| domains[1].iter().map(|b| vec![a.clone(), b.clone()])).collect();
            let hidden = grid.iter().filter(|key| counted.get(*key).is_none_or(|n| *n < THRESHOLD)).count();
            let statement = Statement::by_keys(domains.into_iter().map(Some).collect(), &[AggregateKind::CountPersons]);
            let judgement = judge_alone(&statement.evidence(&rows));
            let what = format!("{} × {}", header[*a], header[*b]);
            if hidden > 1 && hidden * 5 > grid.len() {
                assert_eq!(refused_by(&judgement), ["SPARSE"], "{what}");
                too_sparse += 1;
                continue;
            }
            assert!(!matches!(judgement.verdict, Verdict::Refused(_)), "{what}: {:?}", judgement.verdict);
            for key in &grid {
                let expected = match counted.get(key) {
                    Some(n) if *n >= THRESHOLD => count(round_count(*n, 5)),
                    _ => None,
                };
                assert_eq!(shown(&judgement, key), Some(vec![expected]), "{what}");
            }
            assert_eq!(judgement.table.rows.len(), grid.len(), "{what}");
            with_marks += usize::from(hidden > 0);
        }
    }
    assert!(with_marks >= 3 && too_sparse >= 3, "{with_marks} tables with marks, {too_sparse} too sparse");
}

#[test]
fn a_margin_of_real_data_after_its_table_is_refused_exactly_when_few_persons_are_hidden() {
    let Some((header, table)) = adult() else { return };
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let mut outcomes = BTreeSet::new();
    for (a, b) in [("sex", "workclass"), ("sex", "race"), ("race", "salary-class"), ("workclass", "salary-class")] {
        let columns = [column(a), column(b)];
        let rows_of = rows(&table, &columns);
        let two_way = Statement::by_keys(vec![None, None], &[AggregateKind::CountPersons]).evidence(&rows_of);
        let first = judge_alone(&two_way);
        if matches!(first.verdict, Verdict::Refused(_)) {
            continue;
        }
        let hidden: u64 = two_way.cells.iter().map(|cell| cell.persons.len()).filter(|n| *n < THRESHOLD).sum();
        let total: Vec<Row> = rows_of.iter().map(|row| Row { keys: Vec::new(), ..row.clone() }).collect();
        let total = Statement::by_keys(Vec::new(), &[AggregateKind::CountPersons]).evidence(&total);
        let after = judge_after(&total, &[first.released]);
        let refused = hidden > 0 && hidden < THRESHOLD;
        assert_eq!(refused_by(&after), if refused { vec!["R7"] } else { vec![] }, "{a} × {b}: {hidden} hidden");
        outcomes.insert((hidden > 0, refused));
    }
    assert!(outcomes.len() > 1, "the tables cover more than one outcome: {outcomes:?}");
}
