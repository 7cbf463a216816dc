//! A spoke in a temporary folder, and packages written for it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type};
use object_store::ObjectStoreExt;
use oscar_intake::{DeliveryReport, Intake, IntakeError, Refusal, Silent};
use oscar_journal::{Journal, JournalKey, JournalOptions};
use oscar_lake::{FileKeys, Lake, Pseudonym, Storage, StorageConfig};
use oscar_permit::{DataPermit, Sha256Digest, TableRef};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use serde_json::{Value, json};

/// A spoke with one tenant.
pub(crate) struct Spoke {
    pub(crate) folder: PathBuf,
    /// Removes the folder at the end, when the spoke owns it.
    _temporary: Option<tempfile::TempDir>,
}

/// An open tenant.
pub(crate) struct Open {
    pub(crate) lake: Lake,
    pub(crate) journal: Journal,
    pub(crate) intake: Intake,
}

impl Spoke {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self { folder: temporary.path().to_path_buf(), _temporary: Some(temporary) }
    }

    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), _temporary: None }
    }

    pub(crate) fn package(&self) -> PathBuf {
        let folder = self.folder.join("package");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub(crate) async fn open(&self) -> Open {
        let root = self.folder.join("tenant");
        let tenant = Storage::open(&StorageConfig::Local { root: root.clone() }).unwrap();
        self.open_over(tenant, root).await
    }

    pub(crate) async fn open_over(&self, tenant: Storage, root: PathBuf) -> Open {
        let index = Storage::open(&StorageConfig::Local { root: self.folder.join("person-index") }).unwrap();
        let options = JournalOptions { local_folder: Some(root), ..JournalOptions::default() };
        let key = Arc::new(JournalKey::from_seed(&[1; 32]));
        let journal = Journal::open_with(tenant.store(), key, options).await.unwrap();
        let lake = Lake::new(tenant);
        let keys = Arc::new(FileKeys::directory(self.folder.join("keys")));
        let intake = Intake::new(lake.clone(), journal.clone(), keys, index.store());
        Open { lake, journal, intake }
    }

    /// Delivers the package that lies in the spoke's package folder.
    pub(crate) async fn deliver(&self) -> Result<DeliveryReport, IntakeError> {
        self.deliver_under(&permit("P-1")).await
    }

    pub(crate) async fn deliver_under(&self, permit: &DataPermit) -> Result<DeliveryReport, IntakeError> {
        self.open().await.intake.deliver(&self.package(), None, permit, &Silent).await
    }

    /// Delivers and expects a refusal; nothing may be visible afterwards that was not before.
    pub(crate) async fn refusal(&self) -> Refusal {
        let before = self.open().await.journal.refresh().await.unwrap().visible_versions();
        let error = self.deliver().await.expect_err("the delivery must be refused");
        let after = self.open().await.journal.refresh().await.unwrap().visible_versions();
        assert_eq!(before, after, "a refused delivery changed what is visible");
        match error {
            IntakeError::Refused(refusal) => refusal,
            other => panic!("not a refusal: {other:?}"),
        }
    }
}

impl Open {
    /// The visible rows of a table.
    pub(crate) async fn rows(&self, table: &str) -> RecordBatch {
        let table = TableRef::try_from(format!("register.{table}")).unwrap();
        let version = self.journal.refresh().await.unwrap().visible_versions()[&table];
        self.version(&table, version).await
    }

    pub(crate) async fn version(&self, table: &TableRef, version: u64) -> RecordBatch {
        let mut batches = Vec::new();
        for file in self.lake.data_files(table, version).await.unwrap() {
            let bytes = self.lake.storage().store().get(&file.path).await.unwrap().bytes().await.unwrap();
            batches.extend(parquet_batches(bytes));
        }
        let Some(first) = batches.first() else { panic!("the table has no files") };
        concat_batches(&first.schema(), &batches).unwrap()
    }
}

