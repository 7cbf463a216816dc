//! The attacker's small world: 24 persons, two tables about them, one of reference data,
//! in two versions that differ by a few persons, under two permits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt64Type};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use oscar_permit::{
    Condition, DisclosureProfile, LogicalType, PERSON_INDEX_COLUMN, RowFilter, TableKind, TableRef, Value,
};
use oscar_query::PermittedCatalog;
use oscar_vetting::{DrawSecret, ReleaseContext};

use super::question::Question;
use crate::fixture::{column, contract, name, permitted, persons, table_ref};

/// How many persons there are.
pub(super) const PERSONS: usize = 24;

/// Which copy of the data a statement sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    /// Under the second permit, which shows only persons with b = 0 and events of kind x or y.
    pub(super) filtered: bool,
    /// 1 or 2.
    pub(super) version: u64,
}

/// A row of `person`: its columns a, b and c. Persons 22 and 23 have events only.
fn person(person: i64, version: u64) -> Option<[i64; 3]> {
    let mixed = person * 7 % 24;
    // The second version: one person is new, one is gone, one has moved.
    let there = if version == 1 { person < 21 } else { person < 22 && person != 5 };
    let moved = i64::from(version == 2 && person == 8);
    there.then(|| [(mixed / 8 + moved) % 3, mixed % 2, mixed % 12])
}

/// The rows of `event`: kind and n.
fn events(person: i64, version: u64) -> Vec<(&'static str, i64)> {
    let count = person * 5 % 4 + i64::from(version == 2 && person == 3);
    (0..count)
        .map(|event| (["x", "y", "z"][usize::try_from((person + event) % 3).unwrap()], (person * 3 + event) % 5))
        .collect()
}

