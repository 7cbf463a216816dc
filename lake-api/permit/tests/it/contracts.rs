use oscar_permit::{ContractError, DatasetContract};

fn contract(json: &serde_json::Value) -> DatasetContract {
    serde_json::from_value(json.clone()).unwrap()
}

fn example() -> serde_json::Value {
    serde_json::json!({
        "dataset": "contacts", "title": "Hospital contacts", "profile": "sds",
        "tables": {"visits": {
            "kind": {"of": "persons", "personKey": "person_id", "secondUnits": ["hospital"]},
            "columns": [
                {"name": "person_id", "type": "string", "required": true},
                {"name": "hospital", "type": "string"},
                {"name": "sex", "type": "string", "codes": [["F", "women"], ["M", "men"]]}
            ],
            "structuralZeros": [{"sex": "M", "hospital": "maternity"}]
        }}
    })
}

#[test]
fn a_contract_whose_names_are_its_columns_is_valid() {
    let contract = contract(&example());
    contract.validate().unwrap();
    assert_eq!(contract.digest().unwrap(), contract.digest().unwrap());
}

#[test]
fn a_person_key_that_is_no_column_is_refused() {
    let mut json = example();
    json["tables"]["visits"]["kind"]["personKey"] = "nobody".into();
    assert!(matches!(contract(&json).validate(), Err(ContractError::UnknownColumn { role: "the person key", .. })));
}

#[test]
fn a_structural_zero_about_an_unknown_column_is_refused() {
    let mut json = example();
    json["tables"]["visits"]["structuralZeros"] = serde_json::json!([{"ward": "x"}]);
    assert!(matches!(contract(&json).validate(), Err(ContractError::UnknownColumn { .. })));
}

#[test]
fn a_column_declared_twice_is_refused() {
    let mut json = example();
    json["tables"]["visits"]["columns"][1]["name"] = "sex".into();
    assert!(matches!(contract(&json).validate(), Err(ContractError::DuplicateColumn { .. })));
}

#[test]
fn a_contract_of_before_the_naming_was_kept_has_the_form_and_digest_it_had() {
    let old = contract(&example());
    assert_eq!(old.tables[&"visits".parse().unwrap()].naming(), None);
    let written = serde_json::to_value(&old).unwrap();
    assert_eq!(written.get("retired"), None);
    assert_eq!(written["tables"]["visits"]["kind"], example()["tables"]["visits"]["kind"]);
    let mut json = example();
    for naming in
        [serde_json::json!({"by": "row-number"}), serde_json::json!({"by": "key", "form": format!("sha256:{:064}", 1)})]
    {
        json["tables"]["visits"]["kind"]["naming"] = naming.clone();
        let new = contract(&json);
        assert_eq!(serde_json::to_value(&new).unwrap()["tables"]["visits"]["kind"]["naming"]["by"], naming["by"]);
        assert_ne!(new.digest().unwrap(), old.digest().unwrap());
    }
}

#[test]
fn a_dataset_without_tables_is_refused() {
    let mut json = example();
    json["tables"] = serde_json::json!({});
    assert!(matches!(contract(&json).validate(), Err(ContractError::Empty(_))));
}
