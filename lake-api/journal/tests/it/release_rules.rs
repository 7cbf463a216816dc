//! Who may do what: no role releases alone, votes are hidden, quotas and ledger hold.

use oscar_journal::{
    Actor, Decision, Entry, Event, ReleaseState, RestartCause, ReviewError, StopCause, Submission, TenantState,
    TransitionError, Verdict, VotesView,
};
use oscar_permit::{Quotas, Role, TableRef};

use crate::cast::{
    Story, analyst, auditor, content, controller, delivered, digest, generous, identity, permit, published, release,
    result, service, steward, submission, submitted, vetted, vote,
};

fn in_review() -> Story {
    Story::default().tell(analyst(), submitted(1)).tell(service(), vetted(1, Verdict::Review, 0))
}

fn state_of(story: &Story, number: u32) -> ReleaseState {
    story.state.release(&release(number)).unwrap().state()
}

#[test]
fn no_person_in_any_role_can_judge_approve_or_publish() {
    for role in [Role::Analyst, Role::Steward, Role::ControllerSteward, Role::Auditor] {
        let who = Actor::person(identity("mallory"), role);
        let mut vetting = Story::default().tell(analyst(), submitted(1));
        assert_eq!(vetting.try_tell(who.clone(), vetted(1, Verdict::Auto, 0)), Err(TransitionError::Actor));
        let mut approved = vetting.tell(service(), vetted(1, Verdict::Auto, 0));
        assert_eq!(approved.try_tell(who.clone(), published(1)), Err(TransitionError::Actor));
        assert_eq!(approved.try_tell(who, delivered(9)), Err(TransitionError::Actor));
    }
}

#[test]
fn the_platform_cannot_vote_submit_or_publish_what_is_in_review() {
    let mut story = in_review();
    for actor in [service(), Actor::Anonymous {}] {
        assert_eq!(story.try_tell(actor.clone(), vote(1, Decision::Approve)), Err(TransitionError::Actor));
        assert_eq!(story.try_tell(actor, submitted(2)), Err(TransitionError::Actor));
    }
    let refusal = Err(TransitionError::State(ReleaseState::InReview));
    assert_eq!(story.try_tell(service(), published(1)), refusal);
}

#[test]
fn one_steward_cannot_release_alone_not_even_by_voting_twice() {
    let mut story = in_review().tell(controller(), vote(1, Decision::Approve));
    assert_eq!(story.try_tell(controller(), vote(1, Decision::Approve)), Err(TransitionError::SecondVote));
    let same_person_other_role = Actor::person(identity("carl"), Role::Steward);
    assert_eq!(story.try_tell(same_person_other_role, vote(1, Decision::Approve)), Err(TransitionError::SecondVote));
    assert_eq!(state_of(&story, 1), ReleaseState::InReview);
}

#[test]
fn the_requester_cannot_vote_in_any_role() {
    for role in [Role::Steward, Role::ControllerSteward] {
        let requester = Actor::person(identity("anna"), role);
        assert_eq!(in_review().try_tell(requester, vote(1, Decision::Approve)), Err(TransitionError::OwnRelease));
    }
}

#[test]
fn an_analyst_and_an_auditor_cannot_vote() {
    let other = Actor::person(identity("otto"), Role::Analyst);
    for actor in [other, auditor()] {
        assert_eq!(in_review().try_tell(actor, vote(1, Decision::Approve)), Err(TransitionError::Actor));
    }
}

#[test]
fn two_stewards_without_the_data_controller_do_not_suffice() {
    let second = Actor::person(identity("svend"), Role::Steward);
    let mut story = in_review().tell(steward(), vote(1, Decision::Approve));
    assert_eq!(story.try_tell(second, vote(1, Decision::Approve)), Err(TransitionError::ControllerMissing));
    let story = story.tell(controller(), vote(1, Decision::Approve));
    assert_eq!(state_of(&story, 1), ReleaseState::Approved);
}

