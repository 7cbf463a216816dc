//! The cache of one issuer's keys; see the module above for the model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::{Mutex, RwLock};

use super::KeyError;
use super::key_set::KeySet;
use super::source::{KeySource, Loaded};
use crate::token::config::KeyRefresh;
use crate::token::error::TokenError;

/// The keys of one issuer.
#[derive(Debug)]
pub(in crate::token) struct KeyCache {
    source: KeySource,
    refresh: KeyRefresh,
    snapshot: RwLock<Arc<Snapshot>>,
    attempts: Mutex<Attempts>,
    /// Held while a fetch runs.
    fetching: tokio::sync::Mutex<()>,
}

/// The keys as they were fetched last.
#[derive(Debug, Default)]
struct Snapshot {
    keys: KeySet,
    fetched: Option<Fetched>,
}

#[derive(Debug)]
struct Fetched {
    at: Instant,
    /// How old the keys were then.
    age: Duration,
    early: Duration,
    max_age: Duration,
}

/// When the source was asked last, and what went wrong.
#[derive(Debug, Default)]
struct Attempts {
    last: Option<Instant>,
    failure: Option<Arc<KeyError>>,
}

enum Age {
    Fresh,
    Early,
    Old,
    Unusable,
}

impl KeyCache {
    pub(in crate::token) fn new(source: KeySource, refresh: KeyRefresh) -> Self {
        Self {
            source,
            refresh,
            snapshot: RwLock::default(),
            attempts: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Runs `check` with the key for a token; fetches keys where the model asks for it.
    pub(in crate::token) async fn with_key<T>(
        self: &Arc<Self>,
        key_id: Option<&str>,
        algorithm: Algorithm,
        check: impl FnOnce(&DecodingKey) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let mut snapshot = self.current();
        match self.age(&snapshot) {
            Age::Fresh => {}
            Age::Early => self.fetch_in_background(&snapshot),
            Age::Old if self.attempts.lock().failure.is_some() => self.fetch_in_background(&snapshot),
            Age::Old | Age::Unusable => snapshot = self.fetched_after(snapshot).await,
        }
        if matches!(self.age(&snapshot), Age::Unusable) {
            return Err(TokenError::KeysUnavailable(self.failure()));
        }
        if snapshot.keys.find(key_id, algorithm).is_none() {
            snapshot = self.fetched_after(snapshot).await;
        }
        check(&snapshot.keys.find(key_id, algorithm).ok_or(TokenError::UnknownKey)?.key)
    }

    /// Fetches the keys unless they are there.
    pub(in crate::token) async fn warm_up(self: &Arc<Self>) -> Result<(), Arc<KeyError>> {
        if self.is_ready() {
            return Ok(());
        }
        let snapshot = self.fetched_after(self.current()).await;
        match self.age(&snapshot) {
            Age::Unusable => Err(self.failure()),
            Age::Fresh | Age::Early | Age::Old if snapshot.keys.is_empty() => Err(Arc::new(KeyError::NoUsableKey)),
            Age::Fresh | Age::Early | Age::Old => Ok(()),
        }
    }

    /// Whether a token could be checked now. Keys that grow old are fetched again: a service
    /// is asked for its readiness also when nobody comes with a token.
    pub(in crate::token) fn is_ready(self: &Arc<Self>) -> bool {
        let snapshot = self.current();
        let age = self.age(&snapshot);
        if snapshot.fetched.is_some() && !matches!(age, Age::Fresh) {
            self.fetch_in_background(&snapshot);
        }
        !matches!(age, Age::Unusable) && !snapshot.keys.is_empty()
    }

    /// Whether there are keys that nobody has renewed in time.
    pub(in crate::token) fn is_outdated(&self) -> bool {
        let snapshot = self.current();
        snapshot.fetched.is_some() && matches!(self.age(&snapshot), Age::Unusable)
    }

    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read())
    }

    fn age(&self, snapshot: &Snapshot) -> Age {
        let Some(fetched) = &snapshot.fetched else { return Age::Unusable };
        // What was read a moment ago may have been fetched long before.
        let copied = fetched.at.elapsed();
        let stale = Duration::from_secs(self.refresh.stale_seconds);
        if copied + fetched.age >= fetched.max_age + stale {
            Age::Unusable
        } else if copied < fetched.early {
            Age::Fresh
        } else if copied < fetched.max_age {
            Age::Early
        } else {
            Age::Old
        }
    }

    fn is_cooling(&self) -> bool {
        self.attempts.lock().last.is_some_and(|last| last.elapsed() < self.refresh.cooldown())
    }

    fn failure(&self) -> Arc<KeyError> {
        let failure = self.attempts.lock().failure.clone();
        let otherwise = || if self.current().fetched.is_some() { KeyError::TooOld } else { KeyError::NotYet };
        failure.unwrap_or_else(|| Arc::new(otherwise()))
    }

    fn fetch_in_background(self: &Arc<Self>, seen: &Arc<Snapshot>) {
        // A running fetch needs no company: only one task waits.
        if !self.is_cooling() && self.fetching.try_lock().is_ok() {
            tokio::spawn(Arc::clone(self).fetch(Arc::clone(seen)));
        }
    }

    /// The snapshot after a fetch that began no earlier than the last cooldown. The fetch
    /// runs in a task of its own, so a caller that hangs up does not waste it.
    async fn fetched_after(self: &Arc<Self>, seen: Arc<Snapshot>) -> Arc<Snapshot> {
        let task = tokio::spawn(Arc::clone(self).fetch(seen));
        if task.await.is_err() {
            tracing::error!("the fetch of an issuer's keys was stopped");
        }
        self.current()
    }

    async fn fetch(self: Arc<Self>, seen: Arc<Snapshot>) {
        let _single = self.fetching.lock().await;
        // Somebody else fetched while this caller waited, or a moment ago.
        if !Arc::ptr_eq(&seen, &self.current()) || self.is_cooling() {
            return;
        }
        let outcome = self.source.load().await;
        let mut attempts = self.attempts.lock();
        attempts.last = Some(Instant::now());
        match outcome {
            Ok(Loaded { keys, max_age: announced, age }) => {
                let max_age = Duration::from_secs(self.refresh.max_age_seconds);
                let early = Duration::from_secs(self.refresh.early_seconds).min(announced.unwrap_or(max_age));
                *self.snapshot.write() =
                    Arc::new(Snapshot { keys, fetched: Some(Fetched { at: Instant::now(), age, early, max_age }) });
                attempts.failure = None;
            }
            Err(error) => {
                tracing::warn!(%error, "an issuer's keys could not be fetched");
                attempts.failure = Some(Arc::new(error));
            }
        }
    }
}
