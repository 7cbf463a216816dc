//! Requests per identity: a token bucket each, in bounded memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use oscar_permit::Identity;
use parking_lot::Mutex;

/// Buckets kept at most. Above it full buckets are dropped (they carry no memory worth
/// keeping); when none is full, new identities wait like those who have used theirs up.
const MAX_BUCKETS: usize = 10_000;

/// Who may ask how often.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<Identity, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    seen: Instant,
}

impl RateLimit {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            burst: f64::from(burst.max(1)),
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// One request a minute, after a few at once.
    pub(crate) fn per_minute(burst: u32) -> Self {
        Self { per_second: 1.0 / 60.0, ..Self::new(1, burst) }
    }

    /// Takes one request from the identity's bucket.
    ///
    /// # Errors
    /// How long to wait when the bucket is empty.
    pub(crate) fn take(&self, identity: &Identity, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(identity) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
            if buckets.len() >= MAX_BUCKETS {
                return Err(Duration::from_secs(1));
            }
        }
        let bucket = buckets.entry(identity.clone()).or_insert(Bucket { tokens: self.burst, seen: now });
        let tokens = self.filled(*bucket, now);
        let allowed = tokens >= 1.0;
        *bucket = Bucket { tokens: if allowed { tokens - 1.0 } else { tokens }, seen: now };
        if allowed { Ok(()) } else { Err(Duration::from_secs_f64((1.0 - tokens) / self.per_second)) }
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.seen).as_secs_f64();
        elapsed.mul_add(self.per_second, bucket.tokens).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(subject: &str) -> Identity {
        Identity { issuer: "https://issuer.test".into(), subject: subject.into() }
    }

    #[test]
    fn a_burst_is_served_and_the_next_request_waits() {
        let limit = RateLimit::new(10, 3);
        let now = Instant::now();
        for _ in 0..3 {
            assert!(limit.take(&who("a"), now).is_ok());
        }
        let wait = limit.take(&who("a"), now).unwrap_err();
        assert!(wait <= Duration::from_millis(100));
        assert!(limit.take(&who("a"), now + wait).is_ok());
    }

    #[test]
    fn one_identity_does_not_use_up_anothers_share() {
        let limit = RateLimit::new(1, 1);
        let now = Instant::now();
        assert!(limit.take(&who("a"), now).is_ok());
        assert!(limit.take(&who("a"), now).is_err());
        assert!(limit.take(&who("b"), now).is_ok());
    }

    #[test]
    fn once_a_minute_is_once_a_minute() {
        let limit = RateLimit::per_minute(2);
        let now = Instant::now();
        let taken = (0..600).filter(|second| limit.take(&who("a"), now + Duration::from_secs(*second)).is_ok());
        assert_eq!(taken.count(), 11);
    }

    #[test]
    fn memory_stays_bounded_under_many_identities() {
        let limit = RateLimit::new(1, 1);
        let now = Instant::now();
        for number in 0..(MAX_BUCKETS + 50) {
            let _ = limit.take(&who(&number.to_string()), now);
        }
        assert!(limit.buckets.lock().len() <= MAX_BUCKETS);
        assert!(limit.take(&who("late"), now + Duration::from_secs(5)).is_ok(), "full buckets make room");
    }
}
