//! The query worker as a process of its own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;

use oscar_lake::StorageConfig;
use oscar_permit::{ColumnContract, ColumnName, LogicalType, RowFilter, TableContract, TableKind, TableRef};
use oscar_query::{PermittedCatalog, PermittedTable, PinnedVersions, QueryJob, QueryLimits};

/// A job on a table of an object store at that address.
fn job(endpoint: String, limits: QueryLimits) -> QueryJob {
    let table = TableRef::try_from("register.person".to_owned()).unwrap();
    let (person, column) = (ColumnName::new("person_id").unwrap(), ColumnName::new("sex").unwrap());
    let text = |name: ColumnName| ColumnContract {
        name,
        logical_type: LogicalType::String,
        title: String::new(),
        description: String::new(),
        required: false,
        codes: None,
        tags: [].into(),
    };
    let contract = TableContract {
        title: String::new(),
        description: String::new(),
        kind: TableKind::Persons { person_key: person.clone(), second_units: Vec::new(), naming: None },
        columns: vec![text(person), text(column.clone())],
        primary_key: Vec::new(),
        structural_zeros: Vec::new(),
    };
    let permitted = PermittedTable { contract, columns: [column].into(), row_filter: RowFilter::default() };
    QueryJob {
        sql: "SELECT sex, count(*) FROM person GROUP BY sex".to_owned(),
        catalog: Arc::new(PermittedCatalog { tables: BTreeMap::from([(table.clone(), permitted)]), max_literals: 10 }),
        versions: PinnedVersions(BTreeMap::from([(table, 0)])),
        storage: StorageConfig::S3 {
            endpoint: Some(endpoint),
            region: "us-east-1".to_owned(),
            bucket: "lake".to_owned(),
            prefix: String::new(),
            allow_http: true,
            credentials: None,
        },
        limits,
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_bounds_the_memory_of_a_worker_by_its_job() {
    // A store that accepts and never answers holds the worker where it begins to read.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = QueryLimits { memory_bytes: 256 << 20, ..QueryLimits::default() };
    let job = job(format!("http://{}", silent.local_addr().unwrap()), limits);
    let mut worker = Command::new(env!("CARGO_BIN_EXE_lake-api"))
        .arg("worker")
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "nothing")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    worker.stdin.take().unwrap().write_all(&serde_json::to_vec(&job).unwrap()).unwrap();
    silent.set_nonblocking(true).unwrap();
    let _connection = loop {
        if let Ok((connection, _)) = silent.accept() {
            break connection;
        }
        assert!(worker.try_wait().unwrap().is_none(), "the worker ended before it read anything");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let bounds = std::fs::read_to_string(format!("/proc/{}/limits", worker.id())).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    let data = bounds.lines().find(|line| line.starts_with("Max data size")).unwrap();
    let most = (256_u64 << 20).to_string();
    assert_eq!(data.split_whitespace().filter(|word| *word == most).count(), 2, "{data}");
}
