//! The definitions: their rules, their examples and the chart that installs them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the lint does not see test cases made by macros"
)]

mod chart;
mod examples;
mod rules;

use serde_json::Value;

/// A YAML document as JSON.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The schema of the stored version of a kind.
fn schema(kind: &str) -> Value {
    let definitions = oscar_crds::definitions();
    let definition = definitions.iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let schema = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    serde_json::to_value(schema).unwrap()
}

/// What the rules and types of the schema say against an object; empty when it is good.
fn faults(kind: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
    match kube_cel::Validator::new().validate(&schema(kind), object, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(|error| format!("{}: {}", error.field_path, error.message)).collect(),
    }
}

const TENANT: &str = include_str!("../../examples/tenant.yaml");
const DATA_PERMIT: &str = include_str!("../../examples/data-permit.yaml");
const EXTRACT: &str = include_str!("../../examples/extract.yaml");
