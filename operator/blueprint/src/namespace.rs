//! The two namespaces of a tenant.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::names::{Zone, labels};
use crate::tenant_plan::TenantPlan;

/// A namespace that the Tenant owns: garbage collection deletes it with the Tenant, and
/// ownership is by UID, so a namespace of an earlier Tenant of the same name is not ours.
pub(crate) fn namespace(plan: &TenantPlan, zone: Zone) -> Namespace {
    let mut labels = labels(&plan.name, zone);
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), "restricted".to_owned());
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}-version"),
            plan.installation.pod_security_version.clone(),
        );
    }
    Namespace {
        metadata: ObjectMeta {
            name: Some(zone.namespace(&plan.name)),
            labels: Some(labels),
            owner_references: Some(vec![owner(plan)]),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// The reference to the Tenant.
pub(crate) fn owner(plan: &TenantPlan) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", oscar_crds::GROUP, oscar_crds::VERSION),
        kind: "Tenant".to_owned(),
        name: plan.name.to_string(),
        uid: plan.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
