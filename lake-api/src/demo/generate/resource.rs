//! What the descriptors say about every generated table: fields, keys, code lists, tags.

use serde_json::{Map, Value, json};

use super::reference::{REGIONS, Reference};

fn field(name: &str, kind: &str, title: &str) -> Value {
    json!({"name": name, "type": kind, "title": title, "constraints": {"required": true}})
}

/// The person key: intake replaces it by a pseudonym, so the lake calls it something else.
fn person_number(name: &str) -> Value {
    let mut field = field(name, "string", "Person number; in the lake a pseudonym");
    insert(&mut field, "oscar", json!({"name": "person_id"}));
    field
}

fn bed_days() -> Value {
    let mut field = field("bed_days", "integer", "Nights spent in hospital");
    insert(&mut field, "constraints", json!({"required": true, "minimum": 0, "maximum": 3660}));
    field
}

fn codes<'c>(pairs: impl IntoIterator<Item = (&'c str, &'c str)>) -> Value {
    Value::Object(pairs.into_iter().map(|(code, label)| (code.to_owned(), json!(label))).collect::<Map<_, _>>())
}

/// The resource `person`.
pub(crate) fn person_resource(reference: &Reference) -> Value {
    let mut municipality = field("municipality", "string", "Municipality of residence");
    tag(&mut municipality, "small-area");
    let mut birth_date = field("birth_date", "date", "Day of birth");
    tag(&mut birth_date, "sensitive");
    let mut distance = field("km_to_hospital", "number", "Kilometres to the nearest hospital");
    insert(&mut distance, "decimalChar", json!(","));
    json!({
        "name": "person",
        "title": "Persons registered in Denmark on the status day",
        "format": "csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ";"},
        "schema": {
            "fields": [
                person_number("CPR"),
                field("sex", "string", "Sex"),
                birth_date,
                field("birth_year", "integer", "Year of birth"),
                municipality,
                field("region", "string", "Region of residence"),
                field("marital_status", "string", "Marital status"),
                distance,
            ],
            "primaryKey": ["CPR"],
            "foreignKeys": [{"fields": ["municipality"], "reference": {"resource": "municipality", "fields": ["code"]}}],
        },
        "oscar": {
            "table": "person", "kind": "persons", "personKey": "CPR", "personKeyKind": "cpr",
            "codes": {
                "sex": codes([("F", "Woman"), ("M", "Man")]),
                "region": codes(REGIONS),
                "marital_status": codes([("U", "Unmarried"), ("G", "Married"), ("F", "Divorced"), ("E", "Widowed")]),
                "municipality": codes(reference.municipalities.iter().map(|m| (m.code.as_str(), m.name.as_str()))),
            },
        },
    })
}

/// The resource `municipality`.
pub(crate) fn municipality_resource() -> Value {
    json!({
        "name": "municipality",
        "title": "The 98 municipalities (Statistics Denmark, numbers rounded)",
        "format": "csv",
        "encoding": "iso-8859-1",
        "dialect": {"delimiter": ";"},
        "schema": {
            "fields": [
                field("code", "string", "Municipality code"),
                field("name", "string", "Name"),
                field("region", "string", "Region code"),
                field("inhabitants", "integer", "About how many people live there"),
            ],
            "primaryKey": ["code"],
        },
        "oscar": {"table": "municipality", "kind": "reference"},
    })
}

/// The resource `contact`.
pub(crate) fn contact_resource(reference: &Reference) -> Value {
    json!({
        "name": "contact",
        "title": "Contacts with a hospital, five years",
        "format": "csv",
        "encoding": "utf-8",
        "schema": {
            "fields": [
                field("contact_id", "integer", "Running number of the contact"),
                person_number("cpr"),
                field("hospital", "string", "Hospital"),
                field("contact_type", "string", "Kind of contact"),
                field("start_date", "date", "First day"),
                bed_days(),
                field("diagnosis", "string", "Main diagnosis, ICD-10 in SKS form"),
            ],
            "primaryKey": ["contact_id"],
            "foreignKeys": [{"fields": ["diagnosis"], "reference": {"resource": "diagnosis", "fields": ["code"]}}],
        },
        "oscar": {
            "table": "contact", "kind": "persons", "personKey": "cpr", "personKeyKind": "cpr",
            "secondUnits": ["hospital"],
            "codes": {
                "contact_type": codes([
                    ("inpatient", "Stayed the night"), ("outpatient", "Came for the day"), ("emergency", "Emergency room"),
                ]),
                "diagnosis": codes(reference.diagnoses.iter().map(|d| (d.code.as_str(), d.name.as_str()))),
            },
        },
    })
}

/// The resource `diagnosis`.
pub(crate) fn diagnosis_resource() -> Value {
    json!({
        "name": "diagnosis",
        "title": "Diagnoses of the Danish classification SKS (ICD-10)",
        "format": "ndjson",
        "schema": {
            "fields": [
                field("code", "string", "SKS code"),
                field("name", "string", "Heading"),
                field("chapter", "string", "Chapter letter"),
            ],
            "primaryKey": ["code"],
        },
        "oscar": {"table": "diagnosis", "kind": "reference"},
    })
}

/// The resource `dispensing`.
pub(crate) fn dispensing_resource(reference: &Reference) -> Value {
    json!({
        "name": "dispensing",
        "title": "Prescriptions dispensed by pharmacies, one year",
        "format": "parquet",
        "schema": {
            "fields": [
                person_number("cpr"),
                field("atc", "string", "ATC code"),
                field("dispensed", "date", "Day"),
                field("packages", "integer", "Packages"),
                field("price_dkk", "number", "Price in kroner"),
            ],
            "foreignKeys": [{"fields": ["atc"], "reference": {"resource": "medicine", "fields": ["code"]}}],
        },
        "oscar": {
            "table": "dispensing", "kind": "persons", "personKey": "cpr", "personKeyKind": "cpr",
            "codes": {"atc": codes(reference.medicines.iter().map(|m| (m.code.as_str(), m.name.as_str())))},
        },
    })
}

/// The resource `medicine`.
pub(crate) fn medicine_resource() -> Value {
    json!({
        "name": "medicine",
        "title": "Medicines by ATC code",
        "format": "csv",
        "encoding": "utf-8",
        "schema": {
            "fields": [
                field("code", "string", "ATC code"),
                field("name", "string", "Substance"),
                field("main_group", "string", "ATC main group"),
            ],
            "primaryKey": ["code"],
        },
        "oscar": {"table": "medicine", "kind": "reference"},
    })
}

fn insert(field: &mut Value, key: &str, value: Value) {
    if let Some(field) = field.as_object_mut() {
        field.insert(key.into(), value);
    }
}

fn tag(field: &mut Value, tag: &str) {
    insert(field, "oscar", json!({"tags": [tag]}));
}