#[test]
fn the_same_subject_at_another_issuer_is_another_person() {
    let mut elsewhere = identity("anna");
    elsewhere.issuer = "https://login.other".into();
    let story = in_review().tell(Actor::person(elsewhere, Role::Steward), vote(1, Decision::Approve));
    assert_eq!(state_of(&story, 1), ReleaseState::InReview);
}

#[test]
fn a_vote_on_other_content_is_refused() {
    let state = in_review().state;
    let other = state.cast_vote(&steward(), &release(1), Decision::Approve, "fine", digest("other"));
    assert_eq!(other, Err(ReviewError::Transition(TransitionError::OtherContent)));
}

#[test]
fn a_vote_needs_a_reason_of_bounded_length() {
    let state = in_review().state;
    for reason in [String::new(), " \n\t".into(), "x".repeat(oscar_journal::MAX_REASON + 1)] {
        let refused = state.cast_vote(&steward(), &release(1), Decision::Reject, &reason, content());
        assert_eq!(refused, Err(ReviewError::Transition(TransitionError::Reason)));
    }
    assert!(state.cast_vote(&steward(), &release(1), Decision::Reject, "small cells", content()).is_ok());
}

#[test]
fn votes_are_hidden_until_both_are_in() {
    let story = in_review().tell(steward(), vote(1, Decision::Reject));
    let known = story.state.release(&release(1)).unwrap();
    for viewer in ["carl", "anna", "ada", "nobody"] {
        assert_eq!(known.votes_visible_to(&identity(viewer)), VotesView::Hidden { own: None }, "{viewer}");
    }
    let VotesView::Hidden { own: Some(own) } = known.votes_visible_to(&identity("stine")) else { panic!() };
    assert_eq!(own.decision, Decision::Reject);

    let story = story.tell(controller(), vote(1, Decision::Reject));
    let known = story.state.release(&release(1)).unwrap();
    let VotesView::Open(votes) = known.votes_visible_to(&identity("anna")) else { panic!() };
    assert_eq!(votes.len(), 2);
}

#[test]
fn the_audit_trail_hides_a_lone_vote_from_everybody_else() {
    let entry = Entry { actor: steward(), event: vote(1, Decision::Reject) };
    let story = in_review().tell(steward(), vote(1, Decision::Reject));
    assert!(story.state.vote_is_hidden(&entry, &identity("ada")));
    assert!(!story.state.vote_is_hidden(&entry, &identity("stine")));
    let story = story.tell(controller(), vote(1, Decision::Reject));
    assert!(!story.state.vote_is_hidden(&entry, &identity("ada")));
}

#[test]
fn the_lone_vote_of_a_withdrawn_release_stays_hidden() {
    let story = in_review()
        .tell(steward(), vote(1, Decision::Reject))
        .tell(analyst(), Event::ReleaseWithdrawn { release: release(1), reason: String::new() });
    let known = story.state.release(&release(1)).unwrap();
    assert_eq!(known.votes_visible_to(&identity("anna")), VotesView::Hidden { own: None });
}

#[test]
fn a_new_vetting_resets_the_votes() {
    let restart = Event::VettingRestarted { release: release(1), cause: RestartCause::ContentChanged };
    let story = in_review().tell(steward(), vote(1, Decision::Approve)).tell(service(), restart);
    let story = story.tell(service(), vetted(1, Verdict::Review, 1)).tell(controller(), vote(1, Decision::Approve));
    assert_eq!(state_of(&story, 1), ReleaseState::InReview, "the first vote was about other content");
    let story = story.tell(steward(), vote(1, Decision::Approve));
    assert_eq!(state_of(&story, 1), ReleaseState::Approved);
}

