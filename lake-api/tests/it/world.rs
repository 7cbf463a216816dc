//! A small world to test in: a delivered dataset, a permit, a served tenant, tokens.
//!
//! `clinic.visit` has 184 persons, one visit each. Regions `north`, `south`, `centre`, `west` and `east`
//! have 50, 40, 34, 30 and 26 persons, `island` has 4; in `north` exactly 3 persons have batch `rare`.
//! Once the regions are released, every total would give the island away: the tests that
//! need a second releasable table ask for the regions again.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use oscar_intake::Silent;
use oscar_lake_api::api::release::{Release, ReleaseState};
use oscar_lake_api::config::{DevIssuerSettings, ServeConfig, WorkerSettings};
use oscar_lake_api::delivery::{Destination, deliver};
use oscar_lake_api::server::{Running, Server};
use oscar_permit::{DataPermit, Sha256Digest, TenantName};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The audience of the tokens.
pub(crate) const AUDIENCE: &str = "oscar-host";

/// Persons the issuer knows; `stranger` and `foreigner` are in no permit of the tenant.
pub(crate) const USERS: [&str; 7] = ["anna", "amir", "steward", "controller", "auditor", "stranger", "foreigner"];

/// A statement whose verdict is automatic once something has been released before.
pub(crate) const BY_REGION: &str = "SELECT region, count(DISTINCT person) AS persons FROM clinic.visit GROUP BY region";

/// A served tenant.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) config: ServeConfig,
    pub(crate) running: Running,
    pub(crate) client: reqwest::Client,
}

