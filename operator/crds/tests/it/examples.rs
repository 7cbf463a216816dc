//! The examples are what the types and rules say.

use oscar_crds::{DataPermit, Extract, Tenant};

use crate::{DATA_PERMIT, EXTRACT, TENANT, faults, yaml};

#[test]
fn every_example_is_good() {
    for (kind, text) in [("Tenant", TENANT), ("DataPermit", DATA_PERMIT), ("Extract", EXTRACT)] {
        assert_eq!(faults(kind, &yaml(text), None), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn every_example_reads_as_its_type() {
    let tenant: Tenant = serde_json::from_value(yaml(TENANT)).unwrap();
    assert_eq!(tenant.spec.organisation.cvr, "12345678");
    let permit: DataPermit = serde_json::from_value(yaml(DATA_PERMIT)).unwrap();
    assert_eq!(permit.spec.permit().unwrap().datasets[0].tables[0].row_filter.0.len(), 1);
    let extract: Extract = serde_json::from_value(yaml(EXTRACT)).unwrap();
    assert_eq!(extract.spec.delivery.descriptor, "datapackage.json");
}

#[test]
fn a_misspelt_restriction_is_an_error_and_no_missing_restriction() {
    let mut misspelt = yaml(DATA_PERMIT);
    misspelt["spec"]["datasets"][0]["tables"][0]["rowFiltre"] = serde_json::json!([]);
    assert!(serde_json::from_value::<DataPermit>(misspelt).is_err());
}

/// Every field of the lake-api's permit that can be written in a permit object arrives there.
#[test]
fn the_object_and_the_permit_say_the_same() {
    let mut object = yaml(DATA_PERMIT);
    object["spec"]["revokedAt"] = serde_json::json!("2026-06-01T00:00:00Z");
    object["spec"]["freeText"] = serde_json::json!(["contacts.contact.note"]);
    let permit: DataPermit = serde_json::from_value(object.clone()).unwrap();
    let permit = serde_json::to_value(permit.spec.permit().unwrap()).unwrap();
    let spec = object["spec"].as_object().unwrap();
    for (field, value) in permit.as_object().unwrap() {
        assert_eq!(&spec[field], value, "{field}");
    }
    let only_for_the_record: Vec<&String> = spec.keys().filter(|field| permit.get(field).is_none()).collect();
    assert_eq!(only_for_the_record, ["feeCap"]);
}

#[test]
fn columns_with_nothing_behind_them_are_not_every_column() {
    let mut object = yaml(DATA_PERMIT);
    object["spec"]["datasets"][0]["tables"][0]["columns"] = serde_json::Value::Null;
    let permit: DataPermit = serde_json::from_value(object).unwrap();
    assert!(permit.spec.permit().unwrap_err().to_string().contains("columns"));
}

#[rstest::rstest]
#[case::filter(serde_json::json!(null))]
#[case::from(serde_json::json!([{"column": "year", "from": null, "until": 2020}]))]
#[case::until(serde_json::json!([{"column": "year", "from": 2010, "until": null}]))]
#[case::within(serde_json::json!([{"column": "year", "in": [2010, null]}]))]
fn a_row_filter_that_is_not_written_to_its_end_is_not_left_out(#[case] filter: serde_json::Value) {
    let mut object = yaml(DATA_PERMIT);
    object["spec"]["datasets"][0]["tables"][0]["rowFilter"] = filter;
    let permit: DataPermit = serde_json::from_value(object).unwrap();
    assert!(permit.spec.permit().is_err());
}

#[test]
fn a_permit_that_contradicts_itself_is_refused() {
    let permit: DataPermit = serde_json::from_value(yaml(DATA_PERMIT)).unwrap();
    let mut twice = permit.clone();
    twice.spec.persons.push(twice.spec.persons[0].clone());
    assert!(twice.spec.permit().is_err());
    let mut list = permit;
    list.spec.datasets[0].tables[0].row_filter[0].from = Some(serde_json::json!(["2015-01-01"]));
    assert!(list.spec.permit().is_err(), "a literal is no list");
}