#[test]
fn how_often_vetting_was_cut_off_is_counted_until_it_is_submitted_again() {
    let restarted = |cause| Event::VettingRestarted { release: release(1), cause };
    let interruptions = |story: &Story| story.state.release(&release(1)).unwrap().interruptions();
    let story = Story::default()
        .tell(analyst(), submitted(1))
        .tell(service(), restarted(RestartCause::Interrupted))
        .tell(service(), restarted(RestartCause::PolicyChanged))
        .tell(service(), restarted(RestartCause::Interrupted));
    assert_eq!(interruptions(&story), 2);
    let failed = Event::VettingFailed { release: release(1), code: oscar_journal::PLATFORM_FAILURE.into() };
    let story = story.tell(service(), failed);
    assert_eq!(story.state.submissions_used(&permit(), []), 1, "what the platform fails at costs no more");
    assert_eq!(interruptions(&story.tell(analyst(), submitted(1))), 0);
}

#[test]
fn a_try_that_ends_on_a_limit_costs_as_much_as_ten() {
    let failed = Event::VettingFailed { release: release(1), code: "deadline".into() };
    let story = Story::default().tell(analyst(), submitted(1)).tell(service(), failed);
    let contacts = "contacts".parse().unwrap();
    assert_eq!(story.state.submissions_used(&permit(), []), oscar_journal::PRICE_OF_A_LIMIT);
    assert_eq!(story.state.submissions_used(&"FSEID-2".parse().unwrap(), [&contacts]), oscar_journal::PRICE_OF_A_LIMIT);
    let quotas = Quotas { releases: 10, ..generous() };
    let next = story.state.submit(&analyst(), &release(2), submission(), &quotas);
    assert_eq!(next, Err(ReviewError::ReleasesUsedUp));
}

#[test]
fn a_try_that_is_taken_back_before_its_answer_costs_as_much_as_one_that_ends_on_a_limit() {
    let withdrawn = || Event::ReleaseWithdrawn { release: release(1), reason: "too slow".into() };
    let contacts = "contacts".parse().unwrap();
    let given_up = Story::default().tell(analyst(), submitted(1)).tell(analyst(), withdrawn());
    assert_eq!(given_up.state.submissions_used(&permit(), []), oscar_journal::PRICE_OF_A_LIMIT);
    let elsewhere = "FSEID-2".parse().unwrap();
    assert_eq!(given_up.state.submissions_used(&elsewhere, [&contacts]), oscar_journal::PRICE_OF_A_LIMIT);
    let answered = in_review().tell(analyst(), withdrawn());
    assert_eq!(answered.state.submissions_used(&permit(), [&contacts]), 1);
    let failed = Event::VettingFailed { release: release(1), code: oscar_journal::PLATFORM_FAILURE.into() };
    let failed = Story::default().tell(analyst(), submitted(1)).tell(service(), failed).tell(analyst(), withdrawn());
    assert_eq!(failed.state.submissions_used(&permit(), [&contacts]), 1, "the platform's failure was seen before");
}

#[test]
fn a_returned_release_belongs_to_its_requester() {
    let mut story =
        in_review().tell(steward(), vote(1, Decision::Return)).tell(controller(), vote(1, Decision::Approve));
    let thief = Actor::person(identity("otto"), Role::Analyst);
    assert_eq!(story.try_tell(thief, submitted(1)), Err(TransitionError::NotTheRequester));
    let story = story.tell(analyst(), submitted(1));
    assert!(story.state.release(&release(1)).unwrap().vetted().is_none());
}

#[test]
fn only_the_requester_withdraws() {
    let mut story = in_review();
    let event = Event::ReleaseWithdrawn { release: release(1), reason: String::new() };
    assert_eq!(story.try_tell(controller(), event.clone()), Err(TransitionError::NotTheRequester));
    assert_eq!(story.try_tell(service(), event), Err(TransitionError::Actor));
}

