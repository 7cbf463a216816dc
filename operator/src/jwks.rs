//! Issuers' keys, fetched here because tenants' pods reach nobody outside.
//!
//! Keys are fetched anew at a fixed pace. An issuer that is away leaves its last keys in
//! place, with the time of their fetch beside them: whether old keys still count is the
//! lake-api's decision, which reads that time. As long as the issuer answers the same, the
//! time is noted anew at a far slower pace, because each note is a write for every tenant.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use oscar_access::{KeyError, dated_jwks, fetch_jwks};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longest time for one document of one issuer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Issuers that are asked at a time: one that takes connections and says nothing holds up
/// none of the others.
const AT_ONCE: usize = 16;
/// How old the time beside the keys may grow while the issuer answers. A small part of the
/// time for which keys count ([`oscar_blueprint::KEYS_COUNT_SECONDS`]).
const NOTED_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// When an issuer is forgotten that no tenant has asked for.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// The keys of all issuers that tenants name.
#[derive(Debug)]
pub struct JwksCache {
    pace: Duration,
    issuers: Mutex<BTreeMap<String, Entry>>,
    /// Wakes the fetching task when an issuer is new.
    new: Notify,
}

#[derive(Debug)]
struct Entry {
    fetched: Option<Fetched>,
    fault: Option<Arc<str>>,
    tried: bool,
    /// When a tenant asked last.
    asked: Instant,
}

#[derive(Debug)]
struct Fetched {
    /// As the issuer says it.
    text: String,
    /// As tenants are given it, with the time.
    dated: Arc<str>,
    /// The time in it.
    noted: Timestamp,
}

/// What is known of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Its JWKS, with the time of the fetch.
    Known(Arc<str>),
    /// It was asked in vain the last time.
    Unreachable {
        /// Why, without any content.
        why: Arc<str>,
        /// Its JWKS of before, when this process has had any.
        before: Option<Arc<str>>,
    },
    /// Nobody has asked it yet.
    NotAsked,
}

impl Keys {
    /// The JWKS, old or new.
    #[must_use]
    pub const fn jwks(&self) -> Option<&Arc<str>> {
        match self {
            Self::Known(jwks) => Some(jwks),
            Self::Unreachable { why: _, before } => before.as_ref(),
            Self::NotAsked => None,
        }
    }
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
        let Some(entry) = issuers.get_mut(issuer) else {
            let entry = Entry { fetched: None, fault: None, tried: false, asked: Instant::now() };
            issuers.insert(issuer.to_owned(), entry);
            self.new.notify_one();
            return Keys::NotAsked;
        };
        entry.asked = Instant::now();
        let before = entry.fetched.as_ref().map(|fetched| Arc::clone(&fetched.dated));
        match (&entry.fault, before) {
            (Some(why), before) => Keys::Unreachable { why: Arc::clone(why), before },
            (None, Some(jwks)) => Keys::Known(jwks),
            (None, None) => Keys::NotAsked,
        }
    }

    /// Fetches until told to stop; `changed` hears of every issuer of which tenants are to
    /// know something else: its keys, their time, or whether it answers.
    pub async fn keep_fresh(&self, stop: CancellationToken, changed: impl Fn(&str)) {
        let fetch = async |issuer: String| {
            let answer = fetch_jwks(&issuer, TIMEOUT).await;
            (issuer, answer)
        };
        loop {
            self.forget(Instant::now());
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.ask_all(&fetch, &changed) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.new.notified() => {}
                () = tokio::time::sleep(self.pace) => {}
            }
        }
    }

    /// Asks every issuer once.
    async fn ask_all<F>(&self, fetch: impl Fn(String) -> F, changed: impl Fn(&str))
    where
        F: Future<Output = (String, Result<String, KeyError>)>,
    {
        let due: Vec<String> = self.issuers.lock().keys().cloned().collect();
        let mut answers = stream::iter(due).map(fetch).buffer_unordered(AT_ONCE);
        while let Some((issuer, answer)) = answers.next().await {
            if self.take(&issuer, answer, Timestamp::now()) {
                changed(&issuer);
            }
        }
    }

    /// Forgets the issuers that no tenant names any more.
    fn forget(&self, now: Instant) {
        self.issuers.lock().retain(|_, entry| now.saturating_duration_since(entry.asked) < FORGOTTEN);
    }

    /// Notes an answer; whether tenants are to hear of it.
    fn take(&self, issuer: &str, answer: Result<String, KeyError>, now: Timestamp) -> bool {
        let mut issuers = self.issuers.lock();
        let Some(entry) = issuers.get_mut(issuer) else { return false };
        let first = !std::mem::replace(&mut entry.tried, true);
        match answer.and_then(|text| entry.note(text, now)) {
            Ok(noted) => {
                let healed = entry.fault.take().is_some();
                first || noted || healed
            }
            Err(error) => {
                tracing::warn!(issuer, error = %error, "an issuer's keys could not be fetched");
                let known = entry.fault.replace(error.to_string().into()).is_some();
                first || !known
            }
        }
    }
}

