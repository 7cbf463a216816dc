//! Appending: transactions, group commit, time.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use oscar_journal::{
    Actor, Event, Journal, JournalOptions, RecordError, ReleaseState, ReviewError, TransactError, TransitionError,
    Verdict, VerifyOptions, verify,
};

use crate::cast::{
    analyst, checked, delivered, generous, key, local, noon, open, published, release, result, service, started,
    submission, submitted,
};

async fn tell(journal: &Journal, actor: Actor, event: Event) {
    journal.transact(actor, |_| Ok::<_, Infallible>(vec![event.clone()])).await.unwrap();
}

#[tokio::test]
async fn what_was_appended_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    tell(&journal, service(), delivered(1)).await;
    tell(&journal, analyst(), submitted(1)).await;
    journal.record(service(), started("build 7")).await.unwrap();
    let again = open(folder.path()).await;
    assert_eq!(again.state(), journal.state());
    assert_eq!(again.snapshot().head, journal.snapshot().head);
    let records = again.records(0, 10).await.unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(records[1].entries[0].actor, analyst());
    assert_eq!(again.records(2, 10).await.unwrap(), records[2..]);
}

#[tokio::test]
async fn several_events_of_one_decision_are_one_record() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    let both = |_: &_| Ok::<_, Infallible>(vec![started("a"), started("b")]);
    let recorded = journal.transact(service(), both).await.unwrap();
    assert_eq!(recorded.iter().map(|one| (one.sequence, one.index)).collect::<Vec<_>>(), [(1, 0), (1, 1)]);
    assert_eq!(recorded[0].digest, journal.snapshot().head.digest);
}

#[tokio::test]
async fn a_decision_for_nothing_records_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    assert!(journal.transact(service(), |_| Ok::<_, Infallible>(Vec::new())).await.unwrap().is_empty());
    assert_eq!(journal.snapshot().head.sequence, 0);
}

#[tokio::test]
async fn of_two_racing_releases_the_second_is_judged_again() {
    let folder = tempfile::tempdir().unwrap();
    let one = open(folder.path()).await;
    tell(&one, analyst(), submitted(1)).await;
    tell(&one, analyst(), submitted(2)).await;
    let two = open(folder.path()).await;
    // Both read epoch 0 and judge; the first journals its answer.
    let epoch = two.state().ledger_epoch();
    let answer = result(Verdict::Auto, epoch);
    one.transact(service(), |state| state.finish_vetting(&service(), &release(1), answer.clone(), &generous()))
        .await
        .unwrap();
    let mut asked = 0;
    let late = two
        .transact(service(), |state| {
            asked += 1;
            state.finish_vetting(&service(), &release(2), answer.clone(), &generous())
        })
        .await;
    let Err(TransactError::Decision(ReviewError::Transition(TransitionError::StaleLedger))) = late else {
        panic!("{late:?}")
    };
    assert_eq!(asked, 2, "first on the state it had, then on what had won the race");
}

#[tokio::test]
async fn a_refusal_is_final_only_on_the_newest_state() {
    let folder = tempfile::tempdir().unwrap();
    let stale = open(folder.path()).await;
    let other = open(folder.path()).await;
    tell(&other, analyst(), submitted(1)).await;
    // `stale` has not seen the release yet and would say that it is unknown.
    stale.transact(analyst(), |state| state.withdraw(&analyst(), &release(1), "typo")).await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(other.state().release(&release(1)).unwrap().state(), ReleaseState::Withdrawn);
}

#[tokio::test]
async fn what_the_state_does_not_allow_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    let illegal = journal.transact(service(), |_| Ok::<_, Infallible>(vec![started("a"), published(1)])).await;
    assert!(matches!(illegal, Err(TransactError::Illegal(TransitionError::UnknownRelease))), "{illegal:?}");
    assert_eq!(open(folder.path()).await.snapshot().head.sequence, 0, "not even the event before it");
}

#[tokio::test]
async fn a_used_up_quota_is_refused_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    let quotas = oscar_permit::Quotas { releases: 0, ..generous() };
    let refused =
        journal.transact(analyst(), |state| state.submit(&analyst(), &release(1), submission(), &quotas)).await;
    assert!(matches!(refused, Err(TransactError::Decision(ReviewError::ReleasesUsedUp))), "{refused:?}");
    assert!(journal.state().releases().is_empty());
}