#[test]
fn a_release_counts_in_the_ledger_from_its_verdict_on() {
    let mut story = Story::default().tell(analyst(), submitted(1)).tell(analyst(), submitted(2));
    story = story.tell(service(), vetted(1, Verdict::Auto, 0));
    assert_eq!(story.state.ledger().len(), 1);
    assert_eq!(story.try_tell(service(), vetted(2, Verdict::Auto, 0)), Err(TransitionError::StaleLedger));
    let stale = story.state.finish_vetting(&service(), &release(2), result(Verdict::Auto, 0), &generous());
    assert_eq!(stale, Err(ReviewError::Transition(TransitionError::StaleLedger)));
    let story = story.tell(service(), vetted(2, Verdict::Review, 1));
    let order: Vec<_> = story.state.ledger().iter().map(|entry| (entry.release.clone(), entry.epoch)).collect();
    assert_eq!(order, [(release(1), 1), (release(2), 2)]);
}

#[test]
fn a_refusal_needs_no_current_ledger_and_leaves_no_entry() {
    let story = Story::default()
        .tell(analyst(), submitted(1))
        .tell(analyst(), submitted(2))
        .tell(service(), vetted(1, Verdict::Auto, 0))
        .tell(service(), vetted(2, Verdict::Refused, 0));
    assert_eq!(story.state.ledger().len(), 1);
}

#[test]
fn a_reservation_goes_with_a_release_that_ends_unpublished_and_stays_with_a_recalled_one() {
    let rejected = in_review().tell(steward(), vote(1, Decision::Reject)).tell(controller(), vote(1, Decision::Reject));
    assert!(rejected.state.ledger().is_empty());
    assert_eq!(rejected.state.ledger_epoch(), 1, "the epoch never falls");
    let recalled = Story::default()
        .tell(analyst(), submitted(1))
        .tell(service(), vetted(1, Verdict::Auto, 0))
        .tell(service(), published(1))
        .tell(controller(), Event::ReleaseRecalled { release: release(1), reason: "wrong year".into() });
    assert_eq!(recalled.state.ledger().len(), 1, "what was out cannot be taken back from the ledger");
}

fn read() -> Event {
    Event::ReviewRead { release: release(1) }
}

#[test]
fn what_a_steward_has_looked_at_stays_in_the_ledger_unless_two_stewards_turn_it_down() {
    let withdrawn = Event::ReleaseWithdrawn { release: release(1), reason: String::new() };
    assert!(in_review().tell(analyst(), withdrawn.clone()).state.ledger().is_empty(), "nobody has seen it");
    let looked_at = || in_review().tell(steward(), read());
    let kept = looked_at().tell(analyst(), withdrawn.clone());
    assert_eq!((kept.state.ledger().len(), kept.state.cells_used(&permit(), [])), (1, 20));
    let rejected = looked_at().tell(steward(), vote(1, Decision::Reject)).tell(controller(), vote(1, Decision::Reject));
    assert!(rejected.state.ledger().is_empty());

    // Judged again, it is judged against what was looked at, which stays whatever comes then; it leaves once.
    let restart = || Event::VettingRestarted { release: release(1), cause: RestartCause::PolicyChanged };
    let again = || looked_at().tell(service(), restart());
    let quotas = Quotas { cells: 20, ..generous() };
    let answer = again().state.finish_vetting(&service(), &release(1), result(Verdict::Review, 1), &quotas);
    assert!(answer.is_ok(), "{answer:?}");
    let judged = again().tell(service(), vetted(1, Verdict::Review, 1));
    assert_eq!((judged.state.ledger().len(), judged.state.cells_used(&permit(), [])), (2, 20));
    assert!(!judged.state.is_seen(&release(1)), "nobody has looked at what it is now");
    assert_eq!(again().tell(service(), vetted(1, Verdict::Refused, 1)).state.ledger().len(), 1);
    assert_eq!(judged.tell(analyst(), withdrawn).state.ledger().len(), 1);
    let failed = Event::VettingFailed { release: release(1), code: "deadline".into() };
    let resubmitted = again().tell(service(), failed).tell(analyst(), submitted(1));
    assert_eq!(resubmitted.state.ledger().len(), 1);
}

