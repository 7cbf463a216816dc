//! Doors that people have opened in an emergency, and their closing.
//!
//! An entry is three annotations on a namespace: by whom, why and until when. The admission
//! policies say who may write one and who may then enter pods, but they know no clock: the
//! time ends here. A closed door ends nothing that went through it, so the zone's pods are
//! made anew, and with them ends every session and goes whatever was changed inside; also when
//! the person has closed it herself, which she does by setting an end that is over.
//!
//! ```text
//!  open ── its end ──▶ shut: no end in it, so nobody enters ──▶ pods made anew ──▶ taken off
//! ```
//!
//! Only the operator takes the annotations off, and it does so last: as long as they stand
//! there, whoever is the operator by then knows that pods are still to be made anew.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DeleteParams, ListParams};
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use oscar_blueprint::names::Zone;
use oscar_crds::Tenant;
use oscar_permit::TenantName;
use parking_lot::Mutex;

use crate::controllers::context::Context;
use crate::objects::{ApplyError, Entry};

/// The longest time that a door stays open by one entry. Whoever needs longer opens it again,
/// which is another event.
const LONGEST: SignedDuration = SignedDuration::from_hours(8);

/// Entries of which people were told.
#[derive(Debug, Default)]
pub struct Announced(Mutex<BTreeSet<(String, Entry)>>);

impl Announced {
    /// Notes an entry; whether it is new.
    fn note(&self, namespace: &str, entry: &Entry) -> bool {
        let mut known = self.0.lock();
        known.retain(|(place, old)| place != namespace || old == entry);
        known.insert((namespace.to_owned(), entry.clone()))
    }

    fn forget(&self, namespace: &str) {
        self.0.lock().retain(|(place, _)| place != namespace);
    }
}

/// What becomes of an entry.
#[derive(Debug, PartialEq, Eq)]
enum Door {
    /// It may stay open for so long.
    Open(Duration),
    /// It is to be closed.
    Close(&'static str),
}

fn judge(entry: &Entry, now: Timestamp) -> Door {
    let Entry { by, why, until } = entry;
    if by.is_empty() || why.is_empty() {
        return Door::Close("it does not say by whom and why");
    }
    if until.is_empty() {
        return Door::Close("it has no end any more");
    }
    let Ok(until) = until.parse::<Timestamp>() else { return Door::Close("it does not say until when") };
    let left = until.duration_since(now);
    if left > LONGEST {
        return Door::Close("it is for more than eight hours; open it anew when those are over");
    }
    match Duration::try_from(left) {
        Ok(left) if !left.is_zero() => Door::Open(left),
        Ok(_) | Err(_) => Door::Close("its time is over"),
    }
}

/// Tells of doors that were opened and closes those whose time is over.
///
/// # Errors
/// When the API server does not take it.
pub(super) async fn watch_doors(context: &Context, tenant: &Tenant, name: &TenantName) -> Result<(), ApplyError> {
    let mut open = 0;
    for (namespace, entry) in entries(context, tenant, name) {
        match judge(&entry, Timestamp::now()) {
            Door::Open(_) => {
                open += 1;
                if context.announced.note(&namespace, &entry) {
                    let Entry { by, why, until } = &entry;
                    let note = format!("{by} may enter the pods of {namespace} until {until}: {why}");
                    tracing::warn!(namespace, by, until, why, "break glass: opened");
                    context.tell(&tenant.object_ref(&()), EventType::Warning, "BreakGlassOpened", &note).await;
                }
            }
            Door::Close(because) => close(context, tenant, &namespace, &entry, because).await?,
        }
    }
    context.metrics.doors(&tenant.name_any(), open);
    Ok(())
}

/// How long until the first of a tenant's open doors is to be closed.
pub(super) fn next_end(context: &Context, tenant: &Tenant, name: &TenantName) -> Option<Duration> {
    first_end(entries(context, tenant, name).iter().map(|(_, entry)| entry), Timestamp::now())
}

fn first_end<'e>(entries: impl Iterator<Item = &'e Entry>, now: Timestamp) -> Option<Duration> {
    let left = entries.filter_map(|entry| match judge(entry, now) {
        Door::Open(left) => Some(left),
        Door::Close(_) => None,
    });
    left.min()
}

