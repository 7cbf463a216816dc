//! Bad requests, limits and headers.

use oscar_lake_api::api::problem::Problem;
use oscar_lake_api::api::release::ReleaseState;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{World, request};

/// The problem of an error answer, whose form is checked on the way.
async fn problem(response: Response) -> (StatusCode, String) {
    let status = response.status();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status.as_u16());
    assert_eq!(problem.kind, format!("urn:oscar-host:problem:{}", problem.code));
    assert_eq!(problem.request_id.as_deref(), Some(id.as_str()));
    (status, problem.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_their_own_clear_answer() {
    let world = World::start().await;
    let body = |text: &str, content_type: &str| {
        world
            .request("anna", Method::POST, "/v1/releases")
            .header(header::CONTENT_TYPE, content_type)
            .body(text.to_owned())
            .send()
    };
    let good = request("SELECT 1").to_string();
    let long = json!({"sql": "x".repeat(1 << 20), "title": "t", "purpose": "p"}).to_string();
    let many = json!({"sql": "x".repeat(100_000), "title": "t", "purpose": "p"}).to_string();
    let unknown = json!({"sql": "SELECT 1", "title": "t", "purpose": "p", "permitt": "P-1"}).to_string();
    for (case, text, content_type, status, code) in [
        ("not JSON", "{", "application/json", 400, "json-syntax"),
        ("another media type", good.as_str(), "text/plain", 415, "content-type"),
        ("a megabyte", long.as_str(), "application/json", 413, "body-too-large"),
        ("a long statement", many.as_str(), "application/json", 422, "text"),
        ("an unknown field", unknown.as_str(), "application/json", 422, "json-shape"),
        ("a field twice", r#"{"sql":"a","sql":"b","title":"t","purpose":"p"}"#, "application/json", 422, "json-shape"),
        ("no title", r#"{"sql":"a","title":" ","purpose":"p"}"#, "application/json", 422, "text"),
        (
            "a person number",
            r#"{"sql":"a","title":"010150-1234","purpose":"p"}"#,
            "application/json",
            422,
            "person-number",
        ),
        ("a list", "[]", "application/json", 422, "json-shape"),
        ("fields without names", r#"["SELECT 1","t","p",null]"#, "application/json", 422, "json-shape"),
    ] {
        let answer = problem(body(text, content_type).await.unwrap()).await;
        assert_eq!(answer, (StatusCode::from_u16(status).unwrap(), code.to_owned()), "{case}");
    }
    let latin = world
        .request("anna", Method::POST, "/v1/releases")
        .header(header::CONTENT_TYPE, "application/json")
        .body(b"{\"sql\":\"\xe6\"}".to_vec());
    assert_eq!(problem(latin.send().await.unwrap()).await.1, "body-encoding");
    let packed = world.request("anna", Method::POST, "/v1/releases").header(header::CONTENT_ENCODING, "gzip");
    assert_eq!(problem(packed.json(&request("SELECT 1")).send().await.unwrap()).await.1, "content-encoding");
    world.running.shutdown().await;
}

/// Each of these ends the process of an engine that plans it as it stands.
fn without_measure() -> Vec<String> {
    let select = |expression: &str| format!("SELECT sum({expression}) AS n FROM clinic.visit");
    let link = |n: usize| format!(", c{n} AS (SELECT a.year FROM c{0} AS a JOIN c{0} AS b ON a.year = b.year)", n - 1);
    let doubling = (1..40).map(link).collect::<String>();
    vec![
        select(&vec!["year"; 20_000].join(" + ")),
        select(&vec!["year"; 5_000].join("+")),
        select(&vec!["year"; 1_000].join("+")),
        select(&format!("{}year{}", "(".repeat(50), ")".repeat(50))),
        select(&format!("{}year", "- ".repeat(1_500))),
        select(&format!("{}1{}", "CASE WHEN year=1 THEN ".repeat(60), " END".repeat(60))),
        format!("SELECT count(*) AS n FROM clinic.visit WHERE {} year = 1", "NOT ".repeat(1_500)),
        format!("SELECT count(*) AS n FROM {}clinic.visit{}", "(SELECT * FROM ".repeat(50), ")".repeat(50)),
        format!("WITH c0 AS (SELECT year FROM clinic.visit){doubling} SELECT count(*) AS n FROM c39"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_measure_is_refused_and_the_service_lives_on() {
    let world = World::start().await;
    for sql in without_measure() {
        let checked = world.post("anna", "/v1/queries/check", &json!({"sql": sql})).await;
        let submitted = world.post("anna", "/v1/releases", &request(&sql)).await;
        let head = &sql[..60];
        if checked.status() == StatusCode::OK {
            let answer: Value = checked.json().await.unwrap();
            assert_eq!(answer["verdict"], "refused", "{head}: {answer}");
            let release: Value = submitted.json().await.unwrap();
            let release = world.settled("anna", release["id"].as_str().unwrap()).await;
            assert_eq!(release.state, ReleaseState::Refused, "{head}");
        } else {
            assert_eq!(problem(checked).await, (StatusCode::UNPROCESSABLE_ENTITY, "text".to_owned()), "{head}");
            assert_eq!(problem(submitted).await, (StatusCode::UNPROCESSABLE_ENTITY, "text".to_owned()), "{head}");
        }
    }
    assert_eq!(world.get("anna", "/v1/permit").await.status(), StatusCode::OK);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_parameters_paths_methods_and_media_types_are_refused() {
    let world = World::start().await;
    for (path, code) in [
        ("/v1/releases?limt=3", "query-parameter"),
        ("/v1/releases?limit=0", "query-parameter"),
        ("/v1/releases?limit=101", "query-parameter"),
        ("/v1/releases?limit=2&limit=3", "query-parameter"),
        ("/v1/releases?after=yesterday", "query-parameter"),
        ("/v1/permit?x", "query-parameter"),
    ] {
        assert_eq!(problem(world.get("anna", path).await).await.1, code, "{path}");
    }
    let image =
        world.request("anna", Method::GET, "/v1/permit").header(header::ACCEPT, "image/png").send().await.unwrap();
    assert_eq!(problem(image).await, (StatusCode::NOT_ACCEPTABLE, "not-acceptable".to_owned()));
    let deleted = world.request("anna", Method::DELETE, "/v1/releases").send().await.unwrap();
    let allow = deleted.headers()[header::ALLOW].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert_eq!(problem(deleted).await.1, "method-not-allowed");
    let options = world.bare(Method::OPTIONS, "/v1/releases").send().await.unwrap();
    assert_eq!(options.status(), StatusCode::NO_CONTENT);
    assert!(options.headers().contains_key(header::ALLOW));
    let head = world.request("anna", Method::HEAD, "/v1/permit").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers_and_a_request_id() {
    let world = World::start().await;
    for path in ["/v1/permit", "/v1/nowhere", "/v1/keys", "/docs/"] {
        let response = world.get("anna", path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(response.headers()[name], value, "{path}");
        }
        assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    }
    let id = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
    let kept = world.request("anna", Method::GET, "/v1/permit").header("x-request-id", id).send().await.unwrap();
    assert_eq!(kept.headers()["x-request-id"], id);
    let text =
        world.request("anna", Method::GET, "/v1/permit").header("x-request-id", "010150-1234").send().await.unwrap();
    assert_ne!(text.headers()["x-request-id"], "010150-1234", "free text must not reach the log");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hasty_identity_waits_and_others_do_not() {
    let world = World::start_with(|config| {
        config.limits.requests_per_second = 1;
        config.limits.burst = 3;
    })
    .await;
    let mut last = world.get("anna", "/v1/permit").await;
    for _ in 0..6 {
        last = world.get("anna", "/v1/permit").await;
    }
    assert!(last.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(problem(last).await, (StatusCode::TOO_MANY_REQUESTS, "rate-limit".to_owned()));
    assert_eq!(world.get("amir", "/v1/permit").await.status(), StatusCode::OK);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_says_what_is_missing_and_counts_without_names() {
    let world = World::start().await;
    assert_eq!(world.admin("/health").await.status(), StatusCode::OK);
    let mut ready = world.admin("/ready").await;
    for _ in 0..200 {
        if ready.status() == StatusCode::OK {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        ready = world.admin("/ready").await;
    }
    let report: Value = ready.json().await.unwrap();
    assert_eq!(report["ready"], true, "{report}");
    let warned = report["warnings"].as_array().unwrap().iter().any(|warning| warning.to_string().contains("P-foreign"));
    assert!(warned, "{report}");
    std::fs::remove_file(world.permit_file("P-1")).unwrap();
    // A spoke without permits serves nobody and waits for one: the operator brings it later.
    let report: Value = world.admin("/ready").await.json().await.unwrap();
    let warned = report["warnings"].as_array().unwrap().iter().any(|warning| warning.to_string().contains("permits:"));
    assert!(report["ready"] == true && warned && report["permits"].as_object().unwrap().is_empty(), "{report}");
    world.get("anna", "/v1/permit").await;
    let metrics = world.admin("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("oscar_http_requests_total"), "{metrics}");
    assert!(!metrics.contains("anna") && !metrics.contains("clinic"), "{metrics}");
    // The API's listener does not show them.
    assert_eq!(world.bare(Method::GET, "/metrics").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    world.running.shutdown().await;
}
