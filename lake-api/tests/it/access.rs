//! One table of all routes and who gets what drives every access test, and it must cover
//! the OpenAPI file: a route that is added without a line here fails the test.

use std::collections::BTreeSet;

use oscar_access::{DevIssuer, DevIssuerOptions};
use oscar_lake_api::server::openapi_json;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, USERS, World, request};

/// A route, its request, and the status for each person of the tenant. `{id}` is a release
/// of `anna` in review, `{dataset}` the delivered dataset.
struct Line {
    method: Method,
    path: &'static str,
    body: Option<fn() -> Value>,
    access: Access,
}

enum Access {
    /// For everybody, without a token.
    Public,
    /// The statuses for the requester, another analyst, a steward and an auditor.
    Permit { anna: u16, amir: u16, steward: u16, auditor: u16 },
}

const fn line(method: Method, path: &'static str, body: Option<fn() -> Value>, statuses: [u16; 4]) -> Line {
    let [anna, amir, steward, auditor] = statuses;
    Line { method, path, body, access: Access::Permit { anna, amir, steward, auditor } }
}

fn reason() -> Value {
    json!({"reason": "no longer needed"})
}

fn vote() -> Value {
    json!({"decision": "approve", "reason": "fine", "content": "0".repeat(64)})
}

fn statement() -> Value {
    json!({"sql": "SELECT count(*) AS n FROM clinic.visit"})
}

fn submission() -> Value {
    request("SELECT count(*) AS n FROM clinic.visit")
}

/// 404: not visible. 403: visible, and the step belongs to another role. 409: allowed, and
/// not possible in this state.
fn table() -> Vec<Line> {
    let public = |path| Line { method: Method::GET, path, body: None, access: Access::Public };
    vec![
        public("/v1/keys"),
        line(Method::GET, "/v1/catalogue", None, [200, 200, 200, 200]),
        line(Method::GET, "/v1/catalogue/{dataset}", None, [200, 200, 200, 200]),
        line(Method::GET, "/v1/permit", None, [200, 200, 200, 200]),
        line(Method::POST, "/v1/queries/check", Some(statement), [200, 200, 403, 403]),
        line(Method::GET, "/v1/releases", None, [200, 200, 200, 200]),
        line(Method::POST, "/v1/releases", Some(submission), [202, 202, 403, 403]),
        line(Method::GET, "/v1/releases/{id}", None, [200, 404, 200, 200]),
        line(Method::GET, "/v1/releases/{id}/content", None, [409, 404, 409, 409]),
        line(Method::GET, "/v1/releases/{id}/receipt", None, [409, 404, 409, 409]),
        line(Method::GET, "/v1/releases/{id}/review", None, [403, 404, 200, 403]),
        line(Method::GET, "/v1/releases/{id}/votes", None, [200, 404, 200, 200]),
        line(Method::POST, "/v1/releases/{id}/votes", Some(vote), [403, 404, 409, 403]),
        line(Method::GET, "/v1/audit", None, [403, 403, 403, 200]),
        // Last: it ends the release that the lines above look at.
        line(Method::POST, "/v1/releases/{id}/withdraw", Some(reason), [200, 404, 403, 403]),
    ]
}