fn key(person: i64) -> String {
    format!("p{person:02}")
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

fn keys(persons: &[i64]) -> [(&'static str, ArrayRef); 2] {
    let index = persons.iter().map(|person| i32::try_from(*person).unwrap());
    [
        ("person_id", Arc::new(StringViewArray::from_iter_values(persons.iter().map(|person| key(*person))))),
        (PERSON_INDEX_COLUMN, Arc::new(Int32Array::from_iter_values(index))),
    ]
}

impl View {
    fn person_rows(self, all: bool) -> RecordBatch {
        let rows = (0..24).filter_map(|p| Some((p, person(p, self.version)?)));
        let rows: Vec<(i64, [i64; 3])> = rows.filter(|(_, [_, b, _])| all || !self.filtered || *b == 0).collect();
        let number = |place: usize| Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, row)| row[place])));
        let [person, index] = keys(&rows.iter().map(|(person, _)| *person).collect::<Vec<_>>());
        batch(vec![person, ("a", number(0)), ("b", number(1)), ("c", number(2)), index])
    }

    fn event_rows(self, all: bool) -> RecordBatch {
        let rows = (0..24).flat_map(|p| events(p, self.version).into_iter().map(move |(kind, n)| (p, kind, n)));
        let rows: Vec<(i64, &str, i64)> = rows.filter(|(_, kind, _)| all || !self.filtered || *kind != "z").collect();
        let [person, index] = keys(&rows.iter().map(|(person, _, _)| *person).collect::<Vec<_>>());
        batch(vec![
            person,
            ("kind", Arc::new(StringViewArray::from_iter_values(rows.iter().map(|(_, kind, _)| *kind)))),
            ("n", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, _, n)| *n)))),
            index,
        ])
    }

    /// The tables as the lake holds them.
    pub(super) fn stored(self) -> BTreeMap<TableRef, Arc<dyn TableProvider>> {
        BTreeMap::from([
            (table_ref("register.person"), table(&self.person_rows(true))),
            (table_ref("hospital.event"), table(&self.event_rows(true))),
            (table_ref("hospital.place"), table(&places())),
        ])
    }

    /// What the permit shows of them.
    pub(super) fn catalog(self) -> PermittedCatalog {
        let number = |name: &str| column(name, LogicalType::Integer);
        let text = |name: &str| column(name, LogicalType::String);
        let person = contract(persons(), vec![text("person_id"), number("a"), number("b"), number("c")]);
        let event = contract(persons(), vec![text("person_id"), text("kind"), number("n")]);
        let place = contract(TableKind::Reference, vec![number("code"), text("title")]);
        let (mut person, mut event) = (permitted(person), permitted(event));
        if self.filtered {
            person.row_filter = only("b", vec![Value::Integer(0)]);
            event.row_filter = only("kind", vec![Value::Text("x".into()), Value::Text("y".into())]);
        }
        let tables = BTreeMap::from([
            (table_ref("register.person"), person),
            (table_ref("hospital.event"), event),
            (table_ref("hospital.place"), permitted(place)),
        ]);
        PermittedCatalog { tables, max_literals: 200 }
    }

    /// For every group of one grouping set, and every aggregate, how much each person
    /// adds: the statement once more, per person, on a copy that holds what the permit shows.
    pub(super) async fn contributions(
        self,
        question: &Question,
        used: &[bool],
    ) -> BTreeMap<Vec<Option<String>>, Vec<Vec<u64>>> {
        let context = SessionContext::new();
        context.register_table("person", table(&self.person_rows(false))).unwrap();
        context.register_table("event", table(&self.event_rows(false))).unwrap();
        context.register_table("place", table(&places())).unwrap();
        let sql = question.per_person(used);
        let batches = context.sql(&sql).await.unwrap_or_else(|error| panic!("{error}: {sql}")).collect().await.unwrap();
        let mut found: BTreeMap<Vec<Option<String>>, Vec<Vec<u64>>> = BTreeMap::new();
        for batch in &batches {
            let columns: Vec<ArrayRef> =
                (0..used.len()).map(|place| cast(batch.column(place), &DataType::Utf8).unwrap()).collect();
            let persons = cast(batch.column(used.len()), &DataType::Utf8).unwrap();
            for row in 0..batch.num_rows() {
                let key = columns.iter().map(|column| {
                    let column = column.as_string::<i32>();
                    datafusion::arrow::array::Array::is_valid(column, row).then(|| column.value(row).to_owned())
                });
                let person: usize = persons.as_string::<i32>().value(row)[1..].parse().unwrap();
                let aggregates =
                    found.entry(key.collect()).or_insert_with(|| vec![vec![0; PERSONS]; question.aggregates()]);
                for (place, by_person) in aggregates.iter_mut().enumerate() {
                    let column = cast(batch.column(used.len() + 1 + place), &DataType::UInt64).unwrap();
                    by_person[person] = column.as_primitive::<UInt64Type>().value(row);
                }
            }
        }
        found
    }
}

fn places() -> RecordBatch {
    batch(vec![
        ("code", Arc::new(datafusion::arrow::array::PrimitiveArray::<Int64Type>::from_iter_values([0, 1, 1, 2]))),
        ("title", Arc::new(StringViewArray::from(vec!["North", "South", "Coast", "North"]))),
    ])
}

fn only(name_of: &str, any_of: Vec<Value>) -> RowFilter {
    RowFilter(vec![Condition { column: name(name_of), any_of, not_in: Vec::new(), from: None, until: None }])
}

fn table(rows: &RecordBatch) -> Arc<dyn TableProvider> {
    let half = rows.num_rows() / 2;
    let parts = vec![vec![rows.slice(0, half)], vec![rows.slice(half, rows.num_rows() - half)]];
    Arc::new(MemTable::try_new(rows.schema(), parts).unwrap())
}

/// The strict profile with a threshold for a small world, and nothing left to chance.
pub(super) fn profile(threshold: u32) -> DisclosureProfile {
    let strict = include_str!("../../../../../policies/profiles/strict.yaml");
    let mut profile = DisclosureProfile::from_yaml(strict).unwrap();
    profile.threshold = threshold;
    profile.review_percent = 0.0;
    profile
}

/// A release about which there is nothing special.
pub(super) fn context() -> ReleaseContext {
    ReleaseContext {
        release: "rel-1".parse().unwrap(),
        draw: DrawSecret::new([0; 32]),
        first_of_requester: false,
        first_of_dataset: false,
        tags: BTreeSet::new(),
        second_units_named: false,
        statement_reasons: Vec::new(),
    }
}
