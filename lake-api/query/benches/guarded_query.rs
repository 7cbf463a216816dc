//! What guarding costs: ratios to bare DataFusion on the same Parquet files, in one run.
//!
//! ```text
//! cargo bench -p oscar-query -- --rows 10000000 --persons 500000 --groups 1000
//! ```
//!
//! Each figure is the median of `--runs` runs. "guarded" is the same aggregation through
//! the permit's columns and row filter; "evidence" is gate, permit and evidence together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch};
use datafusion::catalog::TableProvider;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use oscar_lake::{Lake, Pseudonym, Storage, StorageConfig, WriteMode, arrow_schema};
use oscar_permit::{
    ColumnContract, ColumnName, Condition, LogicalType, RowFilter, Sha256Digest, TableContract, TableKind, TableRef,
    Value,
};
use oscar_query::{
    PermittedCatalog, PermittedTable, PinnedVersions, QueryLimits, check, evidence_from_tables, guarded_table,
};

type Failure = Box<dyn std::error::Error>;

/// What is aggregated; `--only NAME` takes one.
const QUERIES: [(&str, &str); 4] = [
    ("rows", "g, count(*) AS n"),
    ("rows and sum", "g, count(*) AS n, sum(cost) AS cost"),
    ("rows and persons", "g, count(*) AS n, count(DISTINCT person_id) AS p"),
    ("rows, persons and sum", "g, count(*) AS n, count(DISTINCT person_id) AS p, sum(cost) AS cost"),
];

struct Size {
    rows: i64,
    persons: i64,
    groups: i64,
    runs: usize,
}

impl Size {
    fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let number = |name: &str, default: i64| {
            let place = arguments.iter().position(|argument| argument == name);
            place.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        Self {
            rows: number("--rows", 1_000_000),
            persons: number("--persons", 50_000),
            groups: number("--groups", 1_000),
            runs: usize::try_from(number("--runs", 5)).unwrap_or(5).max(1),
        }
    }
}

fn mix(seed: i64) -> i64 {
    let mut x = seed.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 32;
    (x >> 1).cast_signed()
}

fn table_name() -> Result<TableRef, Failure> {
    Ok(TableRef::try_from("bench.contact".to_owned())?)
}

fn contract() -> Result<TableContract, Failure> {
    let column = |name: &str, logical_type| -> Result<ColumnContract, Failure> {
        Ok(ColumnContract {
            name: ColumnName::new(name)?,
            logical_type,
            title: String::new(),
            description: String::new(),
            required: false,
            codes: None,
            tags: BTreeSet::new(),
        })
    };
    Ok(TableContract {
        title: String::new(),
        description: String::new(),
        kind: TableKind::Persons { person_key: ColumnName::new("person_id")?, second_units: Vec::new(), naming: None },
        columns: vec![
            column("person_id", LogicalType::String)?,
            column("g", LogicalType::Integer)?,
            column("region", LogicalType::Integer)?,
            column("cost", LogicalType::Number)?,
        ],
        primary_key: Vec::new(),
        structural_zeros: Vec::new(),
    })
}

/// 128 bits without an order.
fn pseudonym(person: i64) -> Pseudonym {
    let [one, other] = [mix(person), mix(!person)].map(i64::to_be_bytes);
    let mut bits = [0; 16];
    bits.iter_mut().zip(one.into_iter().chain(other)).for_each(|(to, byte)| *to = byte);
    Pseudonym::from_bits(bits)
}

