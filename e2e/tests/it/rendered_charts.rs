//! What Helm makes of the charts: the whole install, as it was read last.
//!
//! To look at a change: `cargo test --workspace -- rendered_charts`, then read and rename the
//! `.snap.new` files, or set `INSTA_UPDATE=always`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use oscar_e2e::readme::blocks;
use oscar_e2e::{binary, workspace_root};
use serde_json::{Map, Value};

use crate::helm::{documents, helm, render, values};

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(workspace_root().join("charts").join(path)).unwrap()
}

fn name(object: &Value) -> String {
    format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
}

/// The admission policies as they lie in the chart's files.
fn policies() -> BTreeMap<String, Value> {
    let folder = workspace_root().join("charts/oscar-host/files/policies");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let texts: Vec<String> = files.collect();
    let objects = texts.iter().flat_map(|text| text.split("\n---\n")).map(yaml);
    objects.map(|object| (name(&object), object)).collect()
}

/// One document as a reviewer reads it. What the chart carries as a file is compared with the
/// file, and only its name is kept.
fn reviewed(document: &str, policies: &BTreeMap<String, Value>) -> String {
    let object = yaml(document);
    let name = name(&object);
    if let Some(policy) = policies.get(&name) {
        assert_eq!(&object, policy, "{name} is not as in files/policies");
    } else if name == "ConfigMap oscar-dashboard" {
        let (carried, read) =
            (&object["data"]["oscar-host.json"], |text: &str| serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(read(carried.as_str().unwrap()), read(&file("oscar-host/files/dashboard.json")));
        return format!("# {name}: files/dashboard.json, with the labels {}\n", object["metadata"]["labels"]);
    } else if name == "PrometheusRule oscar-host" {
        assert_eq!(object["spec"], yaml(&file("oscar-host/files/alerts.yaml")));
        return format!("# {name}: files/alerts.yaml, with the labels {}\n", object["metadata"]["labels"]);
    } else {
        return format!("---\n{document}");
    }
    format!("# {name}: as in files/policies\n")
}

fn install(helm: &Path, with: &str) -> String {
    let policies = policies();
    let documents = documents(helm, "oscar-host", Some(with));
    let carried = documents.iter().filter(|document| policies.contains_key(&name(&yaml(document)))).count();
    assert_eq!(carried, policies.len(), "a policy is missing");
    documents.iter().map(|document| reviewed(document, &policies)).collect()
}

#[test]
fn the_smallest_install_is_as_it_was_read_last() {
    if let Some(helm) = helm() {
        insta::assert_snapshot!("minimal", install(helm, "minimal"));
    }
}

#[test]
fn the_install_with_everything_is_as_it_was_read_last() {
    if let Some(helm) = helm() {
        insta::assert_snapshot!("everything", install(helm, "everything"));
    }
}

#[test]
fn the_definitions_are_installed_as_they_lie_in_their_chart() {
    let Some(helm) = helm() else { return };
    let documents = documents(helm, "oscar-crds", None);
    let rendered: BTreeMap<String, Value> =
        documents.iter().map(|text| yaml(text)).map(|object| (name(&object), object)).collect();
    let files = ["datapermits", "extracts", "tenants"]
        .map(|file_name| yaml(&file(&format!("oscar-crds/templates/{file_name}.yaml"))));
    assert_eq!(rendered, files.into_iter().map(|object| (name(&object), object)).collect());
}

/// Every value of `defaults` that `given` leaves as it is.
fn left_alone(defaults: &Map<String, Value>, given: &Map<String, Value>, path: &str, found: &mut Vec<String>) {
    for (key, default) in defaults {
        let path = format!("{path}.{key}");
        match (default, given.get(key)) {
            (Value::Object(default), Some(Value::Object(given))) if !default.is_empty() => {
                left_alone(default, given, &path, found);
            }
            (default, Some(given)) if given != default => {}
            _ => found.push(path),
        }
    }
}

#[test]
fn everything_means_every_value_that_the_chart_knows() {
    let (mut defaults, mut given) =
        (yaml(&file("oscar-host/values.yaml")), yaml(&std::fs::read_to_string(values("everything")).unwrap()));
    // How identities and encryption are given depends on their kind; of the dashboard's labels one is added.
    for value in [&mut defaults, &mut given] {
        for of_a_kind in ["identities", "encryption"] {
            let kind = value["objectStore"][of_a_kind]["kind"].take();
            value["objectStore"][of_a_kind] = kind;
        }
        value["dashboard"]["labels"] = value["dashboard"]["labels"].to_string().into();
    }
    let mut found = Vec::new();
    left_alone(defaults.as_object().unwrap(), given.as_object().unwrap(), "", &mut found);
    assert!(found.is_empty(), "values/everything.yaml leaves these as they are by default: {found:?}");
}

#[test]
fn the_operator_accepts_the_settings_that_the_chart_writes() {
    let Some(helm) = helm() else { return };
    for with in ["minimal", "everything"] {
        let documents = documents(helm, "oscar-host", Some(with));
        let settings =
            documents.iter().map(|text| yaml(text)).find(|object| name(object) == "ConfigMap oscar-operator");
        let settings = settings.unwrap()["data"]["operator.yaml"].as_str().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.yaml");
        std::fs::write(&path, settings).unwrap();
        let output = Command::new(binary("oscar-operator")).args(["check", "--settings"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{with}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_values_that_the_charts_readme_shows_are_accepted() {
    let Some(helm) = helm() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shown.yaml");
    let (shown, minimal) = (path.to_str().unwrap(), values("minimal"));
    for section in ["A cluster to try it on", "Monitoring"] {
        let blocks = blocks(&file("README.md"), section).unwrap().into_iter();
        let blocks: Vec<_> =
            blocks.filter(|block| block.language == "yaml" && !block.text.starts_with("kind: ")).collect();
        assert!(!blocks.is_empty(), "{section} shows no values");
        for block in blocks {
            std::fs::write(&path, block.text.replace("sha256:…", &format!("sha256:{}", "0".repeat(64)))).unwrap();
            let output = render(helm, "oscar-host", &["-f", minimal.to_str().unwrap(), "-f", shown]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn a_value_that_cannot_be_meant_is_refused_by_name() {
    let Some(helm) = helm() else { return };
    let minimal = values("minimal");
    let minimal = ["-f", minimal.to_str().unwrap()];
    let with = |more: &[&str]| -> String {
        let output = render(helm, "oscar-host", more);
        assert!(!output.status.success(), "{more:?} is accepted");
        String::from_utf8(output.stderr).unwrap()
    };
    let nothing_given = with(&[]);
    for missing in [
        "/operator/image",
        "/lakeApi/image",
        "/objectStore/endpoint",
        "/objectStore/addresses",
        "/probe/outsideTcp",
        "/probe/outsideUdp",
    ] {
        assert!(nothing_given.contains(&format!("at '{missing}'")), "{missing} is not asked for: {nothing_given}");
    }
    let refused = [
        (r#"{"operator": {"imagee": "x"}}"#, "at '/operator': additional properties 'imagee' not allowed"),
        (r#"{"dashbord": {"enabled": true}}"#, "additional properties 'dashbord' not allowed"),
        (
            r#"{"operator": {"image": "registry.example/oscar/operator:1"}}"#,
            "at '/operator/image': 'registry.example/oscar/operator:1' does not match pattern '^[^@",
        ),
        (r#"{"lakeApi": {"image": "registry.example/oscar/lake-api@sha256:12"}}"#, "at '/lakeApi/image'"),
        (
            r#"{"admission": {"furtherImages": ["registry.example/oscar/lake-api:1"]}}"#,
            "at '/admission/furtherImages/0'",
        ),
        (r#"{"objectStore": {"addresses": []}}"#, "at '/objectStore/addresses': minItems: got 0, want 1"),
        (
            r#"{"objectStore": {"addresses": ["s3.example.dk"]}}"#,
            "at '/objectStore/addresses/0': 's3.example.dk' does not match",
        ),
        (
            r#"{"objectStore": {"endpoint": "s3.example.dk"}}"#,
            "at '/objectStore/endpoint': 's3.example.dk' does not match pattern '^https?",
        ),
        (r#"{"objectStore": {"encryption": {"kind": "kms"}}}"#, "objectStore.encryption.key is needed for kms"),
        (
            r#"{"objectStore": {"identities": {"kind": "sessions"}}}"#,
            "objectStore.identities.roleArn is needed for sessions",
        ),
        (r#"{"gateway": {"labels": null}}"#, "at '/gateway'"),
        (r#"{"monitoring": {"namespace": "monitoring"}}"#, "at '/monitoring/labels': minProperties: got 0, want 1"),
        (
            r#"{"probe": {"outsideTcp": ["example.dk:443"]}}"#,
            "at '/probe/outsideTcp/0': 'example.dk:443' does not match",
        ),
        (r#"{"probe": {"metadata": []}}"#, "at '/probe/metadata': minItems: got 0, want 1"),
        (r#"{"admission": {"administrators": []}}"#, "at '/admission/administrators': minItems: got 0, want 1"),
        (r#"{"dashboard": {"enabled": "yes"}}"#, "at '/dashboard/enabled': got string, want boolean"),
        (r#"{"podMonitor": {"labels": {"release": 1}}}"#, "at '/podMonitor/labels/release': got number, want string"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("more.yaml");
    for (more, said) in refused {
        std::fs::write(&file, more).unwrap();
        let answer = with(&[&minimal[..], &["-f", file.to_str().unwrap()]].concat());
        assert!(answer.contains(said), "{more}: {answer}");
    }
    let elsewhere = with(&[&minimal[..], &["--namespace", "elsewhere"]].concat());
    assert!(elsewhere.contains("install this chart into namespace oscar-host"), "{elsewhere}");
}
