//! Random statements that the gate allows, each in two forms: as the attacker sends it,
//! and per person, for the one who keeps the score.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

/// Where rows come from: FROM clause, person key as statements may name it, person of a
/// row as the oracle names it, columns to group by and to compare.
struct Source {
    from: &'static str,
    key: &'static str,
    person: &'static str,
    columns: &'static [&'static str],
}

const fn source(from: &'static str, key: &'static str, columns: &'static [&'static str]) -> Source {
    Source { from, key, person: key, columns }
}

const SOURCES: &[Source] = &[
    source("person AS r", "r.person_id", &["r.a", "r.b", "r.c"]),
    source("person AS r", "r.person_id", &["r.a", "r.b", "r.c"]),
    source("event AS e", "e.person_id", &["e.kind", "e.n"]),
    source("person AS r JOIN event AS e ON r.person_id = e.person_id", "r.person_id", &["r.a", "r.b", "e.n"]),
    source("person AS r JOIN event AS e USING (person_id)", "r.person_id", &["r.a", "r.c", "e.kind"]),
    source(
        "person AS r LEFT JOIN event AS e ON r.person_id = e.person_id AND e.n > 2",
        "r.person_id",
        &["r.a", "r.b", "e.n"],
    ),
    Source {
        from: "person AS r FULL JOIN event AS e ON r.person_id = e.person_id",
        key: "r.person_id",
        person: "coalesce(r.person_id, e.person_id)",
        columns: &["r.a", "e.kind", "e.n"],
    },
    source("person AS r JOIN person AS s ON r.person_id = s.person_id AND r.a <= s.b", "s.person_id", &["r.c", "s.b"]),
    source("person AS r JOIN place AS p ON p.code = r.a", "r.person_id", &["p.title", "r.b", "r.c"]),
    source("person AS r CROSS JOIN (VALUES (0), (1)) AS w(x)", "r.person_id", &["r.a * w.x", "r.b + w.x", "w.x"]),
    source(
        "(SELECT person_id, a AS k FROM person UNION ALL SELECT person_id, n AS k FROM event) AS u",
        "u.person_id",
        &["u.k", "u.k % 2"],
    ),
    source(
        "(SELECT person_id, a, b FROM person UNION SELECT person_id, n, 0 FROM event WHERE n < 2) AS u",
        "u.person_id",
        &["u.a", "u.b"],
    ),
    source(
        "(SELECT person_id, count(*) AS visits, max(n) AS most FROM event GROUP BY person_id) AS v",
        "v.person_id",
        &["v.visits", "v.most"],
    ),
    source(
        "(SELECT person_id, kind, row_number() OVER (PARTITION BY person_id ORDER BY n, kind) AS place FROM event) AS w",
        "w.person_id",
        &["w.kind", "w.place"],
    ),
    source("(SELECT DISTINCT person_id, kind FROM event) AS d", "d.person_id", &["d.kind"]),
    source(
        "person AS r LEFT ANTI JOIN event AS e ON r.person_id = e.person_id AND e.n > 1",
        "r.person_id",
        &["r.a", "r.b"],
    ),
];

/// One random question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    source: usize,
    keys: Vec<String>,
    grouping: Grouping,
    aggregates: Vec<String>,
    condition: Option<String>,
    above: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grouping {
    Plain,
    Rollup,
    Cube,
}

impl Question {
    /// How many aggregates there are.
    pub(super) fn aggregates(&self) -> usize {
        self.aggregates.len()
    }

    /// The statement to send.
    pub(super) fn statement(&self) -> String {
        let names = (0..self.keys.len()).map(|place| format!("k{place}"));
        let keys = self.keys.iter().zip(names).map(|(key, name)| format!("{key} AS {name}"));
        let values = self.aggregates.iter().enumerate().map(|(place, value)| format!("{value} AS v{place}"));
        let selected: Vec<String> = keys.chain(values).collect();
        let keys = self.keys.join(", ");
        let grouped = match self.grouping {
            _ if self.keys.is_empty() => String::new(),
            Grouping::Plain => format!(" GROUP BY {keys}"),
            Grouping::Rollup => format!(" GROUP BY ROLLUP ({keys})"),
            Grouping::Cube => format!(" GROUP BY CUBE ({keys})"),
        };
        format!("SELECT {} FROM {}{}{grouped}{}", selected.join(", "), self.from(), self.filter(), self.above)
    }

    /// The same per person, for the keys that one grouping set uses.
    pub(super) fn per_person(&self, used: &[bool]) -> String {
        let person = SOURCES[self.source].person;
        let keys = self.keys.iter().zip(used).enumerate();
        let selected = keys.clone().map(|(place, (key, used))| {
            if *used { format!("{key} AS k{place}") } else { format!("CAST(NULL AS VARCHAR) AS k{place}") }
        });
        let values = self.aggregates.iter().enumerate().map(|(place, value)| format!("{value} AS v{place}"));
        let selected: Vec<String> = selected.chain([format!("{person} AS who")]).chain(values).collect();
        let grouped: Vec<&str> =
            keys.filter(|(_, (_, used))| **used).map(|(_, (key, _))| key.as_str()).chain([person]).collect();
        format!("SELECT {} FROM {}{} GROUP BY {}", selected.join(", "), self.from(), self.filter(), grouped.join(", "))
    }

