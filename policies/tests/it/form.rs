//! How every policy and binding is set up.

use crate::policy::{parse, policies, settings};

const OPERATOR: &str = "system:serviceaccount:oscar-host:oscar-operator";

#[test]
fn every_policy_closes_when_it_cannot_decide() {
    for policy in policies() {
        assert_eq!(policy.spec().failure_policy.as_deref(), Some("Fail"), "{}", policy.name);
        assert_eq!(policy.binding_spec().policy_name.as_deref(), policy.policy.metadata.name.as_deref());
        assert_eq!(policy.policy.metadata.name, Some(format!("oscar-{}", policy.name)));
        assert_eq!(policy.binding.metadata.name, policy.policy.metadata.name);
        assert_eq!(policy.binding_spec().validation_actions, Some(vec!["Deny".to_owned(), "Audit".to_owned()]));
        assert_eq!(
            policy.binding_spec().match_resources,
            None,
            "{}: a binding must not narrow its policy",
            policy.name
        );
    }
}

#[test]
fn settings_are_one_object_and_must_be_there() {
    for policy in policies() {
        assert_eq!(policy.spec().param_kind.is_some(), policy.binding_spec().param_ref.is_some(), "{}", policy.name);
        if let Some(reference) = &policy.binding_spec().param_ref {
            assert_eq!(reference.name.as_deref(), settings()["metadata"]["name"].as_str());
            assert_eq!(reference.namespace.as_deref(), settings()["metadata"]["namespace"].as_str());
            assert_eq!(reference.parameter_not_found_action.as_deref(), Some("Deny"));
        }
    }
}

#[test]
fn the_shipped_settings_have_the_same_lists_and_allow_no_image() {
    let shipped: k8s_openapi::api::core::v1::ConfigMap = parse("settings.yaml", oscar_policies::SETTINGS);
    let shipped = shipped.data.unwrap();
    assert_eq!(shipped.keys().collect::<Vec<_>>(), settings()["data"].as_object().unwrap().keys().collect::<Vec<_>>());
    assert_eq!(shipped["imageDigests"].trim(), "");
    assert_eq!(shipped["breakGlassGroups"].trim(), "");
}

#[test]
fn every_policy_means_the_same_operator() {
    for (name, text) in oscar_policies::POLICIES {
        for word in text.split(['\'', ' ', '"']).filter(|word| word.contains("serviceaccount:oscar-host")) {
            assert_eq!(word, OPERATOR, "{name}");
        }
    }
}

#[test]
fn every_denial_has_words() {
    for policy in policies() {
        for validation in policy.spec().validations.iter().flatten() {
            assert!(validation.message.as_ref().is_some_and(|message| message.len() > 20), "{}", policy.name);
        }
    }
}

#[test]
fn the_chart_carries_these_policies_and_no_others() {
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/oscar-host/files/policies");
    for (name, text) in oscar_policies::POLICIES {
        let carried = std::fs::read_to_string(chart.join(format!("{name}.yaml"))).unwrap();
        assert_eq!(carried, text, "copy policies/{name}.yaml to charts/oscar-host/files/policies");
    }
    assert_eq!(std::fs::read_dir(chart).unwrap().count(), oscar_policies::POLICIES.len());
}

#[test]
fn the_chart_carries_these_profiles_and_no_others() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str| -> std::collections::BTreeMap<_, _> {
        let entries = std::fs::read_dir(here.join(folder)).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.file_name(), std::fs::read_to_string(entry.path()).unwrap())).collect()
    };
    let (ours, carried) = (files("profiles"), files("../charts/oscar-host/files/profiles"));
    assert!(!ours.is_empty() && ours == carried, "copy policies/profiles to charts/oscar-host/files/profiles");
}