#[test]
fn every_route_of_the_openapi_file_is_in_the_access_table_and_the_other_way_round() {
    let api: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let tested: BTreeSet<String> = table().iter().map(|line| format!("{} {}", line.method, line.path)).collect();
    assert_eq!(described, tested);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_kind_of_caller_as_the_table_says() {
    let world = World::start().await;
    let id = world.release("anna", crate::world::BY_REGION).await.id;
    let options = DevIssuerOptions { users: USERS.map(str::to_owned).to_vec(), ..DevIssuerOptions::default() };
    let other_issuer = DevIssuer::start(options, &[]).await.unwrap();
    let forged = other_issuer.mint("anna", AUDIENCE, chrono::TimeDelta::minutes(5)).unwrap();
    let wrong_audience =
        world.running.dev_issuer().unwrap().mint("anna", "another-service", chrono::TimeDelta::minutes(5)).unwrap();
    for line in table() {
        let path = line.path.replace("{id}", &id).replace("{dataset}", "clinic");
        let name = format!("{} {}", line.method, line.path);
        let send = async |token: Option<String>| {
            let mut request = world.bare(line.method.clone(), &path);
            if let Some(body) = line.body {
                request = request.json(&body());
            }
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.headers().clone(), response.text().await.unwrap())
        };
        let Access::Permit { anna, amir, steward, auditor } = line.access else {
            assert_eq!(send(None).await.0, 200, "{name} without a token");
            continue;
        };
        for (case, token) in [
            ("no token", None),
            ("wrong issuer", Some(forged.clone())),
            ("wrong audience", Some(wrong_audience.clone())),
            ("expired", Some(world.expired_token("anna"))),
            ("rubbish", Some("rubbish".to_owned())),
        ] {
            let (status, headers, body) = send(token).await;
            assert_eq!(status, 401, "{name}, {case}: {body}");
            assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{name}, {case}");
            assert_eq!(headers["content-type"], "application/problem+json", "{name}, {case}");
        }
        for (person, expected) in [
            ("stranger", 404),
            ("foreigner", 404),
            ("amir", amir),
            ("auditor", auditor),
            ("steward", steward),
            ("anna", anna),
        ] {
            let (status, _, body) = send(Some(world.token(person))).await;
            assert_eq!(status, expected, "{name}, {person}: {body}");
        }
    }
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_see_answers_exactly_like_what_does_not_exist() {
    let world = World::start().await;
    let hidden = world.submit("anna", crate::world::BY_REGION).await.id;
    let answer = async |user: &str, path: &str| {
        let response = world.get(user, path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let mut body: Value = response.json().await.unwrap();
        body.as_object_mut().unwrap().remove("requestId").unwrap();
        body
    };
    let expected = answer("amir", "/v1/releases/rel-00000000-0000-0000-0000-000000000000").await;
    for path in [
        format!("/v1/releases/{hidden}"),
        format!("/v1/releases/{hidden}/content"),
        format!("/v1/releases/{hidden}/votes"),
        "/v1/releases/not%20an%20id".to_owned(),
        "/v1/catalogue/other".to_owned(),
        "/v1/nowhere".to_owned(),
        "/nowhere".to_owned(),
    ] {
        assert_eq!(answer("amir", &path).await, expected, "{path}");
    }
    for user in ["stranger", "foreigner"] {
        for path in ["/v1/catalogue", "/v1/permit", "/v1/releases"] {
            assert_eq!(answer(user, path).await, expected, "{user} {path}");
        }
    }
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_and_removal_count_at_the_next_request() {
    let world = World::start().await;
    assert_eq!(world.get("anna", "/v1/permit").await.status(), StatusCode::OK);
    let mut permit = crate::world::permit_of_world(&world, "acme", "P-1");
    permit["revokedAt"] = json!("2021-01-01T00:00:00Z");
    world.write_permit("P-1", &permit);
    assert_eq!(world.get("anna", "/v1/permit").await.status(), StatusCode::NOT_FOUND);
    world.write_permit("P-1", &crate::world::permit_of_world(&world, "acme", "P-1"));
    assert_eq!(world.get("anna", "/v1/permit").await.status(), StatusCode::OK);
    std::fs::remove_file(world.permit_file("P-1")).unwrap();
    assert_eq!(world.get("anna", "/v1/permit").await.status(), StatusCode::NOT_FOUND);
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_of_genuine_tokens_are_in_the_journal_and_requests_without_one_are_not() {
    let world = World::start().await;
    world.get("stranger", "/v1/catalogue").await;
    world.bare(Method::GET, "/v1/catalogue").send().await.unwrap();
    let page: Value = world.get("auditor", "/v1/audit").await.json().await.unwrap();
    let denied: Vec<&Value> =
        page["entries"].as_array().unwrap().iter().filter(|entry| entry["event"]["kind"] == "access-denied").collect();
    assert_eq!(denied.len(), 1, "{page}");
    assert_eq!(denied[0]["event"]["subject"], "stranger");
    assert_eq!(denied[0]["event"]["route"], "/v1/catalogue");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_journal_with_denials() {
    let world = World::start().await;
    for _ in 0..60 {
        assert_eq!(world.get("stranger", "/v1/catalogue").await.status(), StatusCode::NOT_FOUND);
    }
    let page: Value = world.get("auditor", "/v1/audit?limit=200").await.json().await.unwrap();
    let entries = page["entries"].as_array().unwrap();
    let denied = entries.iter().filter(|entry| entry["event"]["kind"] == "access-denied").count();
    assert!((20..=22).contains(&denied), "{denied}");
    let metrics = world.admin("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("oscar_requests_denied_total{outcome=\"no-permit\"} 60"), "{metrics}");
    world.running.shutdown().await;
}
