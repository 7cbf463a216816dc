//! Receipts: good ones verify offline, and no change goes unnoticed.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use oscar_permit::{Identity, Sha256Digest};
use oscar_vetting::{PinnedTable, Receipt, ReceiptError, ReleaseBasis, SignedReceipt};
use serde_json::Value;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn digest(text: &str) -> Sha256Digest {
    Sha256Digest::of(text)
}

fn contents() -> BTreeMap<String, Vec<u8>> {
    [("table.csv".to_owned(), b"sex,persons\nf,100\n".to_vec()), ("table.json".to_owned(), b"[]".to_vec())].into()
}

fn receipt() -> Receipt {
    Receipt {
        format: Receipt::format(),
        tenant: "acme".parse().unwrap(),
        release: "rel-1".parse().unwrap(),
        sequence: 12,
        previous: digest("previous"),
        basis: ReleaseBasis {
            permit: "FSEID-1".parse().unwrap(),
            permit_digest: digest("permit"),
            profile: "strict".into(),
            policy: digest("policy"),
            engine: "oscar-host 0.1.0".into(),
            plan: digest("plan"),
            tables: [(
                "health.contacts".to_owned().try_into().unwrap(),
                PinnedTable { version: 3, contract: digest("contract") },
            )]
            .into(),
        },
        outputs: contents().iter().map(|(name, bytes)| (name.clone(), Sha256Digest::of(bytes))).collect(),
        findings: digest("findings"),
        witness: Some(digest("witness")),
        ledger_epoch: 4,
        reviewers: vec![Identity { issuer: "https://id.example".into(), subject: "s1".into() }],
        released_at: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

fn signed() -> SignedReceipt {
    receipt().sign(&key()).unwrap()
}

#[test]
fn a_receipt_verifies_offline_after_a_trip_through_its_file() {
    let bytes = signed().to_json().unwrap();
    let read = SignedReceipt::from_json(&bytes).unwrap();
    assert_eq!(read.verify_offline(&key().verifying_key(), &contents()).unwrap(), &receipt());
    assert_eq!(read.to_json().unwrap(), bytes, "the bytes are canonical");
}

/// Every place in a JSON document that holds no other.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, field)| leaves(field, &format!("{path}/{}", name.replace('/', "~1")), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| leaves(item, &format!("{path}/{n}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(path.to_owned()),
    }
}

/// Another value of the same type; digests stay digests.
fn changed(value: &Value) -> Value {
    match value {
        Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
        Value::String(text) => {
            let (front, last) = text.split_at(text.len() - 1);
            format!("{front}{}", if last == "1" { '2' } else { '1' }).into()
        }
        other => panic!("unexpected {other}"),
    }
}

#[test]
fn changing_any_single_value_of_a_receipt_is_noticed() {
    let document: Value = serde_json::from_slice(&signed().to_json().unwrap()).unwrap();
    let mut paths = Vec::new();
    leaves(&document, "", &mut paths);
    assert!(paths.len() > 18, "{paths:?}");
    for path in paths {
        let mut forged = document.clone();
        let place = forged.pointer_mut(&path).unwrap();
        *place = changed(place);
        let noticed = SignedReceipt::from_json(forged.to_string().as_bytes())
            .and_then(|forged| forged.verify_offline(&key().verifying_key(), &contents()).map(|_| ()));
        assert!(noticed.is_err(), "{path}");
    }
}

#[test]
fn leaving_out_or_adding_a_field_is_noticed() {
    let document: Value = serde_json::from_slice(&signed().to_json().unwrap()).unwrap();
    let names: Vec<String> = document["receipt"].as_object().unwrap().keys().cloned().collect();
    for name in names {
        let mut forged = document.clone();
        forged["receipt"].as_object_mut().unwrap().remove(&name);
        let noticed = SignedReceipt::from_json(forged.to_string().as_bytes())
            .and_then(|forged| forged.verify_signature(&key().verifying_key()).map(|_| ()));
        assert!(noticed.is_err(), "without {name}");
    }
    let mut forged = document.clone();
    forged["receipt"]["approvedBy"] = "the minister".into();
    assert!(SignedReceipt::from_json(forged.to_string().as_bytes()).is_err());
    let twice = document.to_string().replacen("\"sequence\":12", "\"sequence\":12,\"sequence\":12", 1);
    assert!(SignedReceipt::from_json(twice.as_bytes()).is_err());
}

#[test]
fn another_key_another_file_and_a_missing_file_are_named() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let verify = |contents: &BTreeMap<String, Vec<u8>>| {
        signed().verify_offline(&key().verifying_key(), contents).map(|_| ()).unwrap_err()
    };
    assert!(matches!(signed().verify_signature(&other.verifying_key()), Err(ReceiptError::OtherKey)));
    let mut claimed = signed();
    claimed.key = Sha256Digest::of(other.verifying_key().as_bytes());
    assert!(matches!(claimed.verify_signature(&other.verifying_key()), Err(ReceiptError::Signature)));
    let mut changed = contents();
    changed.get_mut("table.csv").unwrap()[14] = b'9';
    assert!(matches!(verify(&changed), ReceiptError::Content(name) if name == "table.csv"));
    let mut fewer = contents();
    fewer.remove("table.json");
    assert!(matches!(verify(&fewer), ReceiptError::Missing(name) if name == "table.json"));
    let mut more = contents();
    more.insert("extra.csv".into(), Vec::new());
    assert!(matches!(verify(&more), ReceiptError::Unknown(name) if name == "extra.csv"));
}

#[test]
fn bytes_of_another_format_are_not_signed() {
    let other = Receipt { format: "oscar-checkpoint/1".into(), ..receipt() };
    assert!(matches!(other.sign(&key()), Err(ReceiptError::Format(None))));
}
