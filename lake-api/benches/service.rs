//! What `lake-api serve` costs: time from start to ready, memory when idle, and the list of
//! releases under 64 connections, each beside its promise and beside a request that needs
//! neither token nor journal.
//!
//! `cargo bench -p oscar-lake-api --bench service` (`--profile dev` for the build that the
//! README's commands make). The service runs in a process of its own, on generated
//! registers, with tokens of its development issuer; client and service share the machine's
//! cores, so the latencies are worse than behind a network.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints its result and stops at a failure"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oscar_access::dev_issuer::CLI_CLIENT;
use oscar_access::login::{LoginConfig, authorization_code_pkce};
use oscar_intake::Silent;
use oscar_lake_api::delivery::{Destination, deliver};
use oscar_lake_api::demo::generate::{LEAST_PERSONS, generate};
use oscar_permit::DataPermit;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const STARTS: usize = 7;
const CONNECTIONS: usize = 64;
const REQUESTS_PER_CONNECTION: usize = 200;
const RELEASES: usize = 20;

fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Runtime::new().unwrap().block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::prepare(folder.path()).await;
    // The first start makes keys and releases; those after it are measured.
    let service = Service::start(&place).await;
    place.submit_releases().await;
    drop(service);

    let (mut starts, mut idle) = (Vec::new(), Vec::new());
    let mut service = None;
    for _ in 0..STARTS {
        drop(service.take());
        let started = Service::start(&place).await;
        starts.push(started.ready_after.as_secs_f64() * 1000.0);
        // What a start leaves behind in flight is over by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        idle.push(started.resident_mib());
        service = Some(started);
    }
    let service = service.unwrap();
    report("start to ready, median", median(&starts), 300.0, "ms");
    report("resident memory when idle, largest", idle.iter().copied().fold(0.0, f64::max), 80.0, "MiB");

    let token = place.log_in().await;
    let list = Load::of(&place, "/v1/releases", &token).await;
    let keys = Load::of(&place, "/v1/keys", &token).await;
    let list_again = Load::of(&place, "/v1/releases", &token).await;
    let p99 = list.p99.max(list_again.p99);
    report(&format!("list of {RELEASES} releases, {CONNECTIONS} connections, p99 (worse of two)"), p99, 25.0, "ms");
    println!(
        "  median {:.2} ms, {:.0} requests/s; /v1/keys: median {:.2} ms, p99 {:.2} ms, {:.0} requests/s; \
         ratio of the medians {:.2}",
        list.median,
        list.per_second,
        keys.median,
        keys.p99,
        keys.per_second,
        list.median / keys.median
    );
    println!("  resident memory after the load {:.1} MiB", service.resident_mib());
}