impl World {
    /// Delivers and serves.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with changed settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut ServeConfig)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut config = ServeConfig::for_data_dir(root, TenantName::new("acme").unwrap());
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.admin_listen = "127.0.0.1:0".parse().unwrap();
        config.dev_issuer = Some(DevIssuerSettings::of_users(USERS.map(str::to_owned).to_vec()));
        config.worker = WorkerSettings::Program { program: env!("CARGO_BIN_EXE_lake-api").into() };
        change(&mut config);
        write_profile(root);
        std::fs::create_dir_all(root.join("permits")).unwrap();
        // The issuer's address is known once it listens; the delivery does not look at persons.
        let permit = DataPermit::from_yaml(&permit("acme", "P-1", "https://unused.test").to_string()).unwrap();
        let package = write_package(&root.join("package"));
        deliver(&Destination::in_data_dir(root), &package, None, &permit, &Silent).await.unwrap();
        let running = Server::start(config.clone()).await.unwrap();
        let world = Self { directory, config, running, client: reqwest::Client::new() };
        world.write_permit("P-1", &permit_of_world(&world, "acme", "P-1"));
        world.write_permit("P-foreign", &permit_of_world(&world, "other-tenant", "P-foreign"));
        world
    }

    /// Stops the service and starts it on the same data with the same issuer address.
    pub(crate) async fn restart(self) -> Self {
        let Self { directory, mut config, running, client } = self;
        let issuer = running.dev_issuer().unwrap().address();
        running.shutdown().await;
        config.dev_issuer.as_mut().unwrap().listen = issuer;
        let running = Server::start(config.clone()).await.unwrap();
        Self { directory, config, running, client }
    }

    pub(crate) fn permit_file(&self, id: &str) -> PathBuf {
        self.directory.path().join(format!("permits/{id}.json"))
    }

    pub(crate) fn write_permit(&self, id: &str, permit: &Value) {
        // Replaced as a whole, as an operator should: readers never see half a permit.
        let draft = self.directory.path().join("permits/.draft");
        std::fs::write(&draft, permit.to_string()).unwrap();
        std::fs::rename(draft, self.permit_file(id)).unwrap();
    }

    pub(crate) fn issuer(&self) -> &str {
        self.running.dev_issuer().unwrap().issuer()
    }

    /// A token of `user`.
    pub(crate) fn token(&self, user: &str) -> String {
        self.running.dev_issuer().unwrap().mint(user, AUDIENCE, TimeDelta::minutes(10)).unwrap()
    }

    /// A token of `user` that is over.
    pub(crate) fn expired_token(&self, user: &str) -> String {
        self.running.dev_issuer().unwrap().mint(user, AUDIENCE, TimeDelta::minutes(-10)).unwrap()
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.running.address()))
    }

    /// A request of `user`.
    pub(crate) fn request(&self, user: &str, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(self.token(user))
    }

    pub(crate) async fn get(&self, user: &str, path: &str) -> Response {
        self.request(user, Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, user: &str, path: &str, body: &Value) -> Response {
        self.request(user, Method::POST, path).json(body).send().await.unwrap()
    }

    pub(crate) async fn admin(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.running.admin_address())).send().await.unwrap()
    }

    /// Submits a statement and waits until the platform has done its part.
    pub(crate) async fn release(&self, user: &str, sql: &str) -> Release {
        let submitted = self.submit(user, sql).await;
        self.settled(user, &submitted.id).await
    }

    /// Submits a statement.
    pub(crate) async fn submit(&self, user: &str, sql: &str) -> Release {
        let response = self.post(user, "/v1/releases", &request(sql)).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{}", response.text().await.unwrap());
        response.json().await.unwrap()
    }

    /// Waits until a release is with people or at an end.
    pub(crate) async fn settled(&self, user: &str, id: &str) -> Release {
        for _ in 0..1200 {
            let release: Release = self.get(user, &format!("/v1/releases/{id}")).await.json().await.unwrap();
            if !matches!(release.state, ReleaseState::Vetting | ReleaseState::Approved) {
                return release;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the release did not settle");
    }

    /// Votes of both stewards; the release afterwards.
    pub(crate) async fn both_vote(&self, id: &str, decisions: [&str; 2]) -> Release {
        let pack: Value = self.get("steward", &format!("/v1/releases/{id}/review")).await.json().await.unwrap();
        for (steward, decision) in ["steward", "controller"].into_iter().zip(decisions) {
            let vote = json!({"decision": decision, "reason": "looked at it", "content": pack["content"]});
            let response = self.post(steward, &format!("/v1/releases/{id}/votes"), &vote).await;
            assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
        }
        self.settled("anna", id).await
    }

    /// A first release that went through review, so that later ones may be automatic.
    pub(crate) async fn first_release(&self) -> Release {
        let first = self.release("anna", BY_REGION).await;
        assert_eq!(first.state, ReleaseState::InReview, "{first:?}");
        let released = self.both_vote(&first.id, ["approve", "approve"]).await;
        assert_eq!(released.state, ReleaseState::Released, "{released:?}");
        released
    }
}

/// A release request.
pub(crate) fn request(sql: &str) -> Value {
    json!({"sql": sql, "title": "visits by region", "purpose": "planning of clinics"})
}

/// The permit that names the people of the world.
pub(crate) fn permit_of_world(world: &World, tenant: &str, id: &str) -> Value {
    permit(tenant, id, world.issuer())
}

fn permit(tenant: &str, id: &str, issuer: &str) -> Value {
    let person = |subject: &str, role: &str| json!({"issuer": issuer, "subject": subject, "role": role});
    let persons = if tenant == "acme" {
        vec![
            person("anna", "analyst"),
            person("amir", "analyst"),
            person("steward", "steward"),
            person("controller", "controller-steward"),
            person("auditor", "auditor"),
        ]
    } else {
        vec![person("foreigner", "analyst")]
    };
    json!({
        "id": id,
        "tenant": tenant,
        "authority": "Test authority",
        "legalBasis": "test",
        "purpose": ["DUO:0000007"],
        "persons": persons,
        "datasets": [{"dataset": "clinic", "tables": [{"table": "visit"}]}],
        "profile": "test",
        "validFrom": "2020-01-01T00:00:00Z",
        "validUntil": "2199-01-01T00:00:00Z",
    })
}

/// As `strict`, without the random draw: a test must know which verdict to expect.
fn write_profile(root: &Path) {
    let folder = root.join("profiles");
    std::fs::create_dir_all(&folder).unwrap();
    let profile = "name: test\nthreshold: 10\ndominance: {n: 2, kPercent: 85}\npPercent: 10\n\
        degreesOfFreedom: 10\nsecondUnits: 3\nroundTo: 5\nsignificantDigits: 3\nreviewPercent: 0\n\
        quotas: {releases: 12, cells: 200, cellsPerRelease: 100, literals: 20}\n";
    std::fs::write(folder.join("test.yaml"), profile).unwrap();
}

/// The persons of the world, by region.
const REGIONS: [(&str, usize); 6] =
    [("north", 50), ("south", 40), ("centre", 34), ("west", 30), ("east", 26), ("island", 4)];

fn write_package(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let mut csv = String::from("cpr,sex,region,batch,year\n");
    let mut number = 0;
    for (region, persons) in REGIONS {
        for place in 0..persons {
            let (day, month, year) = (number % 28 + 1, number % 12 + 1, 50 + number % 40);
            let batch = if region == "north" && place < 3 { "rare" } else { "usual" };
            writeln!(
                csv,
                "{day:02}{month:02}{year:02}{sequence:04},{sex},{region},{batch},{visit}",
                sequence = 1000 + number,
                sex = if number % 2 == 0 { "f" } else { "m" },
                visit = 2018 + number % 2,
            )
            .unwrap();
            number += 1;
        }
    }
    std::fs::write(folder.join("visit.csv"), &csv).unwrap();
    // Required: otherwise "absent" is one more group of every table, and an empty one.
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "constraints": {"required": true}});
    let package = json!({
        "name": "clinic",
        "title": "Clinic visits",
        "description": "Made for tests",
        "oscar": {"dataset": "clinic", "profile": "test", "holder": "Test holder",
            "coverage": {"from": "2018-01-01", "until": "2019-12-31"}, "delivery": "full"},
        "resources": [{
            "name": "visit",
            "path": "visit.csv",
            "format": "csv",
            "encoding": "utf-8",
            "hash": format!("sha256:{}", Sha256Digest::of(&csv)),
            "bytes": csv.len(),
            "schema": {"fields": [
                {"name": "cpr", "type": "string", "oscar": {"name": "person"}},
                field("sex", "string"), field("region", "string"), field("batch", "string"), field("year", "integer"),
            ]},
            "oscar": {"table": "visit", "kind": "persons", "personKey": "cpr", "personKeyKind": "cpr",
                "codes": {
                    "sex": {"f": "female", "m": "male"},
                    "region": {"north": "North", "south": "South", "centre": "Centre", "west": "West", "east": "East", "island": "Island"},
                },
                "rows": 184},
        }],
    });
    std::fs::write(folder.join("datapackage.json"), package.to_string()).unwrap();
    folder.join("datapackage.json")
}
