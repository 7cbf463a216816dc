//! Each CEL rule: what it lets through and what it refuses.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{DATA_PERMIT, EXTRACT, TENANT, faults, yaml};

/// The example with one field replaced; `null` removes it.
fn with(text: &str, pointer: &str, value: Value) -> Value {
    let mut object = yaml(text);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(fields), Value::Null) => drop(fields.remove(field)),
        (Value::Object(fields), value) => drop(fields.insert(field.to_owned(), value)),
        (Value::Array(items), value) => items[field.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{other} has no fields"),
    }
    object
}

#[rstest]
#[case("a")]
#[case("acme")]
#[case("acme-2")]
#[case("hospital")]
#[case("a23456789012345678901234567890123456789b")]
fn a_tenant_may_be_called(#[case] name: &str) {
    assert_eq!(faults("Tenant", &with(TENANT, "/metadata/name", json!(name)), None), Vec::<String>::new());
}

#[rstest]
#[case::the_operators_namespace("host")]
#[case::system("system")]
#[case::default("default")]
#[case::kube("kube-system")]
#[case::openshift("openshift-config")]
#[case::doubled("oscar-acme")]
#[case::intake_of_another("acme-intake")]
#[case::intake("intake")]
#[case::too_long("a234567890123456789012345678901234567890b")]
#[case::sixty_four("a234567890123456789012345678901234567890123456789012345678901234")]
#[case::dot("acme.evil")]
#[case::capital("Acme")]
#[case::lookalike("аcme")]
#[case::leading_digit("4cme")]
#[case::trailing_dash("acme-")]
#[case::empty("")]
fn a_tenant_may_not_be_called(#[case] name: &str) {
    assert!(!faults("Tenant", &with(TENANT, "/metadata/name", json!(name)), None).is_empty());
}

#[rstest]
#[case::plain_http("/spec/issuers/0/issuer", json!("http://login.example.dk"))]
#[case::no_url("/spec/issuers/0/issuer", json!("login.example.dk/"))]
#[case::user("/spec/issuers/0/issuer", json!("https://a@login.example.dk"))]
#[case::query("/spec/issuers/0/issuer", json!("https://login.example.dk?x=1"))]
#[case::fragment("/spec/issuers/0/issuer", json!("https://login.example.dk#x"))]
#[case::issuer_twice("/spec/issuers", json!([{"issuer": "https://a.dk", "audience": "x"}, {"issuer": "https://a.dk", "audience": "y"}]))]
#[case::tiny_quota("/spec/storage", json!({"quota": "1Mi"}))]
fn a_tenant_is_refused_for(#[case] pointer: &str, #[case] value: Value) {
    assert!(!faults("Tenant", &with(TENANT, pointer, value), None).is_empty());
}

#[test]
fn a_permit_ends_after_it_begins() {
    let inverted = with(DATA_PERMIT, "/spec/validUntil", json!("2025-01-01T00:00:00Z"));
    assert!(faults("DataPermit", &inverted, None).iter().any(|fault| fault.contains("validUntil")));
    let empty = with(DATA_PERMIT, "/spec/validUntil", json!("2026-01-01T00:00:00Z"));
    assert!(!faults("DataPermit", &empty, None).is_empty());
}

#[rstest]
#[case("id", json!("FSEID-2"))]
#[case("tenant", json!("other"))]
#[case("authority", json!("Somebody"))]
#[case("legalBasis", json!("none"))]
fn what_identifies_a_decision_is_fixed(#[case] field: &str, #[case] value: Value) {
    let old = yaml(DATA_PERMIT);
    let new = with(DATA_PERMIT, &format!("/spec/{field}"), value);
    assert!(faults("DataPermit", &new, Some(&old)).iter().any(|fault| fault.contains("fixed")), "{field}");
    assert_eq!(faults("DataPermit", &old, Some(&old)), Vec::<String>::new());
}

#[rstest]
#[case::nothing(json!({"column": "a"}))]
#[case::two_ways(json!({"column": "a", "in": [1], "notIn": [2]}))]
#[case::range_and_list(json!({"column": "a", "in": [1], "from": 2}))]
fn a_row_filter_says_exactly_one_thing(#[case] condition: Value) {
    let object = with(DATA_PERMIT, "/spec/datasets/0/tables/0/rowFilter/0", condition);
    assert!(faults("DataPermit", &object, None).iter().any(|fault| fault.contains("row filter")));
}

#[rstest]
#[case::list(json!({"column": "a", "in": [1, "b", true]}))]
#[case::range(json!({"column": "a", "from": 1, "until": 2}))]
#[case::half_range(json!({"column": "a", "until": "2020-01-01"}))]
#[case::none_of(json!({"column": "a", "notIn": ["x"]}))]
fn a_row_filter_may_say(#[case] condition: Value) {
    let object = with(DATA_PERMIT, "/spec/datasets/0/tables/0/rowFilter/0", condition);
    assert_eq!(faults("DataPermit", &object, None), Vec::<String>::new());
}

#[test]
fn an_extract_is_one_package_or_a_schedule() {
    let both = with(EXTRACT, "/spec/schedule", json!("0 3 * * *"));
    assert!(!faults("Extract", &both, None).is_empty());
    let neither = with(EXTRACT, "/spec/delivery/digest", Value::Null);
    assert!(!faults("Extract", &neither, None).is_empty());
    let mut scheduled = neither;
    scheduled["spec"]["schedule"] = json!("0 3 * * *");
    assert_eq!(faults("Extract", &scheduled, None), Vec::<String>::new());
}

#[rstest]
#[case("tenant", json!("other"))]
#[case("permit", json!("other"))]
#[case("dataset", json!("other"))]
fn where_an_extract_belongs_is_fixed(#[case] field: &str, #[case] value: Value) {
    let old = yaml(EXTRACT);
    let new = with(EXTRACT, &format!("/spec/{field}"), value);
    assert!(!faults("Extract", &new, Some(&old)).is_empty());
}
