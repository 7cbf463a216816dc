//! What the API server holds, kept up to date by watches, in as little memory as possible.
//!
//! A mirror keeps of each object only what reconciling needs. It is complete from its first
//! `ready` on, and readers before that would decide on half of the world: the controllers
//! start after all mirrors are ready.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};
use parking_lot::RwLock;
use tokio::sync::watch;

/// One kind of object, by namespace and name.
#[derive(Debug)]
pub struct Mirror<V> {
    known: RwLock<HashMap<String, BTreeMap<String, V>>>,
    ready: watch::Sender<bool>,
}

impl<V> Default for Mirror<V> {
    fn default() -> Self {
        Self { known: RwLock::default(), ready: watch::Sender::new(false) }
    }
}

/// An object's place: namespace (empty for cluster-scoped objects) and name.
pub type Place = (String, String);

impl<V: Clone + PartialEq> Mirror<V> {
    /// One object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<V> {
        self.known.read().get(namespace)?.get(name).cloned()
    }

    /// All objects of a namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> BTreeMap<String, V> {
        self.known.read().get(namespace).cloned().unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.read().values().map(BTreeMap::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it was complete once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until it was complete once.
    pub async fn wait_until_ready(&self) {
        // The sender lives as long as the mirror, so this ends by the value alone.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Takes a write's answer in at once, so that the next look does not see the time before it.
    pub fn insert(&self, place: Place, value: V) {
        let (namespace, name) = place;
        self.known.write().entry(namespace).or_default().insert(name, value);
    }

    /// Takes a removal in at once.
    pub fn remove(&self, namespace: &str, name: &str) {
        let mut known = self.known.write();
        if let Some(objects) = known.get_mut(namespace) {
            objects.remove(name);
            if objects.is_empty() {
                known.remove(namespace);
            }
        }
    }

    /// Follows a watch for ever. `keep` says where an object belongs and what is kept of it
    /// (`None`: nothing); `changed` hears of every place that is not as it was.
    pub async fn follow<K>(
        self: Arc<Self>,
        stream: impl Stream<Item = watcher::Result<Event<K>>> + Send,
        keep: impl Fn(&K) -> Option<(Place, V)> + Send,
        changed: impl Fn(&Place) + Send,
    ) {
        let mut stream = std::pin::pin!(stream);
        let mut fresh: HashMap<String, BTreeMap<String, V>> = HashMap::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Init) => fresh.clear(),
                Ok(Event::InitApply(object)) => {
                    if let Some(((namespace, name), value)) = keep(&object) {
                        fresh.entry(namespace).or_default().insert(name, value);
                    }
                }
                Ok(Event::InitDone) => {
                    for place in self.exchange(&std::mem::take(&mut fresh)) {
                        changed(&place);
                    }
                    self.ready.send_replace(true);
                }
                Ok(Event::Apply(object)) => {
                    if let Some((place, value)) = keep(&object)
                        && self.get(&place.0, &place.1).as_ref() != Some(&value)
                    {
                        self.insert(place.clone(), value);
                        changed(&place);
                    }
                }
                Ok(Event::Delete(object)) => {
                    if let Some((place, _)) = keep(&object) {
                        self.remove(&place.0, &place.1);
                        changed(&place);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a watch was interrupted and is taken up again");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Puts a complete listing in place of what was known; returns what differs.
    fn exchange(&self, fresh: &HashMap<String, BTreeMap<String, V>>) -> Vec<Place> {
        let before = std::mem::replace(&mut *self.known.write(), fresh.clone());
        let mut changed = Vec::new();
        for (namespace, objects) in fresh {
            let old = before.get(namespace);
            for (name, value) in objects {
                if old.and_then(|old| old.get(name)) != Some(value) {
                    changed.push((namespace.clone(), name.clone()));
                }
            }
        }
        for (namespace, objects) in &before {
            let new = fresh.get(namespace);
            let gone = objects.keys().filter(|name| new.is_none_or(|new| !new.contains_key(*name)));
            changed.extend(gone.map(|name| (namespace.clone(), name.clone())));
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;
    use parking_lot::Mutex;

    fn object(name: &str, value: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some("a".to_owned());
        object.metadata.name = Some(name.to_owned());
        object.data = Some([("v".to_owned(), value.to_owned())].into());
        object
    }

    async fn followed(mirror: &Arc<Mirror<String>>, events: Vec<Event<ConfigMap>>) -> Vec<String> {
        let seen = Mutex::new(Vec::new());
        let keep = |object: &ConfigMap| {
            let value = object.data.as_ref()?.get("v")?.clone();
            Some(((object.namespace()?, object.name_any()), value))
        };
        let stream = stream::iter(events.into_iter().map(Ok));
        Arc::clone(mirror).follow(stream, keep, |(_, name)| seen.lock().push(name.clone())).await;
        seen.into_inner()
    }

    #[tokio::test]
    async fn it_is_ready_only_when_complete_and_hears_of_what_changed() {
        let mirror = Arc::new(Mirror::default());
        let heard = followed(&mirror, vec![Event::Init, Event::InitApply(object("x", "1"))]).await;
        assert!(heard.is_empty() && !mirror.is_ready() && mirror.is_empty());
        let heard = followed(
            &mirror,
            vec![
                Event::Init,
                Event::InitApply(object("x", "1")),
                Event::InitDone,
                Event::Apply(object("x", "1")),
                Event::Apply(object("x", "2")),
                Event::Delete(object("x", "2")),
            ],
        )
        .await;
        assert_eq!(heard, ["x", "x", "x"], "appeared, changed, went; the repetition is no news");
        assert!(mirror.is_ready() && mirror.is_empty());
    }

    #[tokio::test]
    async fn what_is_missing_in_a_new_listing_is_gone() {
        let mirror = Arc::new(Mirror::default());
        let list = |names: &[&str]| {
            let objects = names.iter().map(|name| Event::InitApply(object(name, "1")));
            [Event::Init].into_iter().chain(objects).chain([Event::InitDone]).collect::<Vec<_>>()
        };
        followed(&mirror, list(&["x", "y"])).await;
        assert_eq!(followed(&mirror, list(&["y", "z"])).await, ["z", "x"]);
        assert_eq!(mirror.in_namespace("a").into_keys().collect::<Vec<_>>(), ["y", "z"]);
    }
}
