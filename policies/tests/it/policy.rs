//! A policy with its binding, as the API server reads them.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec,
};
use k8s_openapi::api::core::v1::ConfigMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One file of policies.
pub(crate) struct PolicyFile {
    /// The name without `oscar-`.
    pub(crate) name: &'static str,
    pub(crate) policy: ValidatingAdmissionPolicy,
    pub(crate) binding: ValidatingAdmissionPolicyBinding,
}

impl PolicyFile {
    pub(crate) fn spec(&self) -> &ValidatingAdmissionPolicySpec {
        self.policy.spec.as_ref().unwrap()
    }

    pub(crate) fn binding_spec(&self) -> &ValidatingAdmissionPolicyBindingSpec {
        self.binding.spec.as_ref().unwrap()
    }

    pub(crate) fn expressions(&self) -> Vec<&str> {
        self.spec().validations.iter().flatten().map(|validation| validation.expression.as_str()).collect()
    }
}

/// All policies.
pub(crate) fn policies() -> Vec<PolicyFile> {
    oscar_policies::POLICIES
        .into_iter()
        .map(|(name, text)| {
            let (policy, binding) = text.split_once("\n---\n").unwrap_or_else(|| panic!("{name}: no binding"));
            PolicyFile { name, policy: parse(name, policy), binding: parse(name, binding) }
        })
        .collect()
}

/// Reads a document and holds that no word of it was overlooked: a field with a wrong name
/// would be no field.
pub(crate) fn parse<T: DeserializeOwned + serde::Serialize>(name: &str, text: &str) -> T {
    let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let typed: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(&typed).unwrap(), value, "{name}: a field that the kind does not have");
    typed
}

/// The settings that the test cases are written for.
pub(crate) fn settings() -> Value {
    let text = include_str!("../../testdata/settings.yaml");
    serde_json::to_value(parse::<ConfigMap>("testdata/settings.yaml", text)).unwrap()
}