#[tokio::test]
async fn a_thousand_events_at_once_share_a_few_records() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    let calls = (0..1000).map(|_| journal.record(analyst(), checked()));
    let recorded = futures::future::try_join_all(calls).await.unwrap();
    let places: BTreeSet<_> = recorded.iter().map(|one| (one.sequence, one.index)).collect();
    assert_eq!(places.len(), 1000, "each has a place of its own");
    let records = journal.records(0, 1000).await.unwrap();
    assert_eq!(records.iter().map(|record| record.entries.len()).sum::<usize>(), 1000);
    assert!(records.len() < 100, "{} records", records.len());
}

#[tokio::test]
async fn an_event_that_is_not_allowed_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    let (good, bad, also_good) = tokio::join!(
        journal.record(analyst(), checked()),
        journal.record(service(), published(1)),
        journal.record(analyst(), checked()),
    );
    assert!(good.is_ok() && also_good.is_ok());
    assert!(matches!(bad, Err(RecordError::Illegal(TransitionError::UnknownRelease))), "{bad:?}");
}

#[tokio::test]
async fn shutting_down_commits_what_waits_and_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.record(analyst(), checked()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    journal.shutdown().await.unwrap();
    let mut acknowledged = 0;
    for call in waiting {
        match call.await.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(RecordError::Stopped) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(matches!(journal.record(analyst(), checked()).await, Err(RecordError::Stopped)));
    let store = local(folder.path());
    let report = verify(store.as_ref(), &key().verifying_key(), &VerifyOptions::default()).await.unwrap();
    assert_eq!(report.events, acknowledged);
}

#[tokio::test]
async fn callers_that_give_up_leave_the_journal_sound() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    for round in 0..60 {
        let calls = journal.transact(service(), |_| Ok::<_, Infallible>(vec![started("given up")]));
        // Dropped at the first, second, third … point where it waits.
        let mut calls = Box::pin(calls);
        for _ in 0..round % 6 {
            if futures::poll!(&mut calls).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    tell(&journal, service(), started("patient")).await;
    let again = open(folder.path()).await;
    assert_eq!(again.snapshot().head, journal.snapshot().head);
    let last = again.records(again.snapshot().head.sequence - 1, 1).await.unwrap();
    assert_eq!(last[0].entries[0].event, started("patient"));
}

/// Seconds by which the clock below is off.
static CLOCK: AtomicI64 = AtomicI64::new(0);

fn unsteady_clock() -> DateTime<Utc> {
    noon() + chrono::TimeDelta::seconds(CLOCK.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_turn_back_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { clock: unsteady_clock, ..JournalOptions::default() };
    let journal = Journal::open_with(local(folder.path()), key(), options).await.unwrap();
    for offset in [100, -5000, 50, 200] {
        CLOCK.store(offset, Ordering::SeqCst);
        tell(&journal, service(), started("tick")).await;
    }
    let seconds: Vec<_> =
        journal.records(0, 10).await.unwrap().iter().map(|one| (one.time - noon()).num_seconds()).collect();
    assert_eq!(seconds, [100, 100, 100, 200]);
    open(folder.path()).await;
}

#[tokio::test]
async fn records_on_a_local_disk_can_be_synced() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { local_folder: Some(folder.path().into()), ..JournalOptions::default() };
    let journal = Journal::open_with(local(folder.path()), key(), options).await.unwrap();
    tell(&journal, service(), started("a")).await;
    tell(&journal, service(), started("b")).await;
    // With a folder that is not the store's, the sync must fail and not be passed over.
    let elsewhere = tempfile::tempdir().unwrap();
    let options = JournalOptions { local_folder: Some(elsewhere.path().into()), ..JournalOptions::default() };
    let journal = Journal::open_with(local(folder.path()), key(), options).await.unwrap();
    let unsafe_record = journal.record(service(), started("c")).await;
    assert!(matches!(unsafe_record, Err(RecordError::Journal(_))), "{unsafe_record:?}");
}

#[tokio::test]
async fn subscribers_hear_of_what_is_appended_here_and_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).await;
    let mut view = journal.subscribe();
    tell(&open(folder.path()).await, analyst(), submitted(1)).await;
    journal.refresh().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), view.changed()).await.unwrap().unwrap();
    assert!(view.borrow().state.release(&release(1)).is_some());
}