/// Writes the rows as intake would and returns the table's version.
async fn deliver(lake: &Lake, size: &Size) -> Result<u64, Failure> {
    let table = table_name()?;
    let schema = arrow_schema(&contract()?);
    let mut writer = lake.table_writer(&table, Arc::clone(&schema), WriteMode::Replace, None).await?;
    let share = 65_536;
    for start in (0..size.rows).step_by(share) {
        let rows = start..(start + i64::try_from(share)?).min(size.rows);
        let person = |row: i64| mix(row) % size.persons;
        let pseudonyms: Vec<Pseudonym> = rows.clone().map(|row| pseudonym(person(row))).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Pseudonym::column(pseudonyms.iter().map(Some))?),
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| mix(row * 3 + 1) % size.groups))),
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| mix(row * 5 + 2) % 100))),
            Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| (mix(row * 7) % 100_000) as f64 / 100.0))),
            Arc::new(Int32Array::from_iter_values(rows.map(|row| i32::try_from(person(row)).unwrap_or_default()))),
        ];
        writer.write(RecordBatch::try_new(Arc::clone(&schema), columns)?).await?;
    }
    Ok(writer.commit(&Sha256Digest::of("bench")).await?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn say(line: &str) {
    use std::io::Write;
    // A benchmark has nobody to tell about a closed terminal.
    let _ = writeln!(std::io::stdout(), "{line}");
}

struct Bench {
    size: Size,
    catalog: PermittedCatalog,
    tables: BTreeMap<TableRef, Arc<dyn TableProvider>>,
    bare: SessionContext,
    guarded: SessionContext,
}

impl Bench {
    async fn prepare(root: &Path, size: Size) -> Result<Self, Failure> {
        let lake = Lake::new(Storage::open(&StorageConfig::Local { root: root.to_owned() })?);
        let version = deliver(&lake, &size).await?;
        let table = table_name()?;
        let provider = lake.provider(&table, version).await?;
        let contract = contract()?;
        // 99 of 100 regions: the filter runs on every row and keeps nearly all.
        let until = Condition {
            column: ColumnName::new("region")?,
            any_of: Vec::new(),
            not_in: Vec::new(),
            from: None,
            until: Some(Value::Integer(99)),
        };
        let columns = contract.columns.iter().map(|column| column.name.clone()).collect();
        let permitted = PermittedTable { contract, columns, row_filter: RowFilter(vec![until]) };
        let guarded = SessionContext::new_with_config(SessionConfig::new());
        guarded.register_table("contact", guarded_table(Arc::clone(&provider), &permitted)?)?;
        let bare = SessionContext::new_with_config(SessionConfig::new());
        let files: Vec<String> = lake
            .data_files(&table, version)
            .await?
            .iter()
            .map(|file| root.join(file.path.as_ref()).display().to_string())
            .collect();
        bare.register_table("contact", bare.read_parquet(files, ParquetReadOptions::default()).await?.into_view())?;
        let catalog = PermittedCatalog { tables: BTreeMap::from([(table.clone(), permitted)]), max_literals: 100 };
        Ok(Self { size, catalog, tables: BTreeMap::from([(table, provider)]), bare, guarded })
    }

    async fn engine(&self, context: &SessionContext, sql: &str) -> Result<Duration, Failure> {
        let mut times = Vec::new();
        for _ in 0..self.size.runs {
            let started = Instant::now();
            context.sql(sql).await?.collect().await?;
            times.push(started.elapsed());
        }
        Ok(median(times))
    }

    async fn evidence(&self, sql: &str) -> Result<Duration, Failure> {
        let (versions, limits) = (PinnedVersions::default(), QueryLimits::default());
        let mut times = Vec::new();
        for _ in 0..self.size.runs {
            let started = Instant::now();
            let query = check(sql, &self.catalog)?;
            evidence_from_tables(&query, &self.catalog, &versions, &self.tables, &limits).await?;
            times.push(started.elapsed());
        }
        Ok(median(times))
    }

    async fn compare(&self, name: &str, select: &str) -> Result<(), Failure> {
        let guarded_sql = format!("SELECT {select} FROM contact GROUP BY g");
        let bare_sql = format!("SELECT {select} FROM contact WHERE region < 99 GROUP BY g");
        let bare = self.engine(&self.bare, &bare_sql).await?;
        let guarded = self.engine(&self.guarded, &guarded_sql).await?;
        let evidence = self.evidence(&guarded_sql).await?;
        let ratio = |time: Duration| time.as_secs_f64() / bare.as_secs_f64();
        say(&format!(
            "{name:<28} bare {:>8.1} ms   guarded {:>5.2}x   evidence {:>5.2}x",
            bare.as_secs_f64() * 1e3,
            ratio(guarded),
            ratio(evidence)
        ));
        Ok(())
    }

    fn static_check(&self) -> Result<(), Failure> {
        let sql = "SELECT g, count(*) AS n, sum(cost) AS cost FROM contact WHERE region IN (1, 2, 3) AND cost > 10 GROUP BY g HAVING count(*) > 20 ORDER BY n DESC";
        let mut times = Vec::new();
        for _ in 0..200 {
            let started = Instant::now();
            check(sql, &self.catalog)?;
            times.push(started.elapsed());
        }
        times.sort();
        let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        say(&format!("static check                 median {:.2} ms   p99 {:.2} ms (bound 20 ms)", at(50), at(99)));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let size = Size::from_arguments();
    let root = tempfile::tempdir()?;
    say(&format!("{} rows, {} persons, {} groups; ratios to bare DataFusion", size.rows, size.persons, size.groups));
    let bench = Bench::prepare(root.path(), size).await?;
    bench.static_check()?;
    let only: Option<String> = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    for (name, select) in QUERIES.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
        bench.compare(name, select).await?;
    }
    Ok(())
}
