//! The table of states and events: everything that is not in it is refused.

use oscar_journal::{
    Actor, Decision, Event, ReleaseState, RestartCause, StopCause, TransitionError, Verdict, transition,
};
use rstest::rstest;

use crate::cast::{Story, analyst, controller, published, release, result, service, steward, submitted, vetted, vote};

/// A release brought into every state that the journal can know.
fn in_state(state: ReleaseState) -> Story {
    let vetting = || Story::default().tell(analyst(), submitted(1));
    let review = || vetting().tell(service(), vetted(1, Verdict::Review, 0));
    let voted = |one, two| review().tell(steward(), vote(1, one)).tell(controller(), vote(1, two));
    let auto = || vetting().tell(service(), vetted(1, Verdict::Auto, 0));
    let released = || auto().tell(service(), published(1));
    match state {
        ReleaseState::Draft => Story::default(),
        ReleaseState::Vetting => vetting(),
        ReleaseState::Refused => vetting().tell(service(), vetted(1, Verdict::Refused, 0)),
        ReleaseState::InReview => review(),
        ReleaseState::Returned => voted(Decision::Approve, Decision::Return),
        ReleaseState::Conflict => voted(Decision::Approve, Decision::Reject),
        ReleaseState::Approved => auto(),
        ReleaseState::Released => released(),
        ReleaseState::Rejected => voted(Decision::Reject, Decision::Reject),
        ReleaseState::Withdrawn => {
            vetting().tell(analyst(), Event::ReleaseWithdrawn { release: release(1), reason: String::new() })
        }
        ReleaseState::Recalled => {
            released().tell(steward(), Event::ReleaseRecalled { release: release(1), reason: "wrong year".into() })
        }
    }
}

/// Each event by the actor who may cause it, and the states in which it is possible.
fn possible() -> Vec<(Actor, Event, Vec<ReleaseState>)> {
    use ReleaseState::{Approved, Conflict, Draft, InReview, Released, Returned, Vetting};
    let id = || release(1);
    let open = vec![Vetting, InReview, Returned, Conflict, Approved];
    vec![
        (analyst(), submitted(1), vec![Draft, Returned]),
        (service(), vetted(1, Verdict::Refused, 0), vec![Vetting]),
        (service(), vetted(1, Verdict::Review, 1), vec![Vetting]),
        (service(), Event::VettingFailed { release: id(), code: "deadline".into() }, vec![Vetting]),
        (
            service(),
            Event::VettingRestarted { release: id(), cause: RestartCause::PolicyChanged },
            vec![Vetting, InReview, Conflict, Approved],
        ),
        (steward(), vote(1, Decision::Approve), vec![InReview]),
        (steward(), Event::ReviewRead { release: id() }, vec![InReview, Conflict]),
        (service(), published(1), vec![Approved]),
        (analyst(), Event::ReleaseWithdrawn { release: id(), reason: "typo".into() }, open.clone()),
        (service(), Event::ReleaseStopped { release: id(), cause: StopCause::PermitNotInForce }, open),
        (steward(), Event::ReleaseRecalled { release: id(), reason: "wrong year".into() }, vec![Released]),
        (analyst(), Event::ExportRead { release: id(), format: "csv".into() }, vec![Released]),
    ]
}

#[test]
fn every_pair_of_state_and_event_is_decided_as_the_table_says() {
    for state in ReleaseState::ALL {
        let story = in_state(state);
        let known = story.state.release(&release(1));
        assert_eq!(known.map_or(ReleaseState::Draft, |known| known.state()), state);
        for (actor, event, allowed_in) in possible() {
            let decided = transition(known.map(AsRef::as_ref), &actor, &event);
            let refusal = match state {
                ReleaseState::Draft => TransitionError::UnknownRelease,
                state => TransitionError::State(state),
            };
            if allowed_in.contains(&state) {
                assert!(decided.is_ok(), "{} in {state}: {decided:?}", event.kind());
            } else {
                assert_eq!(decided, Err(refusal), "{} in {state}", event.kind());
            }
        }
    }
}

#[rstest]
#[case(Decision::Approve, Decision::Approve, ReleaseState::Approved)]
#[case(Decision::Reject, Decision::Reject, ReleaseState::Rejected)]
#[case(Decision::Approve, Decision::Reject, ReleaseState::Conflict)]
#[case(Decision::Reject, Decision::Approve, ReleaseState::Conflict)]
#[case(Decision::Return, Decision::Approve, ReleaseState::Returned)]
#[case(Decision::Reject, Decision::Return, ReleaseState::Returned)]
#[case(Decision::Return, Decision::Return, ReleaseState::Returned)]
fn two_votes_decide(#[case] one: Decision, #[case] two: Decision, #[case] end: ReleaseState) {
    let story = in_state(ReleaseState::InReview).tell(steward(), vote(1, one));
    assert_eq!(story.state.release(&release(1)).unwrap().state(), ReleaseState::InReview);
    let story = story.tell(controller(), vote(1, two));
    assert_eq!(story.state.release(&release(1)).unwrap().state(), end);
}

#[test]
fn a_failed_vetting_goes_back_to_the_requester_who_may_submit_again() {
    let story = in_state(ReleaseState::Vetting)
        .tell(service(), Event::VettingFailed { release: release(1), code: "deadline".into() });
    let known = story.state.release(&release(1)).unwrap();
    assert_eq!((known.state(), known.failure()), (ReleaseState::Returned, Some("deadline")));
    let story = story.tell(analyst(), submitted(1));
    let known = story.state.release(&release(1)).unwrap();
    assert_eq!((known.state(), known.failure(), known.round()), (ReleaseState::Vetting, None, 2));
}

#[test]
fn an_answer_that_contradicts_itself_is_refused() {
    let mut story = in_state(ReleaseState::Vetting);
    let mut bare = result(Verdict::Auto, 0);
    bare.ledger = None;
    let mut leaking = result(Verdict::Refused, 0);
    leaking.content = result(Verdict::Auto, 0).content;
    for result in [bare, leaking] {
        let event = Event::VettingFinished { release: release(1), result: Box::new(result) };
        assert_eq!(story.try_tell(service(), event), Err(TransitionError::VettingResult));
    }
}

#[test]
fn a_statement_with_another_digest_is_refused() {
    let mut other = crate::cast::submission();
    other.sql.push(' ');
    let event = Event::ReleaseSubmitted { release: release(1), submission: Box::new(other) };
    assert_eq!(Story::default().try_tell(analyst(), event), Err(TransitionError::SqlDigest));
}

#[test]
fn a_format_that_was_not_published_cannot_be_read() {
    let mut story = in_state(ReleaseState::Released);
    let event = Event::ExportRead { release: release(1), format: "parquet".into() };
    assert_eq!(story.try_tell(analyst(), event), Err(TransitionError::UnknownFormat));
}