/// Prints a figure beside its promise; a ratio up to 1 keeps it.
fn report(what: &str, found: f64, promised: f64, unit: &str) {
    println!("{what}: {found:.1} {unit}; promised {promised:.0} {unit}; ratio {:.2}", found / promised);
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A data directory with registers in it and the addresses that its service will use.
struct Place {
    config: std::path::PathBuf,
    api: SocketAddr,
    admin: SocketAddr,
    issuer: SocketAddr,
}

impl Place {
    async fn prepare(folder: &Path) -> Self {
        let generated = generate(LEAST_PERSONS, 1, &folder.join("extracts")).unwrap();
        let [api, admin, issuer] = free_addresses();
        let permit = json!({
            "id": "BENCH-1", "tenant": "bench", "authority": "benchmark", "legalBasis": "none",
            "purpose": ["DUO:0000007"],
            "persons": [{"issuer": format!("http://{issuer}"), "subject": "anna", "role": "analyst"}],
            "datasets": [{"dataset": "population", "tables": [{"table": "person"}, {"table": "municipality"}]}],
            "profile": "strict", "validFrom": "2020-01-01T00:00:00Z", "validUntil": "2199-01-01T00:00:00Z",
        });
        std::fs::create_dir_all(folder.join("permits")).unwrap();
        std::fs::write(folder.join("permits/bench.json"), permit.to_string()).unwrap();
        let permit = DataPermit::from_yaml(&permit.to_string()).unwrap();
        let population = &generated.packages[0];
        deliver(&Destination::in_data_dir(folder), population, None, &permit, &Silent).await.unwrap();
        let settings = json!({
            "tenant": "bench", "keys": {"kind": "directory", "path": folder.join("keys")},
            "permits": folder.join("permits"), "personIndex": {"kind": "local", "root": folder.join("person-index")},
            "storage": {"kind": "local", "root": folder.join("tenant")},
            "listen": api, "adminListen": admin,
            "devIssuer": {"listen": issuer, "users": ["anna"]},
            // One person asks for everything here.
            "limits": {"requestsPerSecond": 1_000_000, "burst": 1_000_000},
        });
        let config = folder.join("serve.yaml");
        std::fs::write(&config, settings.to_string()).unwrap();
        Self { config, api, admin, issuer }
    }

    /// What the service says.
    fn log(&self) -> std::path::PathBuf {
        self.config.with_file_name("serve.log")
    }

    async fn log_in(&self) -> String {
        let config = LoginConfig::new(format!("http://{}", self.issuer), CLI_CLIENT);
        let browse = |address: &url::Url| {
            tokio::spawn(reqwest::get(address.clone()));
        };
        authorization_code_pkce(&config, Some("anna"), browse).await.unwrap().access_token
    }

    /// Asks for tables and waits until the platform has answered.
    async fn submit_releases(&self) {
        let (token, client) = (self.log_in().await, reqwest::Client::builder().no_proxy().build().unwrap());
        let releases = format!("http://{}/v1/releases", self.api);
        for number in 0..RELEASES {
            let request = json!({
                "sql": "SELECT sex, count(DISTINCT person_id) AS persons FROM population.person GROUP BY sex",
                "title": format!("Persons by sex, {number}"), "purpose": "benchmark",
            });
            let answer = client.post(&releases).bearer_auth(&token).json(&request).send().await.unwrap();
            assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
        }
        loop {
            let list: Value = client
                .get(format!("{releases}?state=VETTING"))
                .bearer_auth(&token)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            if list["releases"].as_array().unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Three loopback addresses that were free a moment ago.
fn free_addresses() -> [SocketAddr; 3] {
    let held = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}

/// A running service; it ends when this value is dropped.
struct Service {
    child: Child,
    ready_after: Duration,
}

impl Service {
    async fn start(place: &Place) -> Self {
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_lake-api"))
            .arg("serve")
            .arg("--config")
            .arg(&place.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(place.log()).unwrap())
            .spawn()
            .unwrap();
        let mut service = Self { child, ready_after: Duration::ZERO };
        while !is_ready(place.admin).await {
            let ended = service.child.try_wait().unwrap().is_some();
            assert!(!ended, "lake-api ended while starting:\n{}", std::fs::read_to_string(place.log()).unwrap());
            assert!(started.elapsed() < Duration::from_mins(1), "lake-api is not ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        service.ready_after = started.elapsed();
        service
    }

    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        kilobytes / 1024.0
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin).await else { return false };
    let asked = stream.write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let mut answer = Vec::new();
    asked.is_ok() && stream.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 200")
}

/// Latencies under many connections, in milliseconds.
struct Load {
    median: f64,
    p99: f64,
    per_second: f64,
}

impl Load {
    async fn of(place: &Place, path: &str, token: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        let begun = Instant::now();
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| tokio::spawn(one_connection(place.api, request.clone()))).collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.await.unwrap());
        }
        let per_second = (CONNECTIONS * REQUESTS_PER_CONNECTION) as f64 / begun.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        Self { median: times[times.len() / 2], p99: times[times.len() * 99 / 100], per_second }
    }
}

async fn one_connection(api: SocketAddr, request: String) -> Vec<f64> {
    let mut stream = BufReader::new(TcpStream::connect(api).await.unwrap());
    let mut times = Vec::with_capacity(REQUESTS_PER_CONNECTION);
    for _ in 0..REQUESTS_PER_CONNECTION {
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times
}

/// Reads one answer to its end; anything but 200 stops the benchmark.
async fn read_answer(stream: &mut BufReader<TcpStream>) {
    let (mut line, mut length) = (String::new(), 0);
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
}