impl Entry {
    /// Notes keys that were fetched now; whether they or their time are others.
    fn note(&mut self, text: String, now: Timestamp) -> Result<bool, KeyError> {
        let is_noted = self.fetched.as_ref().is_some_and(|fetched| {
            let age = now.duration_since(fetched.noted);
            fetched.text == text && !age.is_negative() && age < NOTED_AGAIN
        });
        if !is_noted {
            let seconds = u64::try_from(now.as_second()).unwrap_or_default();
            let dated = dated_jwks(&text, seconds)?.into();
            self.fetched = Some(Fetched { text, dated, noted: now });
        }
        Ok(!is_noted)
    }
}

#[cfg(test)]
mod tests {
    use oscar_access::jwks_fetched_at;

    use super::*;

    const ISSUER: &str = "https://login.example.dk";
    const EMPTY: &str = r#"{"keys":[]}"#;
    const OTHER: &str = r#"{"keys":[{}]}"#;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The time beside the keys that a tenant would be given.
    fn noted(cache: &JwksCache) -> Option<u64> {
        jwks_fetched_at(cache.get(ISSUER).jwks()?.as_bytes()).unwrap()
    }

    #[test]
    fn an_issuer_that_is_away_keeps_its_keys_and_their_time_and_is_said_to_be_away() {
        let cache = JwksCache::new(Duration::from_mins(1));
        assert_eq!(cache.get(ISSUER), Keys::NotAsked);
        assert!(cache.take(ISSUER, Err(KeyError::IssuerMismatch), at(0)), "the first answer is news");
        assert!(matches!(cache.get(ISSUER), Keys::Unreachable { before: None, .. }));
        assert!(cache.take(ISSUER, Ok(EMPTY.to_owned()), at(60)));
        assert!(matches!(cache.get(ISSUER), Keys::Known(_)));
        assert!(cache.take(ISSUER, Err(KeyError::IssuerMismatch), at(120)), "the first fault is news");
        assert!(!cache.take(ISSUER, Err(KeyError::IssuerMismatch), at(7200)), "and the next one is not");
        assert!(matches!(cache.get(ISSUER), Keys::Unreachable { before: Some(_), .. }));
        assert_eq!(noted(&cache), Some(60), "however long it is away");
        assert!(cache.take(ISSUER, Ok(EMPTY.to_owned()), at(7260)), "it answers again");
        assert!(matches!(cache.get(ISSUER), Keys::Known(_)));
        assert_eq!(noted(&cache), Some(7260));
    }

    #[test]
    fn the_time_beside_the_same_keys_is_noted_anew_every_ten_minutes_only() {
        let cache = JwksCache::new(Duration::from_mins(1));
        let _ = cache.get(ISSUER);
        let news: Vec<i64> =
            (0..=1800).step_by(60).filter(|now| cache.take(ISSUER, Ok(EMPTY.to_owned()), at(*now))).collect();
        assert_eq!(news, [0, 600, 1200, 1800]);
        assert!(cache.take(ISSUER, Ok(OTHER.to_owned()), at(1860)), "other keys are told at once");
        assert!(cache.take(ISSUER, Ok(OTHER.to_owned()), at(0)), "a clock that was set back starts anew");
        assert_eq!(noted(&cache), Some(0));
    }

    #[tokio::test]
    async fn an_issuer_that_says_nothing_holds_up_no_other() {
        let cache = JwksCache::new(Duration::from_mins(1));
        let issuers = ["https://a.example.dk", "https://b.example.dk"];
        for issuer in issuers {
            let _ = cache.get(issuer);
        }
        // The first one answers after the second one has: one after the other, neither would.
        let asked = Notify::new();
        let fetch = async |issuer: String| {
            if issuer == issuers[0] {
                asked.notified().await;
            } else {
                asked.notify_one();
            }
            (issuer, Ok(EMPTY.to_owned()))
        };
        let patience = Duration::from_secs(20);
        assert!(tokio::time::timeout(patience, cache.ask_all(fetch, |_| {})).await.is_ok());
        assert!(issuers.iter().all(|issuer| matches!(cache.get(issuer), Keys::Known(_))));
    }

    #[test]
    fn an_issuer_that_no_tenant_asks_for_is_forgotten() {
        let cache = JwksCache::new(Duration::from_mins(1));
        let _ = cache.get(ISSUER);
        cache.forget(Instant::now() + FORGOTTEN / 2);
        assert!(cache.take(ISSUER, Ok(EMPTY.to_owned()), at(0)));
        cache.forget(Instant::now() + FORGOTTEN);
        assert!(!cache.take(ISSUER, Ok(EMPTY.to_owned()), at(0)), "an answer that comes late brings it not back");
        assert_eq!(cache.get(ISSUER), Keys::NotAsked);
    }
}
