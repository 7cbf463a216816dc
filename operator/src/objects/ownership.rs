//! Who owns which fields, from what server-side apply records.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use oscar_blueprint::names::BREAK_GLASS;
use serde_json::{Map, Value};

/// What the Deployment controller counts in an annotation.
const REVISION: &str = "f:metadata/f:annotations/f:deployment.kubernetes.io/revision";
/// What a cluster's own controllers write into objects of ours, besides status: which field,
/// and under which name. K3s runs all controllers in one process of its own name.
const HARMLESS: [(&str, &str); 2] = [(REVISION, "kube-controller-manager"), (REVISION, "k3s")];

/// The field sets of everybody but us, status aside, by manager. Empty: nobody laid hands on
/// the object. An `Update` under our own name is not ours either: we only ever apply.
#[must_use]
pub fn foreign_fields(entries: &[ManagedFieldsEntry], manager: &str) -> Vec<(String, Value)> {
    entries
        .iter()
        .filter(|entry| entry.subresource.as_deref().is_none_or(str::is_empty))
        .filter(|entry| !(entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some("Apply")))
        .filter_map(|entry| {
            let who = entry.manager.clone().unwrap_or_default();
            let fields = without_harmless(entry.fields_v1.as_ref().map(|fields| &fields.0)?, &who)?;
            Some((who, fields))
        })
        .collect()
}

/// A hash of the fields that we own. The API server takes a field out of our set when somebody
/// else removes it, and gives it to nobody.
#[must_use]
pub(super) fn own_fields(entries: &[ManagedFieldsEntry], manager: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    entries
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some("Apply"))
        .filter_map(|entry| entry.fields_v1.as_ref())
        .for_each(|fields| fields.0.to_string().hash(&mut hasher));
    hasher.finish()
}

/// The set without what is harmless and without markers; `None` when nothing is left.
fn without_harmless(fields: &Value, who: &str) -> Option<Value> {
    let is_harmless = |path: &str| {
        // Who may write these says an admission policy; when they end, `break_glass.rs`.
        let opens_a_door =
            path.strip_prefix("f:metadata/f:annotations/f:").is_some_and(|key| BREAK_GLASS.contains(&key));
        opens_a_door || HARMLESS.iter().any(|(known, by)| *known == path && *by == who)
    };
    pruned(fields, &mut { is_harmless }, "")
}

fn pruned(fields: &Value, harmless: &mut impl FnMut(&str) -> bool, at: &str) -> Option<Value> {
    let Value::Object(children) = fields else { return None };
    let mut left = Map::new();
    for (key, child) in children {
        // "." says that the parent itself is owned; our own set says so too.
        if key == "." {
            continue;
        }
        let path = if at.is_empty() { key.clone() } else { format!("{at}/{key}") };
        if harmless(&path) {
            continue;
        }
        let is_leaf = child.as_object().is_none_or(Map::is_empty);
        if is_leaf {
            left.insert(key.clone(), Value::Object(Map::new()));
        } else if let Some(child) = pruned(child, harmless, &path) {
            left.insert(key.clone(), child);
        }
    }
    (!left.is_empty()).then_some(Value::Object(left))
}

/// A JSON merge patch that removes the fields of a set; `None` when the set reaches into a
/// list, which a merge patch cannot.
#[must_use]
pub(crate) fn removal_patch(fields: &Value) -> Option<Value> {
    let Value::Object(children) = fields else { return Some(Value::Null) };
    if children.is_empty() {
        return Some(Value::Null);
    }
    let mut patch = Map::new();
    for (key, child) in children {
        let name = key.strip_prefix("f:")?;
        patch.insert(name.to_owned(), removal_patch(child)?);
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::json;

    const US: &str = "oscar-operator/tenant";

    fn entry(manager: &str, operation: &str, subresource: Option<&str>, fields: Value) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some(operation.to_owned()),
            subresource: subresource.map(str::to_owned),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        }
    }

    #[test]
    fn a_field_of_ours_that_is_taken_away_shows_and_what_others_own_does_not() {
        let ours = |fields: Value| entry(US, "Apply", None, fields);
        let whole = own_fields(&[ours(json!({"f:spec": {"f:ingress": {}, "f:egress": {}}}))], US);
        let cut = own_fields(&[ours(json!({"f:spec": {"f:ingress": {}}}))], US);
        let others = entry("kubectl-patch", "Update", None, json!({"f:spec": {"f:podSelector": {}}}));
        let beside = own_fields(&[ours(json!({"f:spec": {"f:ingress": {}}})), others], US);
        assert_ne!(whole, cut);
        assert_eq!(cut, beside);
        assert_ne!(cut, own_fields(&[], US), "an object that we never applied");
    }

    #[test]
    fn our_own_fields_and_anybodys_status_are_no_drift() {
        let managed = [
            entry(US, "Apply", None, json!({"f:spec": {"f:ingress": {}}})),
            entry("kube-controller-manager", "Update", Some("status"), json!({"f:status": {"f:replicas": {}}})),
            entry(
                "kube-controller-manager",
                "Update",
                None,
                json!({
                    "f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}},
                }),
            ),
        ];
        assert_eq!(foreign_fields(&managed, US), Vec::new());
    }

    #[test]
    fn a_break_glass_entry_is_no_drift_and_whatever_comes_with_it_is() {
        let annotations = |more: Option<&str>| {
            let mut keys: Map<String, Value> = BREAK_GLASS.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
            keys.extend(more.map(|key| (key.to_owned(), json!({}))));
            entry("kubectl-annotate", "Update", None, json!({"f:metadata": {"f:annotations": keys}}))
        };
        assert_eq!(foreign_fields(&[annotations(None)], US), Vec::new());
        let left = foreign_fields(&[annotations(Some("f:evil"))], US);
        assert_eq!(left[0].1, json!({"f:metadata": {"f:annotations": {"f:evil": {}}}}));
    }

    #[test]
    fn whoever_else_changes_something_is_seen() {
        let spec = json!({"f:spec": {"f:egress": {}}});
        for foreign in [
            entry("kubectl-edit", "Update", None, spec.clone()),
            entry("gitops", "Apply", None, spec.clone()),
            // Our name, but not the way we write.
            entry(US, "Update", None, spec.clone()),
            // The harmless field of a controller in somebody else's name.
            entry(
                "evil",
                "Update",
                None,
                json!({"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}}}),
            ),
        ] {
            assert_eq!(foreign_fields(&[foreign], US).len(), 1);
        }
    }

    #[test]
    fn what_was_added_can_be_taken_away() {
        let fields = json!({"f:metadata": {"f:labels": {"f:x": {}}}, "f:spec": {"f:scopes": {}}});
        assert_eq!(
            removal_patch(&fields),
            Some(json!({"metadata": {"labels": {"x": null}}, "spec": {"scopes": null}}))
        );
        let in_a_list = json!({"f:spec": {"f:containers": {"k:{\"name\":\"evil\"}": {}}}});
        assert_eq!(removal_patch(&in_a_list), None);
    }
}