    fn from(&self) -> &'static str {
        SOURCES[self.source].from
    }

    fn filter(&self) -> String {
        self.condition.as_ref().map(|condition| format!(" WHERE {condition}")).unwrap_or_default()
    }
}

/// A condition on a source's columns, many of them true for all but a few persons.
fn condition(source: usize) -> BoxedStrategy<String> {
    let Source { key, columns, .. } = &SOURCES[source];
    let column = select(columns.to_vec());
    let compared =
        (column.clone(), select(vec!["=", "<>", "<", ">="]), 0..4i64).prop_map(|(column, operator, value)| {
            let text = column.ends_with("kind") || column.ends_with("title");
            if text {
                format!("{column} {operator} '{}'", ["x", "y", "South", "North"][usize::try_from(value).unwrap()])
            } else {
                format!("{column} {operator} {value}")
            }
        });
    let key = *key;
    let about = select(vec![
        format!("{key} IN (SELECT person_id FROM event WHERE n > 2)"),
        format!("{key} NOT IN (SELECT person_id FROM event WHERE n = 4)"),
        format!("{key} IN (SELECT person_id FROM event GROUP BY person_id HAVING count(*) > 2)"),
        format!("EXISTS (SELECT 1 FROM person AS o WHERE o.person_id = {key} AND o.c < 7)"),
        format!("NOT EXISTS (SELECT 1 FROM event AS o WHERE o.person_id = {key} AND o.kind = 'z')"),
    ]);
    let narrow = (column, 0..12i64)
        .prop_map(|(column, value)| format!("NOT (coalesce(CAST({column} AS VARCHAR), '') = '{value}')"));
    let one = prop_oneof![compared, about, narrow].boxed();
    prop_oneof![
        2 => one.clone(),
        1 => (one.clone(), one).prop_map(|(one, other)| format!("{one} AND {other}")),
    ]
    .boxed()
}

fn key(source: usize) -> BoxedStrategy<String> {
    let columns = SOURCES[source].columns;
    prop_oneof![
        2 => select(columns.to_vec()).prop_map(str::to_owned),
        1 => (simple(source), 0..3i64).prop_map(|(condition, value)| format!("CASE WHEN {condition} THEN {value} ELSE 7 END")),
    ]
    .boxed()
}

/// A condition without a subquery, for places where none may stand.
fn simple(source: usize) -> BoxedStrategy<String> {
    let columns = SOURCES[source].columns;
    (select(columns.to_vec()), 0..4i64)
        .prop_map(|(column, value)| format!("coalesce(CAST({column} AS VARCHAR), 'none') <> '{value}'"))
        .boxed()
}

fn aggregate(source: usize) -> BoxedStrategy<String> {
    let Source { key, columns, .. } = &SOURCES[source];
    let key = *key;
    prop_oneof![
        3 => Just(format!("count(DISTINCT {key})")),
        2 => Just("count(*)".to_owned()),
        1 => select(columns.to_vec()).prop_map(|column| format!("count({column})")),
        1 => simple(source).prop_map(move |condition| format!("count(DISTINCT {key}) FILTER (WHERE {condition})")),
        1 => simple(source).prop_map(|condition| format!("count(*) FILTER (WHERE {condition})")),
        1 => simple(source).prop_map(|condition| format!("count(CASE WHEN {condition} THEN 1 END)")),
    ]
    .boxed()
}

/// Any question.
pub(super) fn question() -> impl Strategy<Value = Question> {
    (0..SOURCES.len()).prop_flat_map(|source| {
        let grouping = prop_oneof![4 => Just(Grouping::Plain), 1 => Just(Grouping::Rollup), 1 => Just(Grouping::Cube)];
        let above = select(vec!["", "", "", " ORDER BY v0 DESC LIMIT 2", " HAVING count(*) > 6"]);
        (
            proptest::collection::btree_set(key(source), 0..3),
            grouping,
            proptest::collection::vec(aggregate(source), 1..3),
            proptest::option::of(condition(source)),
            above,
        )
            .prop_map(move |(keys, grouping, mut aggregates, condition, above)| {
                let mut seen = BTreeSet::new();
                aggregates.retain(|aggregate| seen.insert(aggregate.clone()));
                // HAVING brings an aggregate of its own, which must be among those scored.
                if above.contains("HAVING") && !aggregates.contains(&"count(*)".to_owned()) {
                    aggregates.push("count(*)".to_owned());
                }
                Question { source, keys: keys.into_iter().collect(), grouping, aggregates, condition, above }
            })
    })
}
