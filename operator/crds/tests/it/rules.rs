//! Each CEL rule: what it lets through and what it refuses.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{DATA_PERMIT, EXTRACT, TENANT, faults, schema, yaml};

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
    assert!(!meets(&row_filter_schema(), &condition));
}

#[rstest]
#[case::list(json!({"column": "a", "in": [1, "b", true]}))]
#[case::range(json!({"column": "a", "from": 1, "until": 2}))]
#[case::half_range(json!({"column": "a", "until": "2020-01-01"}))]
#[case::none_of(json!({"column": "a", "notIn": ["x"]}))]
fn a_row_filter_may_say(#[case] condition: Value) {
    assert!(meets(&row_filter_schema(), &condition));
    let object = with(DATA_PERMIT, "/spec/datasets/0/tables/0/rowFilter/0", condition);
    assert_eq!(faults("DataPermit", &object, None), Vec::<String>::new());
}

/// The schema of one condition of a row filter.
fn row_filter_schema() -> Value {
    let path = "/properties/spec/properties/datasets/items/properties/tables/items/properties/rowFilter/items";
    schema("DataPermit").pointer(path).unwrap().clone()
}

/// Whether an object has the fields that `required`, `oneOf` and `anyOf` ask for.
fn meets(schema: &Value, object: &Value) -> bool {
    let of =
        |word: &str| schema[word].as_array().map(|branches| branches.iter().filter(|one| meets(one, object)).count());
    schema["required"]
        .as_array()
        .is_none_or(|fields| fields.iter().all(|field| object.get(field.as_str().unwrap()).is_some()))
        && of("oneOf").is_none_or(|count| count == 1)
        && of("anyOf").is_none_or(|count| count > 0)
}

#[test]
fn rules_name_only_fields_that_have_a_type() {
    for kind in ["Tenant", "DataPermit", "Extract"] {
        assert_rules_see_their_fields(kind, &schema(kind));
    }
}

/// The API server refuses a definition whose rule asks for a field without a type.
fn assert_rules_see_their_fields(at: &str, schema: &Value) {
    let fields = schema["properties"].as_object();
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        for (name, field) in fields.into_iter().flatten() {
            let named = rule["rule"].as_str().unwrap().split(|c: char| !c.is_alphanumeric() && c != '.' && c != '_');
            let named = named.flat_map(|word| word.split('.')).any(|word| word.trim_matches('_') == name);
            let typed =
                field.get("type").is_some() && field["items"].as_object().is_none_or(|item| item.contains_key("type"));
            assert!(!named || typed, "{at}: {} asks for {name}", rule["rule"]);
        }
    }
    for (name, field) in fields.into_iter().flatten() {
        assert_rules_see_their_fields(&format!("{at}.{name}"), field);
        assert_rules_see_their_fields(&format!("{at}.{name}[]"), &field["items"]);
    }
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
