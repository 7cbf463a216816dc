//! Which requests a policy looks at: `matchConstraints` after the rules of the API server.

use k8s_openapi::api::admissionregistration::v1::{MatchResources, NamedRuleWithOperations};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Map, Value};

use crate::request::{Admission, Request};

/// Whether the constraints cover the request.
pub(crate) fn covers(constraints: &MatchResources, admission: &Admission) -> bool {
    let MatchResources { exclude_resource_rules, match_policy, namespace_selector, object_selector, resource_rules } =
        constraints;
    assert!(exclude_resource_rules.is_none(), "exceptions are not understood here");
    assert_eq!(match_policy.as_deref(), Some("Equivalent"), "other versions of a kind must not slip through");
    let rules = resource_rules.as_ref().expect("a policy names what it looks at");
    rules.iter().any(|rule| rule_covers(rule, &admission.request))
        && namespace_selector.as_ref().is_none_or(|selector| in_namespace(selector, admission))
        && object_selector.as_ref().is_none_or(|selector| {
            [&admission.object, &admission.old_object].into_iter().flatten().any(|object| selects(selector, object))
        })
}

fn rule_covers(rule: &NamedRuleWithOperations, request: &Request) -> bool {
    let NamedRuleWithOperations { api_groups, api_versions, operations, resource_names, resources, scope } = rule;
    assert!(resource_names.is_none(), "a deletecollection has no name: rules must not ask for one");
    let any = |words: &Option<Vec<String>>, word: &str| words.iter().flatten().any(|item| item == "*" || item == word);
    let namespaced = request.plural() != "namespaces" && !request.namespace.is_empty();
    let resource = resources.iter().flatten().any(|pattern| {
        let (plural, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
        (plural == "*" || plural == request.plural()) && (subresource == "*" || subresource == request.subresource)
    });
    resource
        && any(operations, &request.operation)
        && any(api_groups, request.group())
        && any(api_versions, &request.version)
        && match scope.as_deref() {
            None | Some("*") => true,
            Some("Namespaced") => namespaced,
            Some("Cluster") => !namespaced,
            Some(other) => panic!("scope {other}"),
        }
}

/// A namespace is selected by what it is after the write; any other object without a
/// namespace always is.
fn in_namespace(selector: &LabelSelector, admission: &Admission) -> bool {
    match (&admission.namespace, admission.request.plural()) {
        (Some(namespace), _) => selects(selector, namespace),
        (None, "namespaces") => selects(selector, admission.object.as_ref().or(admission.old_object.as_ref()).unwrap()),
        (None, _) => true,
    }
}

fn selects(selector: &LabelSelector, object: &Value) -> bool {
    let none = Map::new();
    let labels = object["metadata"]["labels"].as_object().unwrap_or(&none);
    let LabelSelector { match_expressions, match_labels } = selector;
    match_labels.iter().flatten().all(|(key, value)| labels.get(key).and_then(Value::as_str) == Some(value))
        && match_expressions.iter().flatten().all(|requirement| match requirement.operator.as_str() {
            "Exists" => labels.contains_key(&requirement.key),
            other => panic!("operator {other} is not understood here"),
        })
}
