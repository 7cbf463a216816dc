//! Doors that people have opened in an emergency, and their closing.
//!
//! An entry is three annotations on a namespace: by whom, why and until when. The admission
//! policies say who may write one and who may then enter pods, but they know no clock: the
//! time ends here. A closed door ends nothing that went through it, so the zone's pods are
//! made anew, and with them ends every session and goes whatever was changed inside; also when
//! the person has closed it herself.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DeleteParams};
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

    fn knows(&self, namespace: &str) -> bool {
        self.0.lock().iter().any(|(place, _)| place == namespace)
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

/// Tells of doors that were opened and closes those whose time is over; answers when the next
/// one ends.
///
/// # Errors
/// When the API server does not take it.
pub(super) async fn watch_doors(
    context: &Context,
    tenant: &Tenant,
    name: &TenantName,
) -> Result<Option<Duration>, ApplyError> {
    let mut next: Option<Duration> = None;
    let mut open = 0;
    for zone in Zone::ALL {
        let namespace = zone.namespace(name);
        // A namespace of this name that is somebody else's is never touched.
        let ours = context.applier.namespace(&namespace).filter(|seen| seen.owner == tenant.uid());
        let Some(entry) = ours.and_then(|seen| seen.entry) else {
            // Somebody has closed the door, or we have and could not go on.
            if context.announced.knows(&namespace) {
                renew_pods(context, &namespace).await?;
            }
            continue;
        };
        let about = tenant.object_ref(&());
        match judge(&entry, Timestamp::now()) {
            Door::Open(left) => {
                open += 1;
                next = Some(next.map_or(left, |next| next.min(left)));
                if context.announced.note(&namespace, &entry) {
                    let Entry { by, why, until } = &entry;
                    let note = format!("{by} may enter the pods of {namespace} until {until}: {why}");
                    tracing::warn!(namespace, by, until, why, "break glass: opened");
                    context.tell(&about, EventType::Warning, "BreakGlassOpened", &note).await;
                }
            }
            Door::Close(because) => {
                // Known until its pods are new, whatever fails between.
                context.announced.note(&namespace, &entry);
                context.applier.clear_entry(&namespace).await?;
                let by = &entry.by;
                let note = format!("The entry of {by} into {namespace} is closed: {because}. Its pods are made anew.");
                tracing::warn!(namespace, by, because, "break glass: closed");
                context.tell(&about, EventType::Warning, "BreakGlassClosed", &note).await;
                renew_pods(context, &namespace).await?;
            }
        }
    }
    context.metrics.doors(&tenant.name_any(), open);
    Ok(next)
}

/// Deletes the pods of a namespace whose door is closed; their controllers make others.
async fn renew_pods(context: &Context, namespace: &str) -> Result<(), ApplyError> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let names: Vec<String> = context.world.pods.in_namespace(namespace).into_keys().collect();
    for name in &names {
        match pods.delete(name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(source) => {
                return Err(ApplyError::Api { object: format!("Pod {namespace}/{name}"), source: Box::new(source) });
            }
        }
    }
    context.metrics.wrote(super::CONTROLLER, names.len());
    context.announced.forget(namespace);
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
        let nobody = Entry { by: String::new(), ..entry("2026-11-20T15:30:00Z") };
        assert!(matches!(judge(&nobody, now), Door::Close(_)));
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
