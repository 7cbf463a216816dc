//! Who is told what.

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::fixture::{objects, of_kind, one, plan, secrets};

fn texts(secret: &Value) -> String {
    let data = secret["data"].as_object().unwrap();
    let decoded = data.iter().map(|(name, value)| {
        let bytes: ByteString = serde_json::from_value(value.clone()).unwrap();
        format!("{name}={}\n", String::from_utf8(bytes.0).unwrap())
    });
    decoded.collect()
}

#[test]
fn the_workspace_and_the_intake_zone_do_not_know_each_others_secrets() {
    let of = |zone: &str| -> String {
        let all = of_kind(&plan(), "Secret");
        all.iter().filter(|secret| secret["metadata"]["namespace"] == zone).map(texts).collect()
    };
    let (workspace, intake) = (of("oscar-acme"), of("oscar-acme-intake"));
    for only_workspace in ["ledger.key", "draw.key", "workspace-secret", "CERTIFICATE KEY"] {
        assert!(workspace.contains(only_workspace) && !intake.contains(only_workspace), "{only_workspace}");
    }
    for only_intake in ["pseudonyms.key", "person-index.key", "intake-secret"] {
        assert!(intake.contains(only_intake) && !workspace.contains(only_intake), "{only_intake}");
    }
}

#[test]
fn a_secret_stands_in_secrets_alone() {
    let secret = secrets();
    let values = [
        secret.workspace_access.secret.clone(),
        secret.intake_access.secret.clone(),
        secret.certificate_key.clone(),
        "a".repeat(64),
        "b".repeat(64),
    ];
    for object in objects(&plan()) {
        let text = object.json.to_string();
        if object.kind.kind != "Secret" {
            assert!(values.iter().all(|value| !text.contains(value)), "{object}");
        }
    }
    let debug = format!("{:?}", plan());
    assert!(values.iter().all(|value| !debug.contains(value)));
}

#[test]
fn nothing_reads_its_secrets_through_arguments_or_plain_variables() {
    let deployment = one(&plan(), "Deployment", "oscar-acme", "lake-api");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array().unwrap();
    assert!(variables.iter().all(|variable| variable["name"] == "TMPDIR"));
}
