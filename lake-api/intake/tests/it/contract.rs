//! What a package says about its tables is what the contract says to gate, vetting and reader.

use std::collections::{BTreeMap, BTreeSet};

use oscar_permit::{ColumnTag, PersonNaming, TableKind, Value as ContractValue};
use serde_json::json;

use crate::spoke::{Spoke, cpr, person_section, single, write};

fn column(name: &str) -> oscar_permit::ColumnName {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_units_codes_tags_zeros_and_words_of_a_package_reach_its_contract() {
    let spoke = Spoke::new();
    let fields = json!([
        {"name": "cpr", "type": "string", "constraints": {"required": true}, "oscar": {"name": "person_id"}},
        {"name": "Sygehus", "type": "string", "title": "Hospital", "oscar": {"name": "hospital"}},
        {"name": "sex", "type": "string"},
        {"name": "icd", "type": "string", "oscar": {"tags": ["rare-disease"]}},
        {"name": "village", "type": "integer", "oscar": {"tags": ["small-area", "sensitive"]}},
        {"name": "dose", "type": "number", "description": "Dose.", "oscar": {"unit": "mg"}},
        {"name": "note", "type": "string", "oscar": {"tags": ["free-text"]}},
        {"name": "secret", "type": "string", "oscar": {"drop": true}},
    ]);
    let mut section = person_section();
    section["secondUnits"] = json!(["Sygehus"]);
    section["codes"] = json!({"sex": {"F": "women", "M": "men"}});
    section["structuralZeros"] = json!([{"sex": "M", "icd": "DO80"}]);
    let csv = format!("cpr,Sygehus,sex,icd,village,dose,note,secret\n{},A,F,DO80,1,0.5,text,x\n", cpr(1));
    let mut package = single("a.csv", csv.as_bytes(), &fields, &section);
    package["oscar"]["coverage"] = json!({"from": "2018-01-01", "until": "2019-12-31"});
    package["resources"][0]["schema"]["primaryKey"] = json!(["cpr", "icd"]);
    write(&spoke.package(), &package, &[("a.csv", csv.as_bytes())]);
    let report = spoke.deliver().await.unwrap();

    let contract = spoke.open().await.lake.contract(&report.dataset, &report.contract).await.unwrap();
    assert_eq!((contract.profile.as_str(), contract.holder.as_str()), ("strict", "Region Test"));
    assert_eq!(contract.coverage.map(|(from, until)| (from.to_string(), until.to_string())).unwrap().1, "2019-12-31");
    let table = &contract.tables[&"person".parse().unwrap()];
    let naming = table.naming().cloned();
    assert!(matches!(naming, Some(PersonNaming::Key { .. })));
    let kind = TableKind::Persons { person_key: column("person_id"), second_units: vec![column("hospital")], naming };
    assert_eq!(table.kind, kind);
    assert_eq!(table.primary_key, [column("person_id"), column("icd")]);
    let zero = ["sex", "icd"].map(column).into_iter().zip(["M", "DO80"].map(|code| ContractValue::Text(code.into())));
    assert_eq!(table.structural_zeros[0].0, zero.collect::<BTreeMap<_, _>>());
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        names,
        ["person_id", "hospital", "sex", "icd", "village", "dose"],
        "free text and what is to be dropped"
    );
    let tags = |name: &str| table.column(name).unwrap().tags.clone();
    assert_eq!(tags("icd"), [ColumnTag::RareDisease].into());
    assert_eq!(tags("village"), [ColumnTag::SmallArea, ColumnTag::Sensitive].into());
    assert_eq!(tags("sex"), BTreeSet::new());
    assert_eq!(table.column("hospital").unwrap().title, "Hospital");
    assert!(table.column("dose").unwrap().description.contains("mg"), "the unit is told");
    let codes = &table.column("sex").unwrap().codes.as_ref().unwrap().0;
    assert_eq!(codes.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>(), ["women", "men"]);
}