/// The entries on a tenant's namespaces. A namespace of this name that is somebody else's is
/// never touched.
fn entries(context: &Context, tenant: &Tenant, name: &TenantName) -> Vec<(String, Entry)> {
    let namespaces = Zone::ALL.into_iter().map(|zone| zone.namespace(name));
    let entries = namespaces.filter_map(|namespace| {
        let ours = context.applier.namespace(&namespace).filter(|seen| seen.owner == tenant.uid());
        Some((namespace, ours?.entry?))
    });
    entries.collect()
}

/// Closes a door for good. What fails here is found again by the entry, which goes last.
async fn close(
    context: &Context,
    tenant: &Tenant,
    namespace: &str,
    entry: &Entry,
    because: &str,
) -> Result<(), ApplyError> {
    // Another one by now: the change of the namespace brings us back.
    let Some(shut) = context.applier.shut_entry(namespace, entry).await? else { return Ok(()) };
    if context.announced.note(namespace, &shut) {
        let Entry { by, why, until: _ } = &shut;
        let note = format!("The entry of {by} into {namespace} is closed: {because}. Its pods are made anew. ({why})");
        tracing::warn!(namespace, by, because, why, "break glass: closed");
        context.tell(&tenant.object_ref(&()), EventType::Warning, "BreakGlassClosed", &note).await;
    }
    renew_pods(context, namespace).await?;
    if context.applier.clear_entry(namespace, &shut).await? {
        context.announced.forget(namespace);
    }
    Ok(())
}

/// Deletes the pods of a namespace whose door is closed; their controllers make others. The
/// API server is asked for them: a pod that was entered may be too young for the mirror.
async fn renew_pods(context: &Context, namespace: &str) -> Result<(), ApplyError> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let failed =
        |name: &str, source| ApplyError::Api { object: format!("Pod {namespace}/{name}"), source: Box::new(source) };
    let listed = pods.list_metadata(&ListParams::default()).await.map_err(|error| failed("", error))?;
    for pod in &listed.items {
        let name = pod.name_any();
        match pods.delete(&name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(source) => return Err(failed(&name, source)),
        }
    }
    context.metrics.wrote(super::CONTROLLER, listed.items.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(until: &str) -> Entry {
        Entry { by: "grace".to_owned(), why: "Incident 4711: the lake-api hangs.".to_owned(), until: until.to_owned() }
    }

    #[test]
    fn a_door_is_open_for_its_time_and_no_longer_than_eight_hours() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(judge(&entry("2026-11-20T15:30:00Z"), now), Door::Open(Duration::from_mins(210)));
        assert_eq!(judge(&entry("2026-11-20T20:00:00Z"), now), Door::Open(Duration::from_hours(8)));
        for closed in ["2026-11-20T20:00:01Z", "2026-11-20T12:00:00Z", "2026-11-20T11:59:59Z", "", "tomorrow"] {
            assert!(matches!(judge(&entry(closed), now), Door::Close(_)), "{closed}");
        }
        // The mark of a door that is shut and whose pods are not new yet.
        assert_eq!(judge(&entry(""), now), Door::Close("it has no end any more"));
        let nobody = Entry { by: String::new(), ..entry("2026-11-20T15:30:00Z") };
        assert!(matches!(judge(&nobody, now), Door::Close(_)));
    }

    #[test]
    fn the_first_of_several_open_doors_ends_first() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let end = |untils: &[&str]| {
            let entries: Vec<Entry> = untils.iter().map(|until| entry(until)).collect();
            first_end(entries.iter(), now)
        };
        assert_eq!(end(&["2026-11-20T15:30:00Z", "2026-11-20T12:05:00Z"]), Some(Duration::from_mins(5)));
        assert_eq!(end(&["2026-11-20T11:00:00Z", "2026-11-20T12:05:00Z"]), Some(Duration::from_mins(5)));
        assert_eq!(end(&["2026-11-20T11:00:00Z"]), None);
        assert_eq!(end(&[]), None);
    }

    #[test]
    fn people_are_told_of_an_entry_once_and_of_another_one_again() {
        let announced = Announced::default();
        assert!(announced.note("oscar-acme", &entry("2026-11-20T15:30:00Z")));
        assert!(!announced.note("oscar-acme", &entry("2026-11-20T15:30:00Z")));
        assert!(announced.note("oscar-acme-intake", &entry("2026-11-20T15:30:00Z")));
        assert!(announced.note("oscar-acme", &entry("2026-11-20T16:30:00Z")));
        announced.forget("oscar-acme");
        assert!(announced.note("oscar-acme", &entry("2026-11-20T16:30:00Z")));
    }
}
