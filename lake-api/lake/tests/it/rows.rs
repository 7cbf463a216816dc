//! Small tables with known rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use oscar_lake::{Lake, Pseudonym, arrow_schema};
use oscar_permit::{
    ColumnContract, ColumnName, DatasetContract, DatasetName, LogicalType, Sha256Digest, TableContract, TableKind,
    TableName, TableRef,
};

pub(crate) fn table(name: &str) -> TableRef {
    TableRef::new(DatasetName::new("register").unwrap(), TableName::new(name).unwrap())
}

pub(crate) fn delivery(name: &str) -> Sha256Digest {
    Sha256Digest::of(name)
}

fn column(name: &str, logical_type: LogicalType, required: bool) -> ColumnContract {
    ColumnContract {
        name: ColumnName::new(name).unwrap(),
        logical_type,
        title: String::new(),
        description: String::new(),
        required,
        codes: None,
        tags: [].into(),
    }
}

pub(crate) fn contract() -> DatasetContract {
    let columns = vec![
        column("person", LogicalType::String, true),
        column("contacts", LogicalType::Integer, true),
        column("weight", LogicalType::Number, false),
        column("alive", LogicalType::Boolean, false),
        column("born", LogicalType::Date, false),
        column("seen", LogicalType::Datetime, false),
    ];
    let persons = TableContract {
        title: "Persons".into(),
        description: String::new(),
        kind: TableKind::Persons { person_key: ColumnName::new("person").unwrap(), second_units: vec![], naming: None },
        columns,
        primary_key: vec![],
        structural_zeros: vec![],
    };
    DatasetContract {
        dataset: DatasetName::new("register").unwrap(),
        title: "A register".into(),
        description: String::new(),
        holder: "A holder".into(),
        profile: "strict".into(),
        coverage: None,
        tables: BTreeMap::from([(TableName::new("persons").unwrap(), persons)]),
        retired: BTreeMap::new(),
    }
}

pub(crate) fn schema() -> SchemaRef {
    arrow_schema(contract().tables.values().next().unwrap())
}

/// The pseudonym of the person of that number.
pub(crate) fn pseudonym(number: i64) -> Pseudonym {
    Pseudonym::from_bits((u128::from(number.cast_unsigned()) << 64 | 0x6f73_6361_7220_686f).to_be_bytes())
}

/// It as a query sees it.
pub(crate) fn letters(number: i64) -> String {
    String::from_utf8(pseudonym(number).letters().to_vec()).unwrap()
}

/// One row per number; the number is in `contacts`, and every nullable column has a null.
pub(crate) fn batch(numbers: impl IntoIterator<Item = i64>) -> RecordBatch {
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let present = || numbers.iter().map(|n| (n % 3 != 0).then_some(*n));
    let days = |n: i64| i32::try_from(n % 20_000).unwrap();
    let person = |n: i64| -i32::try_from(n).unwrap();
    let seen: TimestampMicrosecondArray = present().map(|n| n.map(|n| n * 1_000_003)).collect();
    let pseudonyms: Vec<Pseudonym> = numbers.iter().copied().map(pseudonym).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Pseudonym::column(pseudonyms.iter().map(Some)).unwrap()),
        Arc::new(Int64Array::from(numbers.clone())),
        Arc::new(present().map(|n| n.map(|n| n as f64 / 4.0)).collect::<Float64Array>()),
        Arc::new(present().map(|n| n.map(|n| n % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(present().map(|n| n.map(days)).collect::<Date32Array>()),
        Arc::new(seen.with_timezone("UTC")),
        Arc::new(present().map(|n| n.map(person)).collect::<Int32Array>()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// Text that does not compress: 100 such batches make a file that is sent in several parts.
pub(crate) fn noise(rows: usize) -> RecordBatch {
    let text = || format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let column: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|_| text())));
    RecordBatch::try_from_iter([("noise", column)]).unwrap()
}

/// Everything a version holds, as SQL sees it.
pub(crate) async fn query(lake: &Lake, table: &TableRef, version: u64, sql: &str) -> Vec<RecordBatch> {
    let context = SessionContext::new();
    context.register_table("t", lake.provider(table, version).await.unwrap()).unwrap();
    context.sql(sql).await.unwrap().collect().await.unwrap()
}

/// The numbers of a version's rows, sorted.
pub(crate) async fn numbers(lake: &Lake, table: &TableRef, version: u64) -> Vec<i64> {
    let batches = query(lake, table, version, "SELECT contacts FROM t ORDER BY contacts").await;
    batches
        .iter()
        .flat_map(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec())
        .collect()
}
