//! What a run needs, and what keeps it from starting.

use kube::ResourceExt;
use oscar_blueprint::TenantPlan;
use oscar_crds::condition::{ISOLATED, STORAGE_READY};
use oscar_crds::{Extract, PermitPhase, Tenant};
use oscar_permit::{DatasetName, PermitId};

use crate::controllers::claim::{Claim, claim};
use crate::controllers::context::{Context, tenant_name};
use crate::controllers::data_permit::{claim_of, counted_for};

/// What a run needs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: TenantPlan,
    pub(super) permit: PermitId,
    pub(super) dataset: DatasetName,
}

/// Why no run may start.
#[derive(Debug)]
pub(super) struct Lapse {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// What becomes of a run that has begun.
    pub(super) under_way: UnderWay,
}

/// A run that has begun when it no longer may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnderWay {
    /// It was started in order, and what is missing now may be there in a moment.
    GoesOn,
    /// Nobody may touch person numbers any more.
    Ends,
}

impl Lapse {
    fn ends(reason: &'static str, message: String) -> Self {
        Self { reason, message, under_way: UnderWay::Ends }
    }
}

/// Everything that must be in order before person numbers are touched, or what is not.
pub(super) fn prepare(context: &Context, extract: &Extract, tenant: Option<&Tenant>) -> Result<Prepared, Lapse> {
    let spec = &extract.spec;
    let tenant = tenant.ok_or_else(|| Lapse::ends("TenantMissing", format!("There is no tenant {}.", spec.tenant)))?;
    let uid = tenant.uid().unwrap_or_default();
    let owners = extract.metadata.owner_references.as_deref().unwrap_or_default();
    let noted = extract.status.as_ref().and_then(|status| status.tenant_uid.as_deref());
    if claim(owners, noted, &uid) == Claim::Foreign {
        let message = "The extract belongs to an earlier tenant of this name; make a new one for the present tenant.";
        return Err(Lapse::ends("TenantReplaced", message.to_owned()));
    }
    if tenant.spec.suspend {
        return Err(Lapse::ends("TenantSuspended", format!("Tenant {} is suspended.", spec.tenant)));
    }
    let conditions = tenant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for needed in [STORAGE_READY, ISOLATED] {
        let status = conditions.iter().find(|condition| condition.type_ == needed).map(|found| found.status.as_str());
        if status != Some("True") {
            let breached = needed == ISOLATED && status == Some("False");
            return Err(Lapse {
                reason: "TenantNotReady",
                message: format!("Tenant {} is not {needed}.", spec.tenant),
                under_way: if breached { UnderWay::Ends } else { UnderWay::GoesOn },
            });
        }
    }
    let found = context.permits.find(|guard| guard.name_any() == spec.permit);
    let permit = found.as_ref().and_then(|guard| guard.0.as_ref().ok());
    let permit = permit.filter(|permit| permit.metadata.deletion_timestamp.is_none());
    let permit =
        permit.ok_or_else(|| Lapse::ends("PermitMissing", format!("There is no permit object {}.", spec.permit)))?;
    let in_force = permit.status.as_ref().and_then(|status| status.phase) == Some(PermitPhase::InForce);
    if permit.spec.tenant != spec.tenant || !in_force {
        let message = format!("Permit {} is not in force for tenant {}.", spec.permit, spec.tenant);
        return Err(Lapse::ends("PermitNotInForce", message));
    }
    if claim_of(permit, &uid) != Claim::Own {
        let message = format!("Permit {} does not belong to this tenant.", spec.permit);
        return Err(Lapse::ends("PermitNotInForce", message));
    }
    if let Err(why) = counted_for(context, permit, tenant) {
        let message = format!("Permit {} counts for nothing: {why}.", spec.permit);
        return Err(Lapse::ends("PermitNotInForce", message));
    }
    if !permit.spec.datasets.iter().any(|grant| grant.dataset == spec.dataset) {
        let message = format!("Permit {} does not name dataset {}.", spec.permit, spec.dataset);
        return Err(Lapse::ends("DatasetNotPermitted", message));
    }
    let invalid = |what: &str| Lapse::ends("Invalid", format!("{what} is not a valid name."));
    Ok(Prepared {
        permit: PermitId::new(permit.spec.id.clone()).map_err(|_| invalid("the permit's id"))?,
        dataset: DatasetName::new(spec.dataset.clone()).map_err(|_| invalid("the dataset"))?,
        plan: TenantPlan::bare(
            context.installation(),
            tenant_name(tenant).ok_or_else(|| invalid("the tenant"))?,
            uid,
            tenant.spec.compute.size,
        ),
    })
}
