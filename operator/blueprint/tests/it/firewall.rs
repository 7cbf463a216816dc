//! What the policies let through, for every plan.

use std::sync::Arc;

use oscar_blueprint::{GatewayAccess, Peer, TenantPlan};
use serde_json::{Value, json};

use crate::fixture::{installation, of_kind, one, plan};

const ZONES: [&str; 2] = ["oscar-acme", "oscar-acme-intake"];

/// Plans that differ in what the policies depend on.
fn plans() -> Vec<TenantPlan> {
    let mut plans = vec![plan()];
    plans.push(TenantPlan { gateway: GatewayAccess::Withdrawn, ..plan() });
    let mut lonely = installation();
    (lonely.gateway, lonely.monitoring, lonely.operator) = (Peer::Nobody, Peer::Nobody, Peer::Nobody);
    lonely.object_store.addresses.clear();
    plans.push(TenantPlan { installation: Arc::new(lonely), ..plan() });
    plans
}

#[test]
fn both_namespaces_deny_everything_first() {
    for plan in plans() {
        for zone in ZONES {
            let spec = &one(&plan, "NetworkPolicy", zone, "deny-all")["spec"];
            assert_eq!(
                *spec,
                json!({
                    "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": [],
                })
            );
        }
    }
}

/// An empty peer list, a rule without ports and an empty selector all mean "everything".
#[test]
fn no_rule_means_everybody_or_every_port() {
    for plan in plans() {
        for policy in of_kind(&plan, "NetworkPolicy") {
            for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
                for rule in policy["spec"][direction].as_array().unwrap() {
                    let peers = rule[peers].as_array().unwrap();
                    assert!(!peers.is_empty(), "{policy}");
                    assert!(rule["ports"].as_array().is_some_and(|ports| ports.len() == 1), "{policy}");
                    assert!(peers.iter().all(is_narrow), "{policy}");
                }
            }
        }
    }
}

/// One address, or labelled pods of one namespace.
fn is_narrow(peer: &Value) -> bool {
    let cidr = peer["ipBlock"]["cidr"].as_str().is_some_and(|cidr| cidr.ends_with("/32") || cidr.ends_with("/128"));
    let labelled = |selector: &str| peer[selector]["matchLabels"].as_object().is_some_and(|labels| !labels.is_empty());
    cidr || (labelled("namespaceSelector") && labelled("podSelector"))
}

#[test]
fn dns_the_api_server_and_nodes_are_named_by_no_policy() {
    let text = serde_json::to_string(&of_kind(&plan(), "NetworkPolicy")).unwrap();
    for closed in ["10.96.", "169.254.", "198.51.100.1", "0.0.0.0", "\"UDP\"", ":53,", "kube-system", "6443", "10250"] {
        assert!(!text.contains(closed), "{closed}");
    }
}

#[test]
fn the_gateways_path_exists_only_while_it_is_open() {
    let names = |plan: &TenantPlan| -> Vec<String> {
        let policies = of_kind(plan, "NetworkPolicy");
        policies.iter().map(|policy| policy["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = plans();
    assert!(names(&all[0]).contains(&"allow-gateway-to-lake-api".to_owned()));
    assert!(!names(&all[1]).contains(&"allow-gateway-to-lake-api".to_owned()));
    // Nobody has no policy; the store without addresses has a policy without rules.
    assert_eq!(
        names(&all[2]),
        ["deny-all", "allow-workspace-to-object-store", "deny-all", "allow-intake-to-object-store",]
    );
    assert_eq!(one(&all[2], "NetworkPolicy", ZONES[0], "allow-workspace-to-object-store")["spec"]["egress"], json!([]));
}

#[test]
fn the_intake_zone_lets_nobody_in() {
    for policy in of_kind(&plan(), "NetworkPolicy") {
        if policy["metadata"]["namespace"] == ZONES[1] {
            assert_eq!(policy["spec"]["ingress"], json!([]), "{policy}");
        }
    }
}

#[test]
fn namespaces_hold_their_pods_to_the_restricted_standard() {
    for namespace in of_kind(&plan(), "Namespace") {
        for mode in ["enforce", "audit", "warn"] {
            let label =
                |suffix: &str| &namespace["metadata"]["labels"][format!("pod-security.kubernetes.io/{mode}{suffix}")];
            assert_eq!((label(""), label("-version")), (&json!("restricted"), &json!("v1.34")));
        }
        assert_eq!(namespace["metadata"]["ownerReferences"][0]["uid"], plan().uid);
    }
}
