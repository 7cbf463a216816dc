//! Rows for the fixture's catalogue, and a bare engine over a physically filtered copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use oscar_lake::Pseudonym;
use oscar_permit::{Condition, PERSON_INDEX_COLUMN, RowFilter, TableRef, Value};
use oscar_query::{
    CheckedQuery, PermittedCatalog, PinnedVersions, QueryError, QueryLimits, check, evidence_from_tables,
};
use oscar_vetting::{AggregateKind, Evidence, KeyValue, VettedRow, VettedTable, VettedValue};

use crate::fixture::{catalog, name, table_ref};

/// Persons in the fixture.
pub(crate) const PERSONS: i64 = 400;
/// Persons who have contacts alone.
const OTHERS: i64 = 20;

/// Regions 1 to 3 are visible; region 9 is hidden by the permit's row filter, and its rows
/// are poisonous: ages of zero and text that is no number.
pub(crate) const HIDDEN_REGION: i64 = 9;

/// A small deterministic generator (64-bit mix).
fn mix(seed: i64) -> i64 {
    let mut x = seed.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 32;
    (x >> 1).cast_signed()
}

fn pseudonym(person: i64) -> Pseudonym {
    Pseudonym::from_bits(u128::from(mix(person * 31 + 7).cast_unsigned()).to_be_bytes())
}

fn key(person: i64) -> String {
    String::from_utf8(pseudonym(person).letters().to_vec()).unwrap()
}

/// A column of the fixture as the lake stores it.
pub(crate) fn as_stored(column: &ArrayRef, data_type: &DataType) -> ArrayRef {
    if data_type != &DataType::Binary {
        return cast(column, data_type).unwrap();
    }
    let known: BTreeMap<String, Pseudonym> =
        (1..=PERSONS + OTHERS).map(|person| (key(person), pseudonym(person))).collect();
    let pseudonyms = column.as_string_view().iter().map(|letters| letters.map(|letters| &known[letters]));
    Arc::new(Pseudonym::column(pseudonyms).unwrap())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

struct Resident {
    person: i64,
    sex: &'static str,
    region: i64,
    age: i64,
    income: Option<f64>,
}

fn resident(person: i64) -> Resident {
    let hidden = person % 10 == 0;
    Resident {
        person,
        sex: if hidden { "no number" } else { ["f", "m"][usize::try_from(mix(person) % 2).unwrap()] },
        region: if hidden { HIDDEN_REGION } else { mix(person * 3) % 3 + 1 },
        age: if hidden { 0 } else { mix(person * 5) % 90 + 1 },
        income: (mix(person * 7) % 6 != 0).then(|| (mix(person * 11) % 900_000) as f64 / 7.0),
    }
}

fn residents(visible: impl Fn(&Resident) -> bool) -> RecordBatch {
    let rows: Vec<Resident> = (1..=PERSONS).map(resident).filter(|row| visible(row)).collect();
    let integers = |of: &dyn Fn(&Resident) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of)));
    batch(vec![
        ("person_id", Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| key(row.person))))),
        ("sex", Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.sex)))),
        ("region", integers(&|row| row.region)),
        ("parish", integers(&|row| row.region * 100 + row.person % 4)),
        ("age", integers(&|row| row.age)),
        ("income", Arc::new(rows.iter().map(|row| row.income).collect::<Float64Array>())),
        (
            "born",
            Arc::new(Date32Array::from_iter_values(
                rows.iter().map(|row| 18_000 - i32::try_from(row.age).unwrap() * 365),
            )),
        ),
        ("note", Arc::new(StringViewArray::from_iter_values(rows.iter().map(|_| "text")))),
        ("salary", Arc::new(Float64Array::from_iter_values(rows.iter().map(|_| 1.0)))),
        (
            PERSON_INDEX_COLUMN,
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| i32::try_from(row.person).unwrap()))),
        ),
    ])
}

/// Contacts: zero to five per person, also of persons the residents do not have.
fn contacts() -> RecordBatch {
    let rows: Vec<(i64, i64)> =
        (1..=PERSONS + OTHERS).flat_map(|person| (0..mix(person * 13) % 6).map(move |visit| (person, visit))).collect();
    let diagnosis = |row: &(i64, i64)| ["A", "B", "C", "D"][usize::try_from(mix(row.0 * 17 + row.1) % 4).unwrap()];
    batch(vec![
        ("person_id", Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| key(row.0))))),
        ("diagnosis", Arc::new(StringViewArray::from_iter_values(rows.iter().map(diagnosis)))),
        ("days", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| mix(row.0 + row.1 * 1000) % 9)))),
        (
            "cost",
            Arc::new(Float64Array::from_iter_values(
                rows.iter().map(|row| (mix(row.0 * 19 + row.1) % 10_000) as f64 / 3.0),
            )),
        ),
        (
            "started",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    rows.iter().map(|row| (mix(row.0 * 23 + row.1) % 500) * 86_400_000_000 + 1_500_000_000_000_000),
                )
                .with_timezone("UTC"),
            ),
        ),
        (
            PERSON_INDEX_COLUMN,
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| i32::try_from(row.0).unwrap()))),
        ),
    ])
}

