//! The keys of a tenant's token issuers, old and new, and what people are told of their age.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::Api;
use oscar_access::jwks_fetched_at;
use oscar_blueprint::names::Zone;
use oscar_blueprint::{Issuer, JWKS, KEYS_COUNT_SECONDS, jwks_file};
use oscar_crds::Tenant;
use oscar_crds::condition::{Finding, KEYS_FRESH};

use super::dereference::Found;
use crate::controllers::context::Context;
use crate::jwks::Keys;

/// The issuers' keys that the tenant has, needed only while an issuer does not answer; `None`
/// when that cannot be told.
pub(super) async fn known_keys(context: &Context, tenant: &Tenant, found: &Found) -> Option<BTreeMap<String, String>> {
    if found.issuer_keys.iter().all(|keys| keys.jwks().is_some()) {
        return Some(BTreeMap::new());
    }
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &Zone::Workspace.namespace(&found.name));
    let data = match api.get_opt(JWKS).await {
        Ok(config_map) => config_map.and_then(|config_map| config_map.data).unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "the issuers' keys of before cannot be read");
            return None;
        }
    };
    Some(known_of(tenant.spec.issuers.iter().map(|issuer| issuer.issuer.as_str()), &data))
}

/// The keys of these issuers in a tenant's files. Keys that do not say when they were fetched
/// may be of any age and would count for ever.
fn known_of<'i>(issuers: impl Iterator<Item = &'i str>, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let known = issuers.filter_map(|issuer| {
        let jwks = files.get(&jwks_file(issuer))?;
        let is_dated = matches!(jwks_fetched_at(jwks.as_bytes()), Ok(Some(_)));
        is_dated.then(|| (issuer.to_owned(), jwks.clone()))
    });
    known.collect()
}

/// Whether the keys that a tenant is given are those of now, and if not, how long they count.
pub(super) fn keys_fresh<'k>(issuers: impl Iterator<Item = (&'k Issuer, &'k Keys)>) -> Finding {
    let (mut faults, mut not_asked) = (Vec::new(), false);
    for (Issuer { issuer, audience: _, authorized_parties: _, jwks }, keys) in issuers {
        match keys {
            Keys::Known(_) => {}
            Keys::NotAsked => not_asked = true,
            Keys::Unreachable { why, before: _ } => {
                let meanwhile = match jwks.as_deref().and_then(times) {
                    Some((fetched, until)) => format!("those fetched at {fetched} count until {until}"),
                    None => "there are none of before, so its tokens are refused".to_owned(),
                };
                faults.push(format!("The keys of {issuer} cannot be fetched ({why}); {meanwhile}."));
            }
        }
    }
    if !faults.is_empty() {
        Finding::no(KEYS_FRESH, "IssuerUnreachable", faults.join(" "))
    } else if not_asked {
        Finding::unknown(KEYS_FRESH, "NotAsked", "The token issuers' keys have not been fetched yet.")
    } else {
        Finding::yes(KEYS_FRESH, "Fetched", "The token issuers' keys were fetched at the last try.")
    }
}

/// When keys were fetched and when they stop to count.
fn times(jwks: &str) -> Option<(Timestamp, Timestamp)> {
    let fetched = jwks_fetched_at(jwks.as_bytes()).ok()??;
    let fetched = Timestamp::from_second(i64::try_from(fetched).ok()?).ok()?;
    let until = fetched.checked_add(SignedDuration::from_secs(i64::try_from(KEYS_COUNT_SECONDS).ok()?)).ok()?;
    Some((fetched, until))
}

#[cfg(test)]
mod tests {
    use oscar_access::dated_jwks;

    use super::*;

    const ISSUER: &str = "https://login.example.dk";

    fn dated(second: u64) -> String {
        dated_jwks(r#"{"keys":[]}"#, second).unwrap()
    }

    fn told(keys: &Keys, jwks: Option<String>) -> Finding {
        let (audience, authorized_parties) = ("oscar-host".to_owned(), Vec::new());
        keys_fresh(std::iter::once((&Issuer { issuer: ISSUER.to_owned(), audience, authorized_parties, jwks }, keys)))
    }

    #[test]
    fn an_issuer_that_is_away_is_told_of_while_its_old_keys_serve() {
        let away = Keys::Unreachable { why: "no complete answer in time".into(), before: None };
        let finding = told(&away, Some(dated(1_764_352_000)));
        assert_eq!((finding.holds, finding.reason.as_str()), (Some(false), "IssuerUnreachable"));
        for said in [ISSUER, "no complete answer", "at 2025-11-28T17:46:40Z", "until 2025-11-28T18:46:50Z"] {
            assert!(finding.message.contains(said), "{}", finding.message);
        }
        let finding = told(&away, None);
        assert!(finding.message.contains("its tokens are refused"), "{}", finding.message);
        assert_eq!(told(&Keys::NotAsked, None).holds, None);
        assert_eq!(told(&Keys::Known(dated(0).into()), Some(dated(0))).holds, Some(true));
    }

    #[test]
    fn keys_keep_their_time_over_a_restart_and_those_without_one_are_not_taken_up() {
        let other = "https://id.example.dk";
        let files = BTreeMap::from([
            (jwks_file(ISSUER), dated(1_764_352_000)),
            (jwks_file(other), r#"{"keys":[]}"#.to_owned()),
        ]);
        let known = known_of([ISSUER, other, "https://new.example.dk"].into_iter(), &files);
        assert_eq!(known, BTreeMap::from([(ISSUER.to_owned(), dated(1_764_352_000))]));
    }
}
