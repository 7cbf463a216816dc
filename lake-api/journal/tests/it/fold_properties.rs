//! Properties of the fold over random histories, most of whose events are not allowed.

use oscar_journal::{
    Actor, Decision, Entry, Event, ReleaseState, RestartCause, StopCause, TenantState, Verdict, VotesView,
};
use oscar_permit::{Role, canonical_json};
use proptest::prelude::*;

use crate::cast::{
    analyst, auditor, checked, controller, delivered, identity, published, record, release, service, steward,
    submitted, vetted, vote,
};

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        2 => Just(analyst()),
        2 => Just(steward()),
        2 => Just(controller()),
        1 => Just(auditor()),
        1 => Just(Actor::person(identity("anna"), Role::ControllerSteward)),
        1 => Just(Actor::person(identity("otto"), Role::Analyst)),
        4 => Just(service()),
        1 => Just(Actor::Anonymous {}),
    ]
}

fn decision() -> impl Strategy<Value = Decision> {
    prop_oneof![3 => Just(Decision::Approve), 1 => Just(Decision::Reject), 1 => Just(Decision::Return)]
}

fn event() -> impl Strategy<Value = Event> {
    let number = 1u32..4;
    let verdict = prop_oneof![Just(Verdict::Auto), Just(Verdict::Review), Just(Verdict::Refused)];
    prop_oneof![
        4 => number.clone().prop_map(submitted),
        6 => (number.clone(), verdict, 0u64..5).prop_map(|(number, verdict, epoch)| vetted(number, verdict, epoch)),
        8 => (number.clone(), decision()).prop_map(|(number, decision)| vote(number, decision)),
        3 => number.clone().prop_map(published),
        1 => number.clone().prop_map(|number| Event::VettingFailed { release: release(number), code: "x".into() }),
        1 => number.clone().prop_map(|number| Event::VettingRestarted {
            release: release(number), cause: RestartCause::PolicyChanged }),
        1 => number.clone().prop_map(|number| Event::ReleaseWithdrawn { release: release(number), reason: "x".into() }),
        1 => number.clone().prop_map(|number| Event::ReleaseStopped {
            release: release(number), cause: StopCause::DataWithdrawn }),
        1 => number.clone().prop_map(|number| Event::ReleaseRecalled { release: release(number), reason: "x".into() }),
        1 => number.prop_map(|number| Event::ExportRead { release: release(number), format: "csv".into() }),
        1 => (0u64..4).prop_map(delivered),
        1 => Just(checked()),
    ]
}

/// Folds a history, skipping what is refused; gives the entries that were allowed.
fn fold(history: &[(Actor, Event)]) -> (TenantState, Vec<Entry>) {
    let mut state = TenantState::default();
    let mut allowed = Vec::new();
    for (actor, event) in history {
        let entry = Entry { actor: actor.clone(), event: event.clone() };
        let sequence = allowed.len() as u64 + 1;
        let mut next = state.clone();
        if next.apply(&record(sequence, vec![entry.clone()])).is_ok() {
            state = next;
            allowed.push(entry);
        }
    }
    (state, allowed)
}

fn fold_from(mut state: TenantState, entries: &[Entry], first: u64) -> TenantState {
    for (sequence, entry) in (first..).zip(entries) {
        state.apply(&record(sequence, vec![entry.clone()])).unwrap();
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folding_a_prefix_and_then_the_rest_is_folding_all(
        history in prop::collection::vec((actor(), event()), 0..80), cut in any::<prop::sample::Index>(),
    ) {
        let (all, entries) = fold(&history);
        let cut = if entries.is_empty() { 0 } else { cut.index(entries.len()) };
        let (prefix, rest) = entries.split_at(cut);
        let middle = fold_from(TenantState::default(), prefix, 1);
        // Between the two the state goes through its stored form, as with a checkpoint.
        let stored: TenantState = serde_json::from_slice(&canonical_json(&middle).unwrap()).unwrap();
        prop_assert_eq!(&stored, &middle);
        prop_assert_eq!(fold_from(stored, rest, cut as u64 + 1), all);
    }

    #[test]
    fn a_refused_event_leaves_the_state_as_it_was(
        history in prop::collection::vec((actor(), event()), 0..40), last_actor in actor(), last in event(),
    ) {
        let (state, entries) = fold(&history);
        let mut touched = state.clone();
        let entry = Entry { actor: last_actor, event: last };
        if touched.apply(&record(entries.len() as u64 + 1, vec![entry])).is_err() {
            prop_assert_eq!(touched, state);
        }
    }

    #[test]
    fn whatever_happens_nothing_is_out_that_was_not_judged_safe_or_approved_by_two(
        history in prop::collection::vec((actor(), event()), 0..120),
    ) {
        let (state, _) = fold(&history);
        for known in state.releases().values() {
            let out = matches!(known.state(), ReleaseState::Approved | ReleaseState::Released | ReleaseState::Recalled);
            prop_assert_eq!(
                known.published().is_some(),
                matches!(known.state(), ReleaseState::Released | ReleaseState::Recalled)
            );
            let in_ledger = state.ledger().iter().filter(|entry| entry.release == *known.id()).count();
            prop_assert_eq!(in_ledger, usize::from(known.state().holds_ledger_entry()));
            if !out { continue }
            let result = &known.vetted().unwrap().result;
            match result.verdict {
                Verdict::Refused => prop_assert!(false, "a refused release is out"),
                Verdict::Auto => {}
                Verdict::Review => {
                    let VotesView::Open(votes) = known.votes_visible_to(&identity("ada")) else {
                        return Err(TestCaseError::fail("out without two votes"));
                    };
                    prop_assert_eq!(votes.len(), 2);
                    prop_assert_ne!(&votes[0].reviewer, &votes[1].reviewer);
                    prop_assert!(votes.iter().all(|vote| vote.reviewer != *known.requester()));
                    prop_assert!(votes.iter().all(|vote| vote.decision == Decision::Approve));
                    prop_assert!(votes.iter().all(|vote| Some(vote.content) == known.content()));
                    prop_assert!(votes.iter().any(|vote| vote.role == Role::ControllerSteward));
                }
            }
        }
    }
}
