//! How long to wait after a failure.

use std::collections::HashMap;
use std::time::Duration;

use kube::runtime::controller::Action;
use parking_lot::Mutex;

/// The first breath.
const FIRST: Duration = Duration::from_millis(500);
/// The longest one.
const LONGEST: Duration = Duration::from_mins(1);
/// When what needs a person is looked at again all the same.
const PATIENCE: Duration = Duration::from_mins(10);

/// Failures in a row, by object.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    /// After a failure: when to try again, and `at_most` so late, where something else is due.
    pub fn after_failure(&self, object: &str, transient: bool, at_most: Option<Duration>) -> Action {
        let mut failures = self.0.lock();
        let count = failures.entry(object.to_owned()).or_default();
        *count = count.saturating_add(1);
        let wait = if transient { breath(*count, rand::random()) } else { PATIENCE };
        Action::requeue(at_most.map_or(wait, |at_most| wait.min(at_most)))
    }

    /// Whether the last time was a failure.
    pub fn is_failing(&self, object: &str) -> bool {
        self.0.lock().contains_key(object)
    }

    /// After a success.
    pub fn after_success(&self, object: &str) {
        self.0.lock().remove(object);
    }
}

/// The wait after the `count`-th failure in a row: half of it certain, half of it by `chance`
/// (0 to 1), so that many that failed together do not come back together.
fn breath(count: u32, chance: f64) -> Duration {
    let full = FIRST.saturating_mul(1 << count.saturating_sub(1).min(10)).min(LONGEST);
    full / 2 + full.mul_f64(chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaths_grow_up_to_a_minute() {
        assert_eq!(breath(1, 0.0), FIRST / 2);
        assert_eq!(breath(1, 1.0), FIRST);
        assert_eq!(breath(3, 1.0), FIRST * 4);
        assert_eq!(breath(u32::MAX, 1.0), LONGEST);
    }

    #[test]
    fn what_needs_a_person_waits_for_a_change() {
        let failures = Failures::default();
        assert_eq!(failures.after_failure("a", false, None), Action::requeue(PATIENCE));
    }

    #[test]
    fn a_door_that_closes_sooner_is_not_waited_past() {
        let failures = Failures::default();
        let (soon, late) = (Duration::from_mins(2), Duration::from_hours(2));
        assert_eq!(failures.after_failure("a", false, Some(soon)), Action::requeue(soon));
        assert_eq!(failures.after_failure("a", false, Some(late)), Action::requeue(PATIENCE));
    }

    #[test]
    fn a_success_ends_the_row() {
        let failures = Failures::default();
        assert!(!failures.is_failing("a"));
        let _ = failures.after_failure("a", true, None);
        assert!(failures.is_failing("a") && !failures.is_failing("b"));
        failures.after_success("a");
        assert!(!failures.is_failing("a"));
    }
}
