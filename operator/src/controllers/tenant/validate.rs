//! Step two, pure: from what was found to a plan, with what is wrong said in words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use oscar_blueprint::names::API_PORT;
use oscar_blueprint::{
    GatewayAccess, Installation, Issuer, PERMITS_ROOM, Running, Secrets, TenantPlan, Unknown, permit_file,
};
use oscar_crds::{Tenant, TokenIssuer};
use oscar_permit::{DataPermit, Denial, PermitId};

use super::dereference::Found;
use crate::jwks::Keys;
use crate::keys::{KeysError, SpokeKeys};

/// The largest quota in bytes: what a signed 64-bit number holds, as every reader of it expects.
const LARGEST_QUOTA: u64 = i64::MAX.unsigned_abs();

/// Why a tenant has no plan.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// A quota that is no amount. The schema lets none through.
    #[error("spec.storage.quota is not an amount of bytes")]
    Quota,
}

/// A permit that counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaultyPermit {
    /// Its object.
    object: String,
    /// Why.
    why: String,
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

/// Judges what was found at `now`. `known_keys` are the issuers' keys that the tenant has, when
/// they could be read.
///
/// # Errors
/// See [`ValidateError`].
pub(crate) fn validate(
    tenant: &Tenant,
    found: &Found,
    installation: &Arc<Installation>,
    spoke: &SpokeKeys,
    known_keys: Option<&BTreeMap<String, String>>,
    now: DateTime<Utc>,
) -> Result<Validated, ValidateError> {
    let (permits, faulty) = permits(&found.permits, installation, now);
    let faulty_permits = faulty.iter().map(|FaultyPermit { object, why }| format!("{object}: {why}")).collect();
    let permit_digests =
        permits.iter().filter_map(|permit| Some((permit.id.to_string(), permit.digest().ok()?.to_string()))).collect();
    let issuers = tenant.spec.issuers.iter().zip(&found.issuer_keys).map(|(spec, keys)| issuer(spec, keys, known_keys));
    let running = if tenant.spec.suspend { Running::Suspended } else { Running::Yes };
    let bucket = bucket(tenant, found);
    let plan = TenantPlan {
        installation: Arc::clone(installation),
        name: found.name.clone(),
        uid: found.uid.clone(),
        compute: tenant.spec.compute.size,
        running,
        gateway: GatewayAccess::Withdrawn,
        // Copies that are there stay while the Secrets cannot be read.
        pull_secrets: found.pull_secrets.as_ref().map_or_else(|_| Vec::new(), Clone::clone),
        unknown: Unknown {
            // What is damaged or gone is known to be so, and serves nobody.
            secrets: found.keys.as_ref().is_err_and(KeysError::is_transient),
            issuer_keys: known_keys.is_none(),
        },
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

/// The tenant's bucket, as the store or, while it is away, the record of before has it.
fn bucket(tenant: &Tenant, found: &Found) -> Option<String> {
    let ensured = found.storage.as_ref().ok().map(|ensured| ensured.bucket.clone());
    let made = || found.keys.as_ref().ok()?.made.as_ref().map(|made| made.bucket.clone());
    let named = || tenant.status.as_ref()?.bucket.clone();
    ensured.or_else(made).or_else(named)
}

/// The permits that count, and why the others do not. Two of one reference number are both
/// in doubt.
fn permits(
    objects: &[oscar_crds::DataPermit],
    installation: &Installation,
    now: DateTime<Utc>,
) -> (Vec<DataPermit>, Vec<FaultyPermit>) {
    let mut good: Vec<(&ObjectMeta, DataPermit)> = Vec::new();
    let mut faulty = Vec::new();
    for object in objects {
        match permit_of(object, installation) {
            Ok(permit) => good.push((&object.metadata, permit)),
            Err(why) => faulty.push(FaultyPermit { object: object.name_any(), why }),
        }
    }
    let mut seen: BTreeSet<&PermitId> = BTreeSet::new();
    let twice: BTreeSet<PermitId> =
        good.iter().map(|(_, permit)| &permit.id).filter(|id| !seen.insert(id)).cloned().collect();
    let (doubtful, good): (Vec<_>, Vec<_>) = good.into_iter().partition(|(_, permit)| twice.contains(&permit.id));
    faulty.extend(doubtful.into_iter().map(|(metadata, permit)| FaultyPermit {
        object: metadata.name.clone().unwrap_or_default(),
        why: format!("{} is in several objects, so none of them counts; delete all but one", permit.id),
    }));
    let permits = fitting(good, now, &mut faulty);
    (permits, faulty)
}

/// The permits whose files have room together. Without the others the API server takes the rest;
/// with them it would take none, nor a revocation. Those that may count come before those that
/// are over, and older ones before newer: no new permit takes away what is in force. One that is
/// over and has no room is left out without a word: to be absent and to be over is the same.
fn fitting(
    mut permits: Vec<(&ObjectMeta, DataPermit)>,
    now: DateTime<Utc>,
    faulty: &mut Vec<FaultyPermit>,
) -> Vec<DataPermit> {
    let is_over = |permit: &DataPermit| matches!(permit.in_force(now), Err(Denial::Expired(_) | Denial::Revoked(_)));
    permits.sort_by_cached_key(|(metadata, permit)| {
        let made = metadata.creation_timestamp.as_ref().map(|made| made.0);
        (is_over(permit), made, metadata.name.clone())
    });
    let mut room = PERMITS_ROOM;
    let mut fitting = Vec::new();
    for (metadata, permit) in permits {
        // What has no canonical form has no digest either; the blueprint says so.
        let size = permit_file(&permit).map_or(0, |(file, text)| file.len() + text.len());
        if let Some(left) = room.checked_sub(size) {
            room = left;
            fitting.push(permit);
        } else if !is_over(&permit) {
            let why = format!(
                "it takes {size} bytes and {room} of the {PERMITS_ROOM} for a tenant's permits are left; delete \
                 permits that are not needed any more, or divide the persons and tables among fewer and shorter ones"
            );
            faulty.push(FaultyPermit { object: metadata.name.clone().unwrap_or_default(), why });
        }
    }
    fitting.sort_by(|one, other| one.id.cmp(&other.id));
    fitting
}

/// The permit of an object, when it counts `among` all of its tenant's.
///
/// # Errors
/// Why it counts for nothing.
pub(crate) fn counted(
    object: &oscar_crds::DataPermit,
    among: &[oscar_crds::DataPermit],
    installation: &Installation,
    now: DateTime<Utc>,
) -> Result<DataPermit, String> {
    let permit = permit_of(object, installation)?;
    let (_, faulty) = permits(among, installation, now);
    let fault = faulty.into_iter().find(|fault| fault.object == object.name_any());
    fault.map_or(Ok(permit), |fault| Err(fault.why))
}

/// The permit of one object, when it can be followed here.
///
/// # Errors
/// Why it counts for nothing.
fn permit_of(object: &oscar_crds::DataPermit, installation: &Installation) -> Result<DataPermit, String> {
    let permit = object.spec.permit().map_err(|error| error.to_string())?;
    let file = format!("{}.yaml", permit.profile);
    if installation.profiles.contains_key(&file) {
        Ok(permit)
    } else {
        let known: Vec<&str> = installation.profiles.keys().filter_map(|file| file.strip_suffix(".yaml")).collect();
        Err(format!("the disclosure profile {} is not known here; known are {}", permit.profile, known.join(", ")))
    }
}

fn issuer(spec: &TokenIssuer, keys: &Keys, known_keys: Option<&BTreeMap<String, String>>) -> Issuer {
    let TokenIssuer { issuer, audience, authorized_parties } = spec;
    // After a restart with the issuer away: what the tenant was given before, with its time.
    let jwks = keys.jwks().map(ToString::to_string).or_else(|| known_keys?.get(issuer).cloned());
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
    use serde_json::json;

    use super::*;
    use crate::fixture::installation;

    /// A permit object of about so many kilobytes, made in the `made`-th minute.
    fn object(id: &str, made: u32, kilobytes: usize, until: &str) -> oscar_crds::DataPermit {
        let person =
            |number| json!({"issuer": "https://a.dk", "subject": format!("{number:0>937}"), "role": "analyst"});
        let persons: Vec<serde_json::Value> = (0..kilobytes).map(person).collect();
        serde_json::from_value(json!({
            "apiVersion": "host.oscar-project.com/v1alpha1", "kind": "DataPermit",
            "metadata": {"name": id.to_lowercase(), "creationTimestamp": format!("2026-01-01T00:{made:02}:00Z")},
            "spec": {
                "id": id, "tenant": "acme", "authority": "A", "legalBasis": "B", "purpose": ["DUO:0000007"],
                "profile": "sds", "persons": persons, "datasets": [{"dataset": "d", "tables": [{"table": "t"}]}],
                "validFrom": "2020-01-01T00:00:00Z", "validUntil": until,
            },
        }))
        .unwrap()
    }

    /// The ids of the permits that count, and what is said of others.
    fn counting(objects: &[oscar_crds::DataPermit]) -> (Vec<String>, Vec<String>) {
        let good: Vec<(&ObjectMeta, DataPermit)> =
            objects.iter().map(|object| (&object.metadata, object.spec.permit().unwrap())).collect();
        let mut faulty = Vec::new();
        let now = "2026-11-28T00:00:00Z".parse().unwrap();
        let fitting = fitting(good, now, &mut faulty);
        let size: usize = fitting.iter().map(|permit| permit_file(permit).unwrap().1.len()).sum();
        assert!(size <= PERMITS_ROOM);
        let faulty = faulty.into_iter().map(|FaultyPermit { object, why }| format!("{object}: {why}"));
        (fitting.into_iter().map(|permit| permit.id.to_string()).collect(), faulty.collect())
    }

    #[test]
    fn a_permit_that_has_no_room_is_named_and_the_others_count() {
        const LATER: &str = "2030-01-01T00:00:00Z";
        let all = [object("A", 3, 400, LATER), object("B", 2, 600, LATER), object("C", 1, 300, LATER)];
        let (counting_ids, faulty) = counting(&all);
        assert_eq!(counting_ids, ["B", "C"], "the newest has no room");
        assert!(
            matches!(&*faulty, [why] if why.starts_with("a: it takes ") && why.contains("delete permits")),
            "{faulty:?}"
        );
        assert_eq!(counting(&[object("D", 1, 1200, LATER), object("E", 2, 1, LATER)]).0, ["E"]);
        assert_eq!(counting(&all[1..]).1, Vec::<String>::new());
    }

    #[test]
    fn a_permit_that_is_over_makes_room_without_a_word() {
        let over = object("A", 1, 600, "2026-11-01T00:00:00Z");
        let in_force = object("B", 2, 600, "2030-01-01T00:00:00Z");
        assert_eq!(counting(&[over.clone(), in_force]), (vec!["B".to_owned()], Vec::new()));
        assert_eq!(counting(&[over]).0, ["A"], "it stays as long as it has room");
    }

    #[test]
    fn two_permits_of_one_number_count_for_nothing_and_each_is_said_to() {
        let now = "2026-11-28T00:00:00Z".parse().unwrap();
        let (one, other) = (object("A", 1, 1, "2030-01-01T00:00:00Z"), object("B", 1, 1, "2030-01-01T00:00:00Z"));
        let mut twin = one.clone();
        twin.metadata.name = Some("twin".to_owned());
        let all = [one.clone(), other.clone(), twin.clone()];
        let said = |object: &oscar_crds::DataPermit| counted(object, &all, &installation(), now);
        assert!(said(&one).unwrap_err().contains("A is in several objects"));
        assert!(said(&twin).unwrap_err().contains("A is in several objects"));
        assert!(said(&other).is_ok());
        assert!(counted(&one, &all[..2], &installation(), now).is_ok(), "when the other one is gone");
        let given: Vec<String> =
            permits(&all, &installation(), now).0.into_iter().map(|permit| permit.id.to_string()).collect();
        assert_eq!(given, ["B"], "what the lake-api is given");
    }

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
