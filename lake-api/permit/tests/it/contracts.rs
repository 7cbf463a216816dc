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
fn a_dataset_without_tables_is_refused() {
    let mut json = example();
    json["tables"] = serde_json::json!({});
    assert!(matches!(contract(&json).validate(), Err(ContractError::Empty(_))));
}
