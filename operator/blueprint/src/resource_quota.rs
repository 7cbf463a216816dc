//! How much a namespace may hold, and what a container gets that asks for nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::compute::Resources;
use crate::names::{Zone, labels};
use crate::probe_job::kept_seconds;
use crate::tenant_plan::TenantPlan;

/// Jobs besides measurements: runs of extracts.
const JOBS: u32 = 40;

fn metadata(plan: &TenantPlan, zone: Zone) -> ObjectMeta {
    ObjectMeta {
        name: Some("tenant".to_owned()),
        namespace: Some(zone.namespace(&plan.name)),
        labels: Some(labels(&plan.name, zone)),
        ..ObjectMeta::default()
    }
}

/// Room for two of everything (a rollout runs old and new side by side) and the probes, no
/// way to open a port on a node or a load balancer.
pub(crate) fn resource_quota(plan: &TenantPlan, zone: Zone) -> ResourceQuota {
    let resources = Resources::of(plan.compute, zone, &plan.installation.scratch);
    // A firewall that does not hold is measured every ten seconds, and each measurement stays a while.
    let jobs = JOBS + kept_seconds(plan) / 10;
    let hard = resources
        .quota()
        .into_iter()
        .chain([
            ("count/jobs.batch", jobs.to_string()),
            ("count/cronjobs.batch", "20".to_owned()),
            ("configmaps", "12".to_owned()),
            ("secrets", "10".to_owned()),
            ("services", "2".to_owned()),
            ("services.loadbalancers", "0".to_owned()),
            ("services.nodeports", "0".to_owned()),
        ])
        .map(|(name, amount)| (name.to_owned(), Quantity(amount)))
        .collect();
    ResourceQuota {
        metadata: metadata(plan, zone),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    }
}

/// What a container gets that asks for nothing: little.
pub(crate) fn limit_range(plan: &TenantPlan, zone: Zone) -> LimitRange {
    let little = |cpu: &str, memory: &str, disk: &str| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory), ("ephemeral-storage", disk)]
            .into_iter()
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .collect()
    };
    LimitRange {
        metadata: metadata(plan, zone),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default: Some(little("100m", "64Mi", "16Mi")),
                default_request: Some(little("10m", "32Mi", "16Mi")),
                ..LimitRangeItem::default()
            }],
        }),
    }
}
