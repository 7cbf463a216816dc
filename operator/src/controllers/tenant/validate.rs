//! Step two, pure: from what was found to a plan, with what is wrong said in words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use oscar_blueprint::names::API_PORT;
use oscar_blueprint::{GatewayAccess, Installation, Issuer, Running, Secrets, TenantPlan};
use oscar_crds::{Tenant, TokenIssuer};
use oscar_permit::{DataPermit, PermitId};

use super::dereference::Found;
use crate::jwks::Keys;
use crate::keys::SpokeKeys;

/// The largest quota in bytes: what a signed 64-bit number holds, as every reader of it expects.
const LARGEST_QUOTA: u64 = i64::MAX.unsigned_abs();

/// Why a tenant has no plan.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// A quota that is no amount. The schema lets none through.
    #[error("spec.storage.quota is not an amount of bytes")]
    Quota,
}

/// A plan and what does not count in it.
#[derive(Debug)]
pub(crate) struct Validated {
    /// The plan; its gateway is withdrawn until isolation was judged.
    pub(crate) plan: TenantPlan,
    /// Permits that count for nothing, with why.
    pub(crate) faulty_permits: Vec<String>,
    /// Digests of the permits that count, by reference number.
    pub(crate) permit_digests: BTreeMap<String, String>,
}

/// Judges what was found.
///
/// # Errors
/// See [`ValidateError`].
pub(crate) fn validate(
    tenant: &Tenant,
    found: &Found,
    installation: &Arc<Installation>,
    spoke: &SpokeKeys,
    known_keys: &BTreeMap<String, String>,
) -> Result<Validated, ValidateError> {
    let (permits, faulty_permits) = permits(found, installation);
    let permit_digests =
        permits.iter().filter_map(|permit| Some((permit.id.to_string(), permit.digest().ok()?.to_string()))).collect();
    let issuers = tenant.spec.issuers.iter().zip(&found.issuer_keys).map(|(spec, keys)| issuer(spec, keys, known_keys));
    let running = if tenant.spec.suspend { Running::Suspended } else { Running::Yes };
    let bucket = match &found.storage {
        Ok(ensured) => Some(ensured.bucket.clone()),
        // The store is away: the bucket is the one of before.
        Err(_) => tenant.status.as_ref().and_then(|status| status.bucket.clone()),
    };
    let plan = TenantPlan {
        installation: Arc::clone(installation),
        name: found.name.clone(),
        uid: found.uid.clone(),
        compute: tenant.spec.compute.size,
        running,
        gateway: GatewayAccess::Withdrawn,
        secrets: bucket.as_ref().and_then(|_| secrets(found, spoke)),
        bucket: bucket.unwrap_or_default(),
        quota_bytes: quota_bytes(&tenant.spec.storage.quota).ok_or(ValidateError::Quota)?,
        issuers: issuers.collect(),
        permits,
        neighbours: found.neighbours.clone(),
        own_lake_api: found.own_lake_api.map(|address| SocketAddr::new(address, API_PORT)),
    };
    Ok(Validated { plan, faulty_permits, permit_digests })
}

/// The permits that count, and why the others do not. Two of one reference number are both
/// in doubt.
fn permits(found: &Found, installation: &Installation) -> (Vec<DataPermit>, Vec<String>) {
    let mut good: Vec<(String, DataPermit)> = Vec::new();
    let mut faulty = Vec::new();
    for object in &found.permits {
        let name = object.metadata.name.clone().unwrap_or_default();
        match permit_of(object, installation) {
            Ok(permit) => good.push((name, permit)),
            Err(why) => faulty.push(format!("{name}: {why}")),
        }
    }
    let mut seen: BTreeSet<&PermitId> = BTreeSet::new();
    let twice: BTreeSet<PermitId> =
        good.iter().map(|(_, permit)| &permit.id).filter(|id| !seen.insert(id)).cloned().collect();
    faulty.extend(twice.iter().map(|id| format!("{id} is in several objects, so none of them counts")));
    let permits = good.into_iter().map(|(_, permit)| permit).filter(|permit| !twice.contains(&permit.id)).collect();
    (permits, faulty)
}

/// The permit of one object, when it can be followed here.
///
/// # Errors
/// Why it counts for nothing.
pub(crate) fn permit_of(object: &oscar_crds::DataPermit, installation: &Installation) -> Result<DataPermit, String> {
    let permit = object.spec.permit().map_err(|error| error.to_string())?;
    let file = format!("{}.yaml", permit.profile);
    if installation.profiles.contains_key(&file) {
        Ok(permit)
    } else {
        let known: Vec<&str> = installation.profiles.keys().filter_map(|file| file.strip_suffix(".yaml")).collect();
        Err(format!("the disclosure profile {} is not known here; known are {}", permit.profile, known.join(", ")))
    }
}

fn issuer(spec: &TokenIssuer, keys: &Keys, known_keys: &BTreeMap<String, String>) -> Issuer {
    let TokenIssuer { issuer, audience, authorized_parties } = spec;
    let jwks = match keys {
        Keys::Known(keys) => Some(keys.to_string()),
        // After a restart with the issuer away: what the tenant was given before still serves.
        Keys::Unreachable(_) | Keys::NotAsked => known_keys.get(issuer).cloned(),
    };
    Issuer { issuer: issuer.clone(), audience: audience.clone(), authorized_parties: authorized_parties.clone(), jwks }
}

fn secrets(found: &Found, spoke: &SpokeKeys) -> Option<Secrets> {
    let keys = found.keys.as_ref().ok()?;
    let access = keys.access.as_ref()?;
    let certificate = keys.certificate.as_ref()?;
    Some(Secrets {
        workspace_keys: keys.workspace_files(),
        intake_keys: keys.intake_files(spoke),
        workspace_access: access.workspace.clone(),
        intake_access: access.intake.clone(),
        certificate: certificate.chain.clone(),
        certificate_key: certificate.key.clone(),
    })
}

/// `100Gi` as bytes; the schema allows Mi, Gi and Ti.
/// The amount in bytes; one beyond what can be counted is as good as the largest that can.
fn quota_bytes(quota: &str) -> Option<u64> {
    let (digits, unit) = quota.split_at_checked(quota.len().checked_sub(2)?)?;
    let shift = match unit {
        "Mi" => 20,
        "Gi" => 30,
        "Ti" => 40,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount = digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1 << shift);
    Some(amount.min(LARGEST_QUOTA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_in_binary_units() {
        assert_eq!(quota_bytes("64Mi"), Some(64 << 20));
        assert_eq!(quota_bytes("100Gi"), Some(100 << 30));
        assert_eq!(quota_bytes("2Ti"), Some(2 << 40));
        for huge in ["99999999999999999999Gi", "17000000Ti", "9223372036854775807Ti"] {
            assert_eq!(quota_bytes(huge), Some(LARGEST_QUOTA), "{huge}");
        }
        for bad in ["", "5", "5Ki", "Gi", "-1Gi", "1.5Gi"] {
            assert_eq!(quota_bytes(bad), None, "{bad}");
        }
    }
}
