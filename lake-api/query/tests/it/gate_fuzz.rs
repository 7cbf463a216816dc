//! No text makes the gate panic, hang or repeat what it was given.

use oscar_query::check;
use proptest::prelude::*;

use crate::fixture::catalog;

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "ORDER",
    "LIMIT",
    "JOIN",
    "LEFT",
    "FULL",
    "ON",
    "USING",
    "UNION",
    "ALL",
    "DISTINCT",
    "WITH",
    "AS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AND",
    "OR",
    "NOT",
    "IN",
    "EXISTS",
    "NULL",
    "IS",
    "BETWEEN",
    "LIKE",
    "CAST",
    "OVER",
    "PARTITION",
    "ROLLUP",
    "CUBE",
    "GROUPING",
    "SETS",
    "VALUES",
    "FILTER",
    "EXCEPT",
    "INTERSECT",
    "OFFSET",
    "INTERVAL",
    "DATE",
    "(",
    ")",
    ",",
    "*",
    "+",
    "-",
    "/",
    "=",
    "<",
    ".",
    "||",
    "::",
    "resident",
    "contact",
    "region",
    "person_id",
    "sex",
    "age",
    "income",
    "code",
    "title",
    "days",
    "count",
    "sum",
    "avg",
    "min",
    "coalesce",
    "row_number",
    "a",
    "b",
    "x",
    "1",
    "0",
    "2.5",
    "'f'",
    "'2020-01-01'",
    "count(*)",
    "?",
    "$1",
    ";",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_words_of_sql_get_an_answer(words in proptest::collection::vec(proptest::sample::select(WORDS), 1..60)) {
        let _ = check(&words.join(" "), &catalog());
    }

    #[test]
    fn random_continuations_of_a_query_get_an_answer(words in proptest::collection::vec(proptest::sample::select(WORDS), 1..25)) {
        let _ = check(&format!("SELECT region, count(*) AS n FROM resident {}", words.join(" ")), &catalog());
    }

    #[test]
    fn random_text_gets_an_answer(text in "\\PC{0,200}") {
        let _ = check(&text, &catalog());
    }
}
