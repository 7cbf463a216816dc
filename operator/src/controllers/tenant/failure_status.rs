//! What is said of a reconcile that failed: how it failed, and all that was measured until then.

use kube::Resource;
use kube::runtime::events::EventType;
use oscar_crds::Tenant;
use oscar_crds::condition::{Finding, ISOLATED, PERMITS_APPLIED, READY, RECONCILING, STALLED};

use super::TenantError;
use super::update_status::{Outcome, announce, findings, gauge, merged, status_of, write};
use crate::controllers::context::Context;

/// The conditions of a reconcile that failed: what was measured until then, and the failure.
/// Pure.
#[must_use]
fn failure_findings(tenant: &Tenant, error: &TenantError, outcome: Option<&Outcome>) -> Vec<Finding> {
    let mut findings = outcome.map(|outcome| findings(tenant, outcome)).unwrap_or_default();
    findings.retain(|finding| finding.kind != READY && finding.kind != RECONCILING);
    let reason = error.reason();
    if !error.is_transient() {
        findings.retain(|finding| finding.kind != STALLED);
        findings.push(Finding::yes(STALLED, reason, error.to_string()));
        if tenant.metadata.deletion_timestamp.is_none() {
            // Good news of what may not even be ours: the gateway is withdrawn.
            findings
                .retain(|finding| ![ISOLATED, PERMITS_APPLIED].contains(&finding.kind) || finding.holds == Some(false));
            for kind in [ISOLATED, PERMITS_APPLIED] {
                if findings.iter().all(|finding| finding.kind != kind) {
                    findings.push(Finding::unknown(kind, reason, "It was not looked at: see Stalled."));
                }
            }
        }
    }
    findings.push(Finding::no(READY, reason, error.to_string()));
    findings
}