pub(crate) fn parquet_batches(bytes: bytes::Bytes) -> Vec<RecordBatch> {
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// A Parquet file of one batch.
pub(crate) fn parquet_of(
    batch: &RecordBatch,
    set: impl FnOnce(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> Vec<u8> {
    let properties = set(WriterProperties::builder()).build();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub(crate) fn permit(id: &str) -> DataPermit {
    permit_for(id, "register", &["person", "contact", "region", "note"])
}

pub(crate) fn permit_for(id: &str, dataset: &str, tables: &[&str]) -> DataPermit {
    let tables: Vec<Value> = tables.iter().map(|table| json!({"table": table})).collect();
    let permit = json!({
        "id": id, "tenant": "acme", "authority": "A", "legalBasis": "B", "purpose": ["C"],
        "persons": [{"issuer": "https://login.example", "subject": "alice", "role": "analyst"}],
        "datasets": [{"dataset": dataset, "tables": tables}],
        "profile": "strict",
        "validFrom": "2020-01-01T00:00:00Z", "validUntil": "2099-01-01T00:00:00Z",
    });
    DataPermit::from_yaml(&permit.to_string()).unwrap()
}

/// A package with one resource of one file.
pub(crate) fn single(name: &str, bytes: &[u8], fields: &Value, section: &Value) -> Value {
    json!({
        "name": "register", "title": "A register",
        "oscar": {"dataset": "register", "profile": "strict", "holder": "Region Test"},
        "resources": [resource(name, bytes, fields, section)],
    })
}

pub(crate) fn resource(name: &str, bytes: &[u8], fields: &Value, section: &Value) -> Value {
    json!({
        "name": section["table"], "path": name, "hash": hash(bytes), "bytes": bytes.len(),
        "schema": {"fields": fields}, "oscar": section,
    })
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256Digest::of(bytes))
}

/// Writes descriptor and files.
pub(crate) fn write(folder: &Path, descriptor: &Value, files: &[(&str, &[u8])]) {
    fs::write(folder.join("datapackage.json"), descriptor.to_string()).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Fields `cpr` (key), `age` and `note`.
pub(crate) fn person_fields() -> Value {
    json!([
        {"name": "cpr", "type": "string", "constraints": {"required": true}},
        {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 130}},
        {"name": "note", "type": "string"},
    ])
}

pub(crate) fn person_section() -> Value {
    json!({"table": "person", "kind": "persons", "personKey": "cpr", "personKeyKind": "cpr"})
}

/// Number `n` of a row of valid person numbers without a check digit.
pub(crate) fn cpr(n: usize) -> String {
    let day = n % 28 + 1;
    let month = n / 28 % 12 + 1;
    let year = n / 336 % 60 + 30;
    format!("{day:02}{month:02}{year:02}{:04}", 1000 + n / 20_160)
}

/// A CSV file with `rows` persons.
pub(crate) fn persons_csv(rows: usize) -> Vec<u8> {
    let mut csv = b"cpr,age,note\n".to_vec();
    for n in 0..rows {
        writeln!(csv, "{},{},row {n}", cpr(n), n % 100).unwrap();
    }
    csv
}

/// Puts a package of one CSV file of persons into the spoke's folder.
pub(crate) fn put_persons(spoke: &Spoke, csv: &[u8]) {
    put_csv(spoke, csv, &person_fields(), &person_section());
}

pub(crate) fn put_csv(spoke: &Spoke, csv: &[u8], fields: &Value, section: &Value) {
    write(&spoke.package(), &single("data.csv", csv, fields, section), &[("data.csv", csv)]);
}

/// Cells as text; pseudonyms as the letters that a query sees.
pub(crate) fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let array = batch.column_by_name(column).unwrap_or_else(|| panic!("no column {column}"));
    if let Some(stored) = array.as_binary_opt::<i32>() {
        let letters = |bytes: &[u8]| Pseudonym::from_bits(bytes.try_into().unwrap()).letters().to_vec();
        return stored.iter().map(|bytes| Some(String::from_utf8(letters(bytes?)).unwrap())).collect();
    }
    let array = arrow::compute::cast(array, &arrow::datatypes::DataType::Utf8).unwrap();
    array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

pub(crate) fn integers(batch: &RecordBatch, column: &str) -> Vec<Option<i64>> {
    batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().iter().collect()
}

pub(crate) fn hidden(batch: &RecordBatch) -> Vec<Option<i32>> {
    let array = batch.column_by_name(oscar_permit::PERSON_INDEX_COLUMN).unwrap();
    assert_eq!(array.len(), batch.num_rows());
    array.as_primitive::<Int32Type>().iter().collect()
}
