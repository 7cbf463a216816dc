//! Condition types and their rules, so that `kubectl wait`, Helm and Flux understand us.
//!
//! A condition carries the generation it was judged for. Types ending in a state
//! (`Ready`, `Isolated`) are `True` when all is well; [`RECONCILING`] and [`STALLED`] are
//! *abnormal-true*: they are absent or `False` when all is well
//! (the convention of `kstatus`, on which Flux and `kubectl wait` rely).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Bucket, identities and the put-if-absent race are in order.
pub const STORAGE_READY: &str = "StorageReady";
/// The permits in force are those that the lake-api was given.
pub const PERMITS_APPLIED: &str = "PermitsApplied";
/// The lake-api serves.
pub const WORKSPACE_READY: &str = "WorkspaceReady";
/// Every token issuer's keys were fetched at the last try. Not part of [`READY`]: keys of
/// before serve for a while.
pub const KEYS_FRESH: &str = "KeysFresh";
/// The firewall was measured from inside, for the present generation, and held.
pub const ISOLATED: &str = "Isolated";
/// Everything that a permit names was delivered, or an extract was taken in.
pub const DELIVERED: &str = "Delivered";
/// The object is what its spec asks for.
pub const READY: &str = "Ready";
/// The operator is at work on a change.
pub const RECONCILING: &str = "Reconciling";
/// The operator waits for a person: nothing it does by itself will help.
pub const STALLED: &str = "Stalled";

/// Longest message that a condition carries; the API server refuses more than 32 KiB.
const LONGEST_MESSAGE: usize = 1024;

/// What a condition says, without the times that the API wants beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// One of the types of this module.
    pub kind: &'static str,
    /// Whether it holds; `None` when it cannot be known now.
    pub holds: Option<bool>,
    /// A `CamelCase` word for programs.
    pub reason: String,
    /// A sentence for people, with the remedy where there is one.
    pub message: String,
}

impl Finding {
    /// Something that holds.
    pub fn yes(kind: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, holds: Some(true), reason: reason.into(), message: message.into() }
    }

    /// Something that does not hold.
    pub fn no(kind: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, holds: Some(false), reason: reason.into(), message: message.into() }
    }

    /// Something that cannot be known now.
    pub fn unknown(kind: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, holds: None, reason: reason.into(), message: message.into() }
    }

    const fn status(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// The conditions after `findings` at `generation`: the time of a transition stays where
/// the status did not change, so that an unchanged object is not written again. Conditions
/// of `before` that nobody found again are dropped.
#[must_use]
pub fn merge(before: &[Condition], findings: &[Finding], generation: i64, now: Timestamp) -> Vec<Condition> {
    findings
        .iter()
        .map(|finding| {
            let old = before.iter().find(|condition| condition.type_ == finding.kind);
            let since = match old {
                Some(old) if old.status == finding.status() => old.last_transition_time.clone(),
                Some(_) | None => Time(now),
            };
            Condition {
                type_: finding.kind.to_owned(),
                status: finding.status().to_owned(),
                reason: finding.reason.clone(),
                message: finding.message.chars().take(LONGEST_MESSAGE).collect(),
                observed_generation: Some(generation),
                last_transition_time: since,
            }
        })
        .collect()
}

/// Whether `kind` is `True` for exactly this generation.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str, generation: i64) -> bool {
    conditions.iter().any(|condition| {
        condition.type_ == kind && condition.status == "True" && condition.observed_generation == Some(generation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 0).unwrap()
    }

    #[test]
    fn the_transition_time_stays_while_the_status_does() {
        let first = merge(&[], &[Finding::yes(READY, "Applied", "all there")], 1, at(10));
        let second = merge(&first, &[Finding::yes(READY, "Applied", "all there")], 2, at(20));
        assert_eq!(second[0].last_transition_time, Time(at(10)));
        assert_eq!(second[0].observed_generation, Some(2));
        let third = merge(&second, &[Finding::no(READY, "Gone", "not there")], 2, at(30));
        assert_eq!(third[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn a_condition_of_an_older_generation_does_not_count() {
        let conditions = merge(&[], &[Finding::yes(READY, "Applied", "")], 1, at(10));
        assert!(is_true(&conditions, READY, 1));
        assert!(!is_true(&conditions, READY, 2));
        assert!(!is_true(&conditions, ISOLATED, 1));
    }

    #[test]
    fn what_cannot_be_known_is_neither_true_nor_false() {
        let conditions = merge(&[], &[Finding::unknown(ISOLATED, "NotMeasured", "")], 1, at(10));
        assert_eq!(conditions[0].status, "Unknown");
        assert!(!is_true(&conditions, ISOLATED, 1));
    }

    #[test]
    fn a_long_message_is_cut() {
        let conditions = merge(&[], &[Finding::no(READY, "Long", "æ".repeat(5000))], 1, at(10));
        assert_eq!(conditions[0].message.chars().count(), LONGEST_MESSAGE);
    }
}
