//! The cache of one issuer's keys; see the module above for the model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::{Mutex, RwLock};

use super::KeyError;
use super::key_set::KeySet;
use super::source::KeySource;
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

    /// Whether a token could be checked now.
    pub(in crate::token) fn is_ready(&self) -> bool {
        let snapshot = self.current();
        !matches!(self.age(&snapshot), Age::Unusable) && !snapshot.keys.is_empty()
    }

    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read())
    }

    fn age(&self, snapshot: &Snapshot) -> Age {
        let Some(fetched) = &snapshot.fetched else { return Age::Unusable };
        let age = fetched.at.elapsed();
        let stale = Duration::from_secs(self.refresh.stale_seconds);
        if age < fetched.early {
            Age::Fresh
        } else if age < fetched.max_age {
            Age::Early
        } else if age < fetched.max_age + stale {
            Age::Old
        } else {
            Age::Unusable
        }
    }

    fn is_cooling(&self) -> bool {
        self.attempts.lock().last.is_some_and(|last| last.elapsed() < self.refresh.cooldown())
    }

    fn failure(&self) -> Arc<KeyError> {
        self.attempts.lock().failure.clone().unwrap_or_else(|| Arc::new(KeyError::NotYet))
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
            Ok((keys, announced)) => {
                let max_age = Duration::from_secs(self.refresh.max_age_seconds);
                let early = Duration::from_secs(self.refresh.early_seconds).min(announced.unwrap_or(max_age));
                *self.snapshot.write() =
                    Arc::new(Snapshot { keys, fetched: Some(Fetched { at: Instant::now(), early, max_age }) });
                attempts.failure = None;
            }
            Err(error) => {
                tracing::warn!(%error, "an issuer's keys could not be fetched");
                attempts.failure = Some(Arc::new(error));
            }
        }
    }
}
