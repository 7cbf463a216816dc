//! The order of application.

use oscar_blueprint::Object;

use crate::fixture::{objects, plan};

fn position(objects: &[Object], kind: &str, first: bool) -> usize {
    let is = |object: &Object| object.kind.kind == kind;
    let found = if first { objects.iter().position(is) } else { objects.iter().rposition(is) };
    found.unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn policies_and_quotas_stand_before_anything_that_runs() {
    let objects = objects(&plan());
    assert!(position(&objects, "Namespace", false) < position(&objects, "NetworkPolicy", true));
    for before in ["NetworkPolicy", "ResourceQuota", "LimitRange", "ServiceAccount", "Secret", "ConfigMap"] {
        for after in ["Deployment", "CronJob"] {
            assert!(position(&objects, before, false) < position(&objects, after, true), "{before} before {after}");
        }
    }
}

#[test]
fn no_two_objects_have_one_name() {
    let objects = objects(&plan());
    let mut names: Vec<String> = objects.iter().map(ToString::to_string).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn every_object_says_whose_it_is() {
    for object in objects(&plan()) {
        let labels = &object.json["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/managed-by"], "oscar-operator", "{object}");
        assert_eq!(labels["host.oscar-project.com/tenant"], "acme", "{object}");
    }
}
