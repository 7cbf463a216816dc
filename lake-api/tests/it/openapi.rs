//! The description of the API: committed, served and complete.

use oscar_lake_api::server::openapi_json;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::World;

#[test]
fn the_committed_description_is_the_one_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let made = openapi_json().unwrap();
    if std::env::var_os("OSCAR_UPDATE").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == made, "lake-api/openapi.json is out of date: run this test with OSCAR_UPDATE=1 and commit it");
}

#[test]
fn every_operation_says_which_errors_it_has() {
    let api: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let public = path == "/v1/keys";
            let mut expected = vec!["400", "406", "500", "503", "504"];
            expected.extend(if public { vec![] } else { vec!["401", "404", "429"] });
            expected.extend(if method == "post" { vec!["413", "415", "422"] } else { vec![] });
            for status in expected {
                assert!(responses.contains_key(status), "{method} {path} lacks {status}");
            }
            let secured = operation["security"].as_array().unwrap().iter().any(|entry| entry.get("bearer").is_some());
            assert_eq!(secured, !public, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn description_and_documentation_page_are_served_without_anything_from_elsewhere() {
    let world = World::start().await;
    let served = world.bare(Method::GET, "/v1/openapi.json").send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.text().await.unwrap(), openapi_json().unwrap());
    let page = world.bare(Method::GET, "/docs/").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let page = page.text().await.unwrap();
    for quote in ['"', '\''] {
        assert!(!page.contains(&format!("src={quote}http")) && !page.contains(&format!("href={quote}http")), "{page}");
        assert!(!page.contains(&format!("src={quote}//")), "{page}");
    }
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let response = world.bare(Method::GET, &format!("/docs/{file}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{file}");
    }
    let initializer = world.bare(Method::GET, "/docs/swagger-initializer.js").send().await.unwrap();
    assert!(initializer.text().await.unwrap().contains("/v1/openapi.json"));
    world.running.shutdown().await;
}