#[test]
fn a_release_that_the_platform_stopped_costs_no_more_and_nobody_pretends_it_was() {
    let stopped = Event::ReleaseStopped { release: release(1), cause: StopCause::PermitNotInForce };
    let story = Story::default().tell(analyst(), submitted(1)).tell(service(), stopped);
    assert_eq!(story.state.submissions_used(&permit(), []), 1);
    let open = Story::default().tell(analyst(), submitted(1));
    let pretended = open.state.withdraw(&analyst(), &release(1), " permit-not-in-force ");
    assert_eq!(pretended, Err(ReviewError::ReservedReason));
}

#[test]
fn an_attempt_that_was_cut_off_may_still_be_answered() {
    let before = Story::default().tell(analyst(), submitted(1));
    let sequence = |story: &Story| story.state.release(&release(1)).unwrap().sequence();
    let attempt = sequence(&before);
    let restarted = |cause| Event::VettingRestarted { release: release(1), cause };
    let cut_off = before.tell(service(), restarted(RestartCause::Interrupted));
    assert_eq!(sequence(&cut_off), attempt);
    assert_ne!(sequence(&cut_off.tell(service(), restarted(RestartCause::PolicyChanged))), attempt);
}

#[test]
fn a_look_changes_neither_votes_nor_the_step_that_the_platform_is_at() {
    let before = in_review().tell(steward(), vote(1, Decision::Approve));
    let known = |story: &Story| story.state.release(&release(1)).unwrap().clone();
    let (sequence, since) = (known(&before).sequence(), known(&before).since());
    let after = before.tell(controller(), read());
    assert!(after.state.is_seen(&release(1)));
    assert_eq!((known(&after).sequence(), known(&after).since()), (sequence, since));
    assert_eq!(state_of(&after.tell(controller(), vote(1, Decision::Approve)), 1), ReleaseState::Approved);
}

#[test]
fn only_stewards_who_did_not_ask_look_at_content_under_review() {
    let requester = Actor::person(identity("anna"), Role::Steward);
    assert_eq!(in_review().try_tell(requester, read()), Err(TransitionError::OwnRelease));
    for actor in [analyst(), auditor(), service(), Actor::Anonymous {}] {
        assert_eq!(in_review().try_tell(actor, read()), Err(TransitionError::Actor));
    }
}

#[test]
fn refused_tries_use_up_the_quota() {
    let quotas = Quotas { releases: 2, ..generous() };
    let story = Story::default()
        .tell(analyst(), submitted(1))
        .tell(service(), vetted(1, Verdict::Refused, 0))
        .tell(analyst(), submitted(2))
        .tell(service(), vetted(2, Verdict::Refused, 0));
    let third = story.state.submit(&analyst(), &release(3), submission(), &quotas);
    assert_eq!(third, Err(ReviewError::ReleasesUsedUp));
    let usage = story.state.usage(&permit());
    assert_eq!((usage.submitted, usage.refused, usage.published), (2, 2, 0));
}

#[test]
fn cells_on_their_way_out_count_and_come_back_when_they_stay() {
    let quotas = Quotas { cells: 30, ..generous() };
    let story = in_review().tell(analyst(), submitted(2));
    let second = |story: &Story| {
        let epoch = story.state.ledger_epoch();
        story.state.finish_vetting(&service(), &release(2), result(Verdict::Auto, epoch), &quotas)
    };
    assert_eq!(story.state.cells_used(&permit(), []), 20);
    assert_eq!(second(&story), Err(ReviewError::CellsUsedUp));
    let story = story.tell(steward(), vote(1, Decision::Reject)).tell(controller(), vote(1, Decision::Reject));
    assert_eq!(story.state.cells_used(&permit(), []), 0);
    assert!(second(&story).is_ok());
}

