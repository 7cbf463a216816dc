//! All objects of a tenant, in the order in which they are applied.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::ConfigMap;
use oscar_permit::{CanonicalError, ProbePlan, Sha256Digest};

use crate::config_map::{Files, JWKS, files};
use crate::deployment::{deployment, service};
use crate::names::Zone;
use crate::namespace::namespace;
use crate::network_policy::network_policies;
use crate::object::{Kind, Object, ObjectError};
use crate::probe_job::cron_job;
use crate::probe_plan::probe_plan;
use crate::resource_quota::{limit_range, resource_quota};
use crate::secret::{pull_secrets, secrets};
use crate::service_account::service_accounts;
use crate::tenant_plan::{Running, TenantPlan, Unknown};

/// Why a plan has no objects.
#[derive(Debug, thiserror::Error)]
pub enum BlueprintError {
    /// An object that cannot be written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A file that has no canonical form.
    #[error("a permit or a configuration has no canonical form")]
    Canonical(#[from] CanonicalError),
}

/// A tenant's objects.
#[derive(Debug, Clone)]
pub struct TenantObjects {
    /// In the order of application.
    pub objects: Vec<Object>,
    /// What belongs to the tenant and is not applied now, because what it follows from is not
    /// known: it stays as it is, or is missing for another while.
    pub left_alone: Vec<Object>,
    /// Digest of the workspace's probe plan.
    pub workspace_probe: Sha256Digest,
    /// Digest of the intake zone's probe plan.
    pub intake_probe: Sha256Digest,
    /// Digest of the permits and issuers' keys that the lake-api reads while it runs.
    pub mounted: Sha256Digest,
}

impl TenantObjects {
    /// The digest that a probe of `zone` must carry to count.
    #[must_use]
    pub const fn probe_digest(&self, zone: Zone) -> Sha256Digest {
        match zone {
            Zone::Workspace => self.workspace_probe,
            Zone::Intake => self.intake_probe,
        }
    }
}

/// Builds everything.
///
/// The order is part of the security argument. Namespaces come first, with their Pod
/// Security labels. The policies follow before anything that could run: no pod ever starts
/// in a namespace without `deny-all`. Quotas stand before what they bound, accounts without
/// tokens before the pods that would mount one, secrets and files before the pods that read
/// them, and the programs come last.
///
/// # Errors
/// See [`BlueprintError`].
pub fn tenant_objects(plan: &TenantPlan) -> Result<TenantObjects, BlueprintError> {
    let mut objects = Vec::new();
    for zone in Zone::ALL {
        objects.push(Object::new(&namespace(plan, zone))?);
    }
    for zone in Zone::ALL {
        for policy in network_policies(plan, zone) {
            objects.push(Object::new(&policy)?);
        }
        objects.push(Object::new(&resource_quota(plan, zone))?);
        objects.push(Object::new(&limit_range(plan, zone))?);
        for account in service_accounts(plan, zone) {
            objects.push(Object::new(&account)?);
        }
    }
    let (workspace_plan, intake_plan) = (probe_plan(plan, Zone::Workspace)?, probe_plan(plan, Zone::Intake)?);
    let (workspace_probe, intake_probe) = (workspace_plan.digest()?, intake_plan.digest()?);
    let workspace_files = push_files(&mut objects, plan, Zone::Workspace, &workspace_plan)?;
    push_files(&mut objects, plan, Zone::Intake, &intake_plan)?;
    objects.push(Object::new(&service(plan))?);
    objects.push(Object::new(&deployment(plan, workspace_files.at_start))?);
    objects.push(Object::new(&cron_job(plan, Zone::Workspace, workspace_probe))?);
    objects.push(Object::new(&cron_job(plan, Zone::Intake, intake_probe))?);
    let (objects, left_alone) = objects.into_iter().partition(|object| is_known(plan, object));
    Ok(TenantObjects { objects, left_alone, workspace_probe, intake_probe, mounted: workspace_files.at_run })
}

/// Whether everything that an object follows from is known. A suspended tenant runs nothing,
/// with or without secrets.
fn is_known(plan: &TenantPlan, object: &Object) -> bool {
    let Unknown { secrets, issuer_keys } = plan.unknown;
    let programs = [Kind::of::<Deployment>(), Kind::of::<CronJob>()];
    let runs = secrets && plan.running == Running::Yes && programs.contains(&object.kind);
    let keys = issuer_keys && object.kind == Kind::of::<ConfigMap>() && object.name == JWKS;
    !runs && !keys
}

fn push_files(
    objects: &mut Vec<Object>,
    plan: &TenantPlan,
    zone: Zone,
    probe: &ProbePlan,
) -> Result<Files, BlueprintError> {
    for secret in secrets(plan, zone).into_iter().chain(pull_secrets(plan, zone)) {
        objects.push(Object::new(&secret)?);
    }
    let files = files(plan, zone, probe)?;
    for config_map in &files.config_maps {
        objects.push(Object::new(config_map)?);
    }
    Ok(files)
}