fn regions() -> RecordBatch {
    batch(vec![
        ("code", Arc::new(Int64Array::from(vec![1, 2, 3, HIDDEN_REGION]))),
        ("title", Arc::new(StringViewArray::from(vec!["North", "South", "Nowhere", "Hidden"]))),
    ])
}

/// In several partitions and batches, so that joining partial results is tested, too.
fn table(rows: &RecordBatch) -> Arc<dyn TableProvider> {
    let share = rows.num_rows().div_ceil(5).max(1);
    let slices: Vec<RecordBatch> =
        (0..rows.num_rows()).step_by(share).map(|at| rows.slice(at, share.min(rows.num_rows() - at))).collect();
    let partitions = slices.chunks(2).map(<[RecordBatch]>::to_vec).collect();
    Arc::new(MemTable::try_new(rows.schema(), partitions).unwrap())
}

/// The tables as the lake holds them: every row, every column, the hidden one included.
pub(crate) fn stored() -> BTreeMap<TableRef, Arc<dyn TableProvider>> {
    BTreeMap::from([
        (table_ref("population.resident"), table(&residents(|_| true))),
        (table_ref("contacts.contact"), table(&contacts())),
        (table_ref("contacts.region"), table(&regions())),
    ])
}

/// The catalogue with the row filter `region in (1, 2, 3)` on residents.
pub(crate) fn filtered_catalog() -> PermittedCatalog {
    let mut catalog = catalog();
    let condition = Condition {
        column: name("region"),
        any_of: vec![Value::Integer(1), Value::Integer(2), Value::Integer(3)],
        not_in: Vec::new(),
        from: None,
        until: None,
    };
    catalog.tables.get_mut(&table_ref("population.resident")).unwrap().row_filter = RowFilter(vec![condition]);
    catalog
}

/// A bare engine over copies that hold only what the permit shows. With `person` the
/// hidden column is there too, for oracles.
pub(crate) fn bare_engine(person: bool) -> SessionContext {
    let context = SessionContext::new();
    let shown = |rows: RecordBatch| {
        let columns: Vec<usize> = (0..rows.num_columns())
            .filter(|&column| {
                let schema = rows.schema();
                let name = schema.field(column).name();
                name != "salary" && (person || name != PERSON_INDEX_COLUMN)
            })
            .collect();
        table(&rows.project(&columns).unwrap())
    };
    let population = MemorySchemaProvider::new();
    let resident = shown(residents(|row| row.region != HIDDEN_REGION));
    population.register_table("resident".into(), Arc::clone(&resident)).unwrap();
    context.catalog("datafusion").unwrap().register_schema("population", Arc::new(population)).unwrap();
    context.register_table("resident", resident).unwrap();
    context.register_table("contact", shown(contacts())).unwrap();
    context.register_table("region", shown(regions())).unwrap();
    context
}

/// The evidence of a statement under the filtered catalogue.
pub(crate) async fn evidence(sql: &str) -> Result<(CheckedQuery, Evidence), QueryError> {
    let catalog = filtered_catalog();
    let query = check(sql, &catalog).unwrap_or_else(|refusal| panic!("{refusal}: {sql}"));
    let versions = PinnedVersions(stored().keys().map(|table| (table.clone(), 1)).collect());
    let limits = QueryLimits { threads: 3, ..QueryLimits::default() };
    let evidence = evidence_from_tables(&query, &catalog, &versions, &stored(), &limits).await?;
    Ok((query, evidence))
}

/// What vetting would hand back if it neither hid nor rounded anything.
pub(crate) fn unvetted(evidence: &Evidence) -> VettedTable {
    let value = |kind: AggregateKind, found: &oscar_vetting::AggregateEvidence| match kind {
        AggregateKind::Sum if found.non_null_rows > 0 => Some(VettedValue::Decimal(found.value.into())),
        AggregateKind::Avg if found.non_null_rows > 0 => {
            Some(VettedValue::Decimal((found.value / found.non_null_rows as f64).into()))
        }
        AggregateKind::Sum | AggregateKind::Avg => None,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
        _ => Some(VettedValue::Count(found.value as u64)),
    };
    let mut rows: Vec<VettedRow> = evidence
        .cells
        .iter()
        .map(|cell| VettedRow {
            grouping_set: cell.grouping_set,
            key: cell.key.clone(),
            values: evidence
                .aggregates
                .iter()
                .zip(&cell.aggregates)
                .map(|(spec, found)| value(spec.kind, found))
                .collect(),
        })
        .collect();
    for (set, used) in evidence.grouping_sets.iter().enumerate() {
        if used.iter().all(|used| !used) && rows.iter().all(|row| row.grouping_set != set) {
            let values = evidence.aggregates.iter().map(|spec| match spec.kind {
                AggregateKind::Sum | AggregateKind::Avg => None,
                _ => Some(VettedValue::Count(0)),
            });
            rows.push(VettedRow { grouping_set: set, key: vec![KeyValue::Null; used.len()], values: values.collect() });
        }
    }
    rows.sort_by(|one, other| (one.grouping_set, &one.key).cmp(&(other.grouping_set, &other.key)));
    VettedTable { keys: evidence.keys.clone(), aggregates: evidence.aggregates.clone(), rows, notes: Vec::new() }
}