/// The same question under another permit, on the same dataset or another one.
fn elsewhere(dataset: &str) -> Submission {
    let table = TableRef::try_from(format!("{dataset}.visits")).unwrap();
    Submission {
        permit: "FSEID-2".parse().unwrap(),
        versions: [(table.clone(), 3)].into(),
        contracts: [(table.dataset, digest("contract"))].into(),
        ..submission()
    }
}

#[test]
fn a_second_permit_does_not_double_what_may_be_asked_of_a_dataset() {
    let quotas = Quotas { releases: 2, cells: 30, ..generous() };
    let under =
        |number, submission| Event::ReleaseSubmitted { release: release(number), submission: Box::new(submission) };
    let story = Story::default()
        .tell(analyst(), submitted(1))
        .tell(service(), vetted(1, Verdict::Auto, 0))
        .tell(analyst(), under(2, elsewhere("contacts")));
    let cells = |state: &TenantState, number| {
        state.finish_vetting(&service(), &release(number), result(Verdict::Auto, state.ledger_epoch()), &quotas)
    };
    assert_eq!(
        cells(&story.state, 2),
        Err(ReviewError::CellsUsedUp),
        "20 of 30 cells are taken under the first permit"
    );
    for permitted in [submission(), elsewhere("contacts")] {
        let third = story.state.submit(&analyst(), &release(3), permitted, &quotas);
        assert_eq!(third, Err(ReviewError::ReleasesUsedUp), "one try under each of two permits");
    }
    assert!(story.state.submit(&analyst(), &release(3), elsewhere("births"), &quotas).is_ok(), "another dataset");
    let other = "FSEID-3".parse().unwrap();
    let contacts = "contacts".parse().unwrap();
    assert_eq!(story.state.submissions_used(&other, [&contacts, &contacts]), 2);
    assert_eq!(story.state.cells_used(&other, [&contacts]), 20);
    assert_eq!((story.state.submissions_used(&other, []), story.state.cells_used(&other, [])), (0, 0));
}

#[test]
fn a_release_with_too_many_cells_is_told_so() {
    let quotas = Quotas { cells_per_release: 19, ..generous() };
    let story = Story::default().tell(analyst(), submitted(1));
    let refused = story.state.finish_vetting(&service(), &release(1), result(Verdict::Auto, 0), &quotas);
    assert_eq!(refused, Err(ReviewError::TooManyCells));
}

#[test]
fn a_delivery_becomes_visible_as_a_whole_and_versions_do_not_go_back() {
    let dataset = "contacts".parse().unwrap();
    let mut story = Story::default().tell(service(), delivered(4));
    assert_eq!(story.state.visible_versions().values().copied().collect::<Vec<_>>(), [4]);
    assert_eq!(story.try_tell(service(), delivered(3)), Err(TransitionError::Overtaken));
    let story = story.tell(service(), delivered(5));
    assert!(story.state.was_delivered(&dataset, &digest("package 4")));
    assert!(!story.state.was_delivered(&dataset, &digest("package 3")));
    assert_eq!(story.state.dataset(&dataset).unwrap().delivery, digest("package 5"));
}

#[test]
fn no_person_number_gets_into_the_journal_through_a_persons_words() {
    let number = "0101701234";
    let story = in_review();
    let in_title = oscar_journal::Submission { title: format!("Ms {number}"), ..submission() };
    let in_note = oscar_journal::Submission { purpose_note: "about 010170-1234".into(), ..submission() };
    for wish in [in_title, in_note] {
        let refused = story.state.submit(&analyst(), &release(2), wish, &generous());
        assert_eq!(refused, Err(ReviewError::PersonNumber));
    }
    let reason = format!("{number} is in the table");
    let refused = story.state.cast_vote(&steward(), &release(1), Decision::Reject, &reason, content());
    assert_eq!(refused, Err(ReviewError::PersonNumber));
    assert_eq!(story.state.withdraw(&analyst(), &release(1), &reason), Err(ReviewError::PersonNumber));
    assert_eq!(story.state.recall(&steward(), &release(1), &reason), Err(ReviewError::PersonNumber));
}
