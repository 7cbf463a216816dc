//! Every case in `testdata`.

use std::collections::BTreeSet;

use crate::case::{case, cases, folders};
use crate::evaluation::{Answer, ask};
use crate::policy::{policies, settings};

#[test]
fn every_policy_has_cases_and_every_case_a_policy() {
    let names: BTreeSet<String> = policies().iter().map(|policy| policy.name.to_owned()).collect();
    for kind in ["allow", "deny"] {
        assert_eq!(folders(kind).into_iter().collect::<BTreeSet<_>>(), names, "{kind}");
        assert!(names.iter().all(|name| !cases(kind, name).is_empty()), "{kind}");
    }
}

#[test]
fn what_may_be_is_allowed_by_every_policy() {
    let (policies, settings) = (policies(), settings());
    for owner in &policies {
        for case in cases("allow", owner.name) {
            assert_eq!(case.message, None, "{}", case.path);
            for policy in &policies {
                let answer = ask(policy, &case.admission, Some(&settings));
                assert!(answer.allows(), "{}: {}: {answer:?}", case.path, policy.name);
                let asked = answer != Answer::NotAsked;
                assert!(asked || policy.name != owner.name, "{}: its policy does not look at it", case.path);
            }
        }
    }
}

#[test]
fn what_may_not_be_is_denied_and_the_reason_is_said() {
    let settings = settings();
    for policy in policies() {
        let mut dead: BTreeSet<usize> = (0..policy.expressions().len()).collect();
        for case in cases("deny", policy.name) {
            let Answer::Judged { faults, audit: _ } = ask(&policy, &case.admission, Some(&settings)) else {
                panic!("{}: its policy does not look at it", case.path)
            };
            // An expression that breaks denies as well, but says nothing to people.
            assert!(faults.iter().all(|fault| !fault.broken), "{}: {faults:?}", case.path);
            let expected = case.message.unwrap_or_else(|| panic!("{}: expects no message", case.path));
            assert!(faults.iter().any(|fault| fault.message.contains(&expected)), "{}: {faults:?}", case.path);
            if let [fault] = faults.as_slice() {
                dead.remove(&fault.validation);
            }
        }
        assert!(dead.is_empty(), "{}: nothing is denied by validations {dead:?} alone", policy.name);
    }
}

#[test]
fn without_settings_tenants_are_closed_and_the_rest_of_the_cluster_is_not() {
    for policy in policies() {
        let all = [cases("allow", policy.name), cases("deny", policy.name)].concat();
        for case in all {
            let answer = ask(&policy, &case.admission, None);
            if policy.spec().param_kind.is_some() && answer != Answer::NotAsked {
                assert_eq!(answer, Answer::NoSettings, "{}", case.path);
                let (request, object) = (&case.admission.request, case.admission.object.or(case.admission.old_object));
                let concerns_us = request.namespace.starts_with("oscar-")
                    || object.is_some_and(|object| object["metadata"]["name"].as_str().unwrap().starts_with("oscar-"));
                assert!(concerns_us, "{}", case.path);
            }
        }
    }
}

#[test]
fn a_break_glass_entry_and_its_use_are_marked_in_the_audit_log() {
    let settings = settings();
    let marks = |name: &str, path: &str| -> Vec<String> {
        let policy = policies().into_iter().find(|policy| policy.name == name).unwrap();
        match ask(&policy, &case(path).admission, Some(&settings)) {
            Answer::Judged { faults: _, audit } => {
                audit.into_iter().map(|(key, value)| format!("{key}: {value}")).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(
        marks("break-glass", "allow/break-glass/member-opens"),
        ["break-glass: opened by grace until 2026-11-20T15:30:00Z: Incident 4711: the lake-api hangs in a release."]
    );
    assert_eq!(
        marks("break-glass", "allow/break-glass/operator-closes"),
        ["break-glass: closed by system:serviceaccount:oscar-host:oscar-operator"]
    );
    assert_eq!(
        marks("tenant-doors", "allow/tenant-doors/exec-after-break-glass"),
        ["break-glass: grace used pods/exec on lake-api-6d4cf56db6-x2x4z, open until 2026-11-20T15:30:00Z: \
          Incident 4711: the lake-api hangs in a release."]
    );
    assert_eq!(marks("tenant-doors", "deny/tenant-doors/exec-workspace"), none);
}
