//! Issuers' keys, fetched here because tenants' pods reach nobody outside.
//!
//! Keys are fetched anew at a fixed pace. An issuer that is away leaves its last keys in
//! place; whether old keys still count is the lake-api's decision, which knows their age.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oscar_access::{KeyError, fetch_jwks};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longest time for one issuer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of all issuers that tenants name.
#[derive(Debug)]
pub struct JwksCache {
    pace: Duration,
    issuers: Mutex<BTreeMap<String, Entry>>,
    /// Wakes the fetching task when an issuer is new.
    new: Notify,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    keys: Option<Arc<str>>,
    fault: Option<Arc<str>>,
    tried: bool,
}

/// What is known of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Its JWKS.
    Known(Arc<str>),
    /// It was asked in vain; why, without any content.
    Unreachable(Arc<str>),
    /// Nobody has asked it yet.
    NotAsked,
}

impl JwksCache {
    /// A cache that asks every issuer once per `pace`.
    #[must_use]
    pub fn new(pace: Duration) -> Self {
        Self { pace, issuers: Mutex::default(), new: Notify::new() }
    }

    /// The keys of an issuer; one that nobody has named before is fetched soon.
    pub fn get(&self, issuer: &str) -> Keys {
        let mut issuers = self.issuers.lock();
        let Some(entry) = issuers.get(issuer) else {
            issuers.insert(issuer.to_owned(), Entry::default());
            self.new.notify_one();
            return Keys::NotAsked;
        };
        match (&entry.keys, &entry.fault) {
            (Some(keys), _) => Keys::Known(Arc::clone(keys)),
            (None, Some(fault)) => Keys::Unreachable(Arc::clone(fault)),
            (None, None) => Keys::NotAsked,
        }
    }

    /// Fetches until told to stop; `changed` hears of every issuer that has other keys, or of
    /// which something is known for the first time.
    pub async fn keep_fresh(&self, stop: CancellationToken, changed: impl Fn(&str)) {
        loop {
            let due: Vec<String> = self.issuers.lock().keys().cloned().collect();
            for issuer in due {
                let answer = fetch_jwks(&issuer, TIMEOUT).await;
                if self.take(&issuer, answer) {
                    changed(&issuer);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.new.notified() => {}
                () = tokio::time::sleep(self.pace) => {}
            }
        }
    }

    fn take(&self, issuer: &str, answer: Result<String, KeyError>) -> bool {
        let mut issuers = self.issuers.lock();
        let entry = issuers.entry(issuer.to_owned()).or_default();
        let first = !std::mem::replace(&mut entry.tried, true);
        match answer {
            Ok(keys) => {
                let same = entry.keys.as_deref() == Some(keys.as_str());
                entry.keys = Some(keys.into());
                entry.fault = None;
                first || !same
            }
            Err(error) => {
                tracing::warn!(issuer, error = %error, "an issuer's keys could not be fetched");
                entry.fault = Some(error.to_string().into());
                first
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example.dk";

    #[test]
    fn an_issuer_that_is_away_keeps_its_keys() {
        let cache = JwksCache::new(Duration::from_mins(1));
        assert_eq!(cache.get(ISSUER), Keys::NotAsked);
        assert!(cache.take(ISSUER, Err(KeyError::IssuerMismatch)), "the first answer is news");
        assert!(matches!(cache.get(ISSUER), Keys::Unreachable(_)));
        assert!(cache.take(ISSUER, Ok("{}".to_owned())));
        assert!(!cache.take(ISSUER, Ok("{}".to_owned())), "the same keys are no news");
        assert!(!cache.take(ISSUER, Err(KeyError::IssuerMismatch)));
        assert_eq!(cache.get(ISSUER), Keys::Known("{}".into()));
        assert!(cache.take(ISSUER, Ok("{\"keys\":[]}".to_owned())));
    }
}