/// Says a failure that ended a reconcile in the status, too; what nobody looked at stays as it was.
pub(crate) async fn say_failure(context: &Context, tenant: &Tenant, error: &TenantError, outcome: Option<&Outcome>) {
    let before = tenant.status.clone().unwrap_or_default();
    let findings = failure_findings(tenant, error, outcome);
    let mut conditions = merged(tenant, &before, &findings);
    let others = before.conditions.iter().filter(|old| findings.iter().all(|finding| finding.kind != old.type_));
    conditions.extend(others.cloned());
    let status = status_of(tenant, &before, conditions, outcome);
    // The alerts are about tenants that are to be there.
    if tenant.metadata.deletion_timestamp.is_none() {
        gauge(context, tenant, &status);
    }
    if status == before {
        return;
    }
    if let Err(error) = write(context, tenant, &status).await {
        tracing::warn!(%error, "a failure could not be written to the status");
    }
    let measured: Vec<Finding> =
        findings.into_iter().filter(|finding| finding.kind != READY && finding.kind != STALLED).collect();
    announce(context, tenant, &before, &measured).await;
    context.tell(&tenant.object_ref(&()), EventType::Warning, error.reason(), &error.to_string()).await;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use oscar_blueprint::{GatewayAccess, TenantPlan};
    use oscar_crds::ComputeSize;
    use oscar_permit::TenantName;
    use serde_json::json;

    use super::*;
    use crate::controllers::tenant::dereference::Found;
    use crate::controllers::tenant::isolation::Verdict;
    use crate::controllers::tenant::lake_api::{LakeApiReport, Silence};
    use crate::controllers::tenant::validate::Validated;
    use crate::fixture::installation;
    use crate::keys::KeysError;
    use crate::objects::ApplyError;
    use crate::storage::StorageError;

    fn tenant() -> Tenant {
        let issuers = json!([{"issuer": "https://login.example.dk", "audience": "oscar-host"}]);
        let spec = json!({"organisation": {"name": "Acme", "cvr": "12345678"}, "issuers": issuers});
        let metadata = json!({"name": "acme", "uid": "1a2b3c4d-0000", "generation": 3});
        let (api_version, kind) = (Tenant::api_version(&()), Tenant::kind(&()));
        serde_json::from_value(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}))
            .unwrap()
    }

    /// A tenant whose firewall stands as `isolated` says, and whose lake-api judges by `permits`.
    fn outcome(isolated: Finding, gateway: GatewayAccess, lake_api: Result<&[(&str, &str)], Silence>) -> Outcome {
        let name = TenantName::new("acme").unwrap();
        let report = |permits: &[(&str, &str)]| LakeApiReport {
            ready: true,
            missing: Vec::new(),
            permits: permits.iter().map(|(id, digest)| ((*id).to_owned(), (*digest).to_owned())).collect(),
            datasets: None,
            releases: None,
        };
        let plan =
            TenantPlan::bare(Arc::new(installation()), name.clone(), "1a2b3c4d-0000".to_owned(), ComputeSize::Small);
        Outcome {
            found: Found {
                name,
                uid: "1a2b3c4d-0000".to_owned(),
                permits: Vec::new(),
                storage: Err(StorageError::Queued),
                keys: Err(KeysError::Gone("oscar-tenant-acme".to_owned())),
                certificate_fault: None,
                pull_secrets: Ok(Vec::new()),
                issuer_keys: Vec::new(),
                neighbours: Vec::new(),
                own_lake_api: None,
                foreign_policies: Vec::new(),
                measurements: Vec::new(),
                pending_probes: Vec::new(),
                disturbed: BTreeMap::new(),
                deployment: None,
                pods: BTreeMap::new(),
                lake_api: lake_api.map(report),
            },
            validated: Validated {
                plan,
                faulty_permits: Vec::new(),
                permit_digests: BTreeMap::from([("P-1".to_owned(), "new".to_owned())]),
            },
            verdict: Verdict { finding: isolated, gateway, measure: Vec::new(), summary: None },
        }
    }

    /// Somebody changes an object again and again: that may pass.
    fn contested() -> TenantError {
        let object = "ConfigMap oscar-acme/permits".to_owned();
        ApplyError::Contested { object, hands: "somebody".to_owned() }.into()
    }

    /// What the status says of `kind` after a failure.
    fn said<'f>(findings: &'f [Finding], kind: &str) -> Option<(Option<bool>, &'f str)> {
        let mut of_kind = findings.iter().filter(|finding| finding.kind == kind);
        let said = of_kind.next().map(|finding| (finding.holds, finding.reason.as_str()));
        assert!(of_kind.next().is_none(), "{kind} is said twice");
        said
    }

    #[test]
    fn a_failure_does_not_hide_that_a_path_was_found_open() {
        let breached = || {
            let finding = Finding::no(ISOLATED, "Breached", "open: resolver");
            outcome(finding, GatewayAccess::Withdrawn, Ok(&[("P-1", "old")]))
        };
        let foreign = ApplyError::NamespaceConflict("oscar-acme".to_owned()).into();
        for (error, reason) in [(contested(), "Contested"), (foreign, "NamespaceConflict")] {
            let findings = failure_findings(&tenant(), &error, Some(&breached()));
            assert_eq!(said(&findings, ISOLATED), Some((Some(false), "Breached")), "{reason}");
            assert_eq!(said(&findings, PERMITS_APPLIED), Some((Some(false), "NotTakenUp")), "{reason}");
            assert_eq!(said(&findings, READY), Some((Some(false), reason)));
        }
        let findings = failure_findings(&tenant(), &contested(), None);
        assert_eq!(said(&findings, ISOLATED), None, "what nobody looked at stays as it was");
    }

    #[test]
    fn good_news_of_a_namespace_that_may_not_be_ours_do_not_count() {
        let held = || {
            let finding = Finding::yes(ISOLATED, "Measured", "held");
            outcome(finding, GatewayAccess::Open, Ok(&[("P-1", "new")]))
        };
        let findings = failure_findings(&tenant(), &contested(), Some(&held()));
        assert_eq!(said(&findings, ISOLATED), Some((Some(true), "Measured")));
        let foreign = ApplyError::NamespaceConflict("oscar-acme".to_owned()).into();
        for outcome in [Some(&held()), None] {
            let findings = failure_findings(&tenant(), &foreign, outcome);
            assert_eq!(said(&findings, ISOLATED), Some((None, "NamespaceConflict")));
            assert_eq!(said(&findings, PERMITS_APPLIED), Some((None, "NamespaceConflict")));
            assert_eq!(said(&findings, STALLED), Some((Some(true), "NamespaceConflict")));
        }
    }

    #[test]
    fn a_lake_api_that_may_judge_by_a_revoked_permit_is_known() {
        let judges = |lake_api: Result<&[(&str, &str)], Silence>| {
            let finding = Finding::yes(ISOLATED, "Measured", "held");
            outcome(finding, GatewayAccess::Open, lake_api).judges_by_wanted_permits()
        };
        assert!(judges(Ok(&[("P-1", "new")])));
        assert!(judges(Ok(&[])), "a permit that it does not know gives nobody anything");
        assert!(!judges(Ok(&[("P-1", "old")])), "revoked since");
        assert!(!judges(Ok(&[("P-1", "new"), ("P-2", "gone")])), "deleted since");
        assert!(!judges(Err(Silence::TimedOut)) && judges(Err(Silence::NoPod)));
    }
}
