//! Identities inside the cluster: pods have one because they must, and no token for it.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::{LAKE_API, Zone, labels};
use crate::tenant_plan::TenantPlan;

/// The account of a zone's pods.
pub(crate) const fn account(zone: Zone) -> &'static str {
    match zone {
        Zone::Workspace => LAKE_API,
        Zone::Intake => "intake",
    }
}

/// The zone's account and `default`, which every namespace has: neither mounts a token.
pub(crate) fn service_accounts(plan: &TenantPlan, zone: Zone) -> Vec<ServiceAccount> {
    [account(zone), "default"]
        .into_iter()
        .map(|name| ServiceAccount {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(zone.namespace(&plan.name)),
                labels: Some(labels(&plan.name, zone)),
                ..ObjectMeta::default()
            },
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        })
        .collect()
}
