//! The firewall. Everything is closed both ways in both namespaces; each further policy
//! opens one path and is named after it. No policy names DNS, the API server, a node or the
//! internet, so pods reach none of them.
//!
//! | policy | namespace | from | to | port |
//! |---|---|---|---|---|
//! | `deny-all` | both | – | – | – |
//! | `allow-gateway-to-lake-api` | workspace | the gateway's pods | lake-api | 8443 |
//! | `allow-operator-to-lake-api` | workspace | the operator's pods | lake-api | 9090 |
//! | `allow-monitoring-to-lake-api` | workspace | the monitoring's pods | lake-api | 9090 |
//! | `allow-workspace-to-object-store` | workspace | lake-api, its probe | the object store | its port |
//! | `allow-intake-to-object-store` | intake | intake, its probe | the object store | its port |
//!
//! The gateway's path exists only while the tenant's isolation is measured to hold and the
//! tenant is not suspended. A peer that is nobody has no policy at all: an empty peer list
//! in a `NetworkPolicy` would mean everybody.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::installation::{ObjectStore, Peer};
use crate::names::{ADMIN_PORT, API_PORT, GATEWAY_POLICY, ROLE_LABEL, Role, Zone, labels};
use crate::tenant_plan::{GatewayAccess, TenantPlan};

/// The label that Kubernetes itself puts on every namespace; nobody can forge it.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// All policies of one namespace.
pub(crate) fn network_policies(plan: &TenantPlan, zone: Zone) -> Vec<NetworkPolicy> {
    let installation = &plan.installation;
    let mut policies = vec![deny_all(plan, zone)];
    match zone {
        Zone::Workspace => {
            let gateway = match plan.gateway {
                GatewayAccess::Open => &installation.gateway,
                GatewayAccess::Withdrawn => &Peer::Nobody,
            };
            let ways = [
                (GATEWAY_POLICY, gateway, API_PORT),
                ("allow-operator-to-lake-api", &installation.operator, ADMIN_PORT),
                ("allow-monitoring-to-lake-api", &installation.monitoring, ADMIN_PORT),
            ];
            policies.extend(ways.into_iter().filter_map(|(name, peer, port)| {
                peer_selector(peer).map(|from| allow_in(plan, zone, name, from, port))
            }));
            let roles = [Role::LakeApi, Role::WorkspaceProbe];
            policies.push(allow_to_store(plan, zone, "allow-workspace-to-object-store", &roles));
        }
        Zone::Intake => {
            policies.push(allow_to_store(plan, zone, "allow-intake-to-object-store", &[Role::Intake]));
        }
    }
    policies
}

/// No rule for either direction, for every pod.
fn deny_all(plan: &TenantPlan, zone: Zone) -> NetworkPolicy {
    policy(
        plan,
        zone,
        "deny-all",
        NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ..NetworkPolicySpec::default()
        },
    )
}

/// Lets `from` reach the lake-api on one port.
fn allow_in(plan: &TenantPlan, zone: Zone, name: &str, from: NetworkPolicyPeer, port: u16) -> NetworkPolicy {
    policy(
        plan,
        zone,
        name,
        NetworkPolicySpec {
            pod_selector: Some(roles(&[Role::LakeApi])),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule { from: Some(vec![from]), ports: Some(vec![tcp(port)]) }]),
            ..NetworkPolicySpec::default()
        },
    )
}

/// Lets pods of certain roles reach the object store, by address and port alone.
fn allow_to_store(plan: &TenantPlan, zone: Zone, name: &str, of: &[Role]) -> NetworkPolicy {
    let ObjectStore { addresses, port, pods, endpoint: _, region: _, person_index_bucket: _ } =
        &plan.installation.object_store;
    let hosts = addresses.iter().map(|address| {
        let cidr = if address.is_ipv4() { format!("{address}/32") } else { format!("{address}/128") };
        NetworkPolicyPeer { ip_block: Some(IPBlock { cidr, except: None }), ..NetworkPolicyPeer::default() }
    });
    let to: Vec<NetworkPolicyPeer> = hosts.chain(peer_selector(pods)).collect();
    // An empty list would mean every destination: then there is no rule instead.
    let egress = if to.is_empty() {
        Vec::new()
    } else {
        vec![NetworkPolicyEgressRule { to: Some(to), ports: Some(vec![tcp(*port)]) }]
    };
    policy(
        plan,
        zone,
        name,
        NetworkPolicySpec {
            pod_selector: Some(roles(of)),
            policy_types: Some(vec!["Egress".to_owned()]),
            egress: Some(egress),
            ..NetworkPolicySpec::default()
        },
    )
}

/// Both directions are always written out, an empty one too: whoever adds a rule to a
/// direction that we had left out would own it, and applying ours would not remove it.
fn policy(plan: &TenantPlan, zone: Zone, name: &str, spec: NetworkPolicySpec) -> NetworkPolicy {
    let NetworkPolicySpec { pod_selector, policy_types, ingress, egress } = spec;
    let (ingress, egress) = (Some(ingress.unwrap_or_default()), Some(egress.unwrap_or_default()));
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(zone.namespace(&plan.name)),
            labels: Some(labels(&plan.name, zone)),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec { pod_selector, policy_types, ingress, egress }),
    }
}

/// The peer as a selector; `None` for nobody.
fn peer_selector(peer: &Peer) -> Option<NetworkPolicyPeer> {
    match peer {
        Peer::Nobody => None,
        Peer::Pods { namespace, labels } => Some(NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector {
                match_labels: Some([(NAMESPACE_NAME.to_owned(), namespace.clone())].into()),
                ..LabelSelector::default()
            }),
            pod_selector: Some(LabelSelector { match_labels: Some(labels.clone()), ..LabelSelector::default() }),
            ip_block: None,
        }),
    }
}

fn roles(roles: &[Role]) -> LabelSelector {
    LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: ROLE_LABEL.to_owned(),
            operator: "In".to_owned(),
            values: Some(roles.iter().map(|role| role.as_str().to_owned()).collect()),
        }]),
        ..LabelSelector::default()
    }
}

fn tcp(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some("TCP".to_owned()),
        port: Some(IntOrString::Int(i32::from(port))),
        end_port: None,
    }
}
