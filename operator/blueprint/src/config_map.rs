//! Configuration files, permits, issuers' keys, profiles and the probes' plan.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use oscar_permit::{CanonicalError, DataPermit, ProbePlan, Sha256Digest, canonical_json};

use crate::names::{PROBE, Zone, labels};
use crate::service_config::{jwks_file, service_config};
use crate::tenant_plan::TenantPlan;

/// The configuration of the zone's program.
pub(crate) const CONFIG: &str = "config";
/// The tenant's permits.
pub(crate) const PERMITS: &str = "permits";
/// The issuers' keys.
pub const JWKS: &str = "jwks";
/// The disclosure profiles.
pub(crate) const PROFILES: &str = "profiles";
/// The authorities that programs trust, where they are not the image's own.
pub(crate) const AUTHORITIES: &str = "authorities";
/// Their file.
pub(crate) const AUTHORITIES_FILE: &str = "ca.crt";

/// The bytes that the files of a tenant's permits may have together: the API server takes no
/// `ConfigMap` of more than a mebibyte.
pub const PERMITS_ROOM: usize = 1_000_000;

/// A permit's file: its name and its text.
///
/// # Errors
/// When the permit has no canonical form.
pub fn permit_file(permit: &DataPermit) -> Result<(String, String), CanonicalError> {
    Ok((format!("{}.json", permit.id), text(permit)?))
}

/// A zone's files and the digests that pods are told of.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) config_maps: Vec<ConfigMap>,
    /// Digest of what a program reads once, at its start: a change restarts it.
    pub(crate) at_start: Sha256Digest,
    /// Digest of what it reads again and again: a change refreshes its volumes.
    pub(crate) at_run: Sha256Digest,
}

/// All files of a zone.
pub(crate) fn files(plan: &TenantPlan, zone: Zone, probe: &ProbePlan) -> Result<Files, CanonicalError> {
    let config = BTreeMap::from([("serve.yaml".to_owned(), text(&service_config(plan, zone))?)]);
    let permits: BTreeMap<String, String> = plan.permits.iter().map(permit_file).collect::<Result<_, _>>()?;
    let jwks: BTreeMap<String, String> = match zone {
        Zone::Workspace => {
            plan.issuers.iter().filter_map(|issuer| Some((jwks_file(&issuer.issuer), issuer.jwks.clone()?))).collect()
        }
        Zone::Intake => BTreeMap::new(),
    };
    let profiles = plan.installation.profiles.clone();
    let bundle = &plan.installation.ca_bundle;
    let at_start = Sha256Digest::of(match bundle {
        Some(bundle) => canonical_json(&(&config, &profiles, bundle))?,
        None => canonical_json(&(&config, &profiles))?,
    });
    let at_run = Sha256Digest::of(canonical_json(&(&permits, &jwks))?);
    let probe = BTreeMap::from([("plan.json".to_owned(), text(probe)?)]);
    let all = [(CONFIG, config), (PERMITS, permits), (JWKS, jwks), (PROFILES, profiles), (PROBE, probe)];
    let authorities =
        bundle.iter().map(|bundle| (AUTHORITIES, BTreeMap::from([(AUTHORITIES_FILE.to_owned(), bundle.clone())])));
    let all = all.into_iter().chain(authorities);
    let config_maps = all.map(|(name, data)| config_map(plan, zone, name, data)).collect();
    Ok(Files { config_maps, at_start, at_run })
}

fn text(value: &impl serde::Serialize) -> Result<String, CanonicalError> {
    Ok(String::from_utf8_lossy(&canonical_json(value)?).into_owned())
}

fn config_map(plan: &TenantPlan, zone: Zone, name: &str, data: BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(zone.namespace(&plan.name)),
            labels: Some(labels(&plan.name, zone)),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..ConfigMap::default()
    }
}
