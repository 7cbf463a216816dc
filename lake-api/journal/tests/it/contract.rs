//! The same suite on a local disk and on S3: what the journal needs of a store, and that
//! many writers at once lose nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{Error, ObjectStore, PutMode};
use oscar_journal::{
    Actor, Event, Journal, JournalError, RecordError, TransactError, VerifyOptions, VerifyReport, verify,
};
use oscar_peers::{SeaweedFs, in_ci, required_in_ci};

use crate::cast::{key, started};

/// How long the many writers write: what is promised on CI, less where somebody waits for it.
fn soak() -> Duration {
    let seconds = std::env::var("OSCAR_SOAK_SECONDS").ok().map(|text| text.parse().unwrap());
    Duration::from_secs(seconds.unwrap_or(if in_ci() { 60 } else { 5 }))
}

async fn thirty_racing_creates_have_one_winner(store: &Arc<dyn ObjectStore>) {
    for round in 0..2 {
        let path = Path::from(format!("probe/{round}"));
        let tries = (0..30).map(|writer| {
            let (store, path) = (Arc::clone(store), path.clone());
            tokio::spawn(async move { store.put_opts(&path, format!("{writer}").into(), PutMode::Create.into()).await })
        });
        let outcomes: Vec<_> = futures::future::join_all(tries).await.into_iter().map(Result::unwrap).collect();
        let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(winners, 1, "{outcomes:?}");
        assert!(
            outcomes
                .iter()
                .filter_map(|outcome| outcome.as_ref().err())
                .all(|error| matches!(error, Error::AlreadyExists { .. }))
        );
    }
}

/// Half of the writers transact, half use the group commit; each through a journal opened on its own.
async fn twenty_writers_lose_nothing(store: &Arc<dyn ObjectStore>) {
    let begun = Instant::now();
    let until = begun + soak();
    let longest = until + Duration::from_mins(5);
    let writers = (0..20).map(|writer| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let journal = Journal::open(store, key()).await.unwrap();
            let actor = Actor::service(&format!("writer-{writer}"));
            let (mut confirmed, mut crowded_out) = (Vec::new(), 0_u32);
            // Whoever is slow to get through gets the time: fairness is not what is tested.
            while Instant::now() < until || confirmed.is_empty() {
                let build = format!("{}", confirmed.len());
                let outcome = if writer % 2 == 0 {
                    let decide = |_: &_| Ok::<_, Infallible>(vec![started(&build)]);
                    match journal.transact(actor.clone(), decide).await {
                        Ok(recorded) => Some(recorded[0]),
                        Err(TransactError::Journal(JournalError::Contention)) => None,
                        Err(error) => panic!("{error}"),
                    }
                } else {
                    match journal.record(actor.clone(), started(&build)).await {
                        Ok(recorded) => Some(recorded),
                        Err(RecordError::Journal(error)) if matches!(*error, JournalError::Contention) => None,
                        Err(error) => panic!("{error}"),
                    }
                };
                match outcome {
                    Some(recorded) => confirmed.push((recorded.sequence, recorded.index)),
                    // Not recorded, which the count at the end proves; the next try is a new event.
                    None => crowded_out += 1,
                }
                assert!(Instant::now() < longest, "writer {writer} does not get through");
            }
            (writer, confirmed, crowded_out)
        })
    });
    let mut confirmed: BTreeMap<usize, Vec<(u64, usize)>> = BTreeMap::new();
    let mut crowded_out = 0;
    for outcome in futures::future::join_all(writers).await {
        let (writer, places, refusals) = outcome.unwrap();
        confirmed.insert(writer, places);
        crowded_out += refusals;
    }
    let took = begun.elapsed();
    let total: usize = confirmed.values().map(Vec::len).sum();
    let journal = Journal::open(Arc::clone(store), key()).await.unwrap();
    let records = journal.records(0, u64::MAX).await.unwrap();
    for (writer, places) in &confirmed {
        for (number, (sequence, index)) in places.iter().enumerate() {
            let entry = &records[usize::try_from(*sequence).unwrap() - 1].entries[*index];
            assert_eq!(entry.actor, Actor::service(&format!("writer-{writer}")));
            assert_eq!(entry.event, Event::ServiceStarted { build: number.to_string() });
        }
    }
    let written: usize = records.iter().map(|record| record.entries.len()).sum();
    assert_eq!(written, total, "nothing lost, nothing twice");
    let fewest = confirmed.values().map(Vec::len).min().unwrap();
    println!(
        "{total} events by 20 writers in {took:.1?}, fewest of one writer {fewest}, {} records, {crowded_out} refused for contention",
        records.len()
    );
}

async fn a_checkpoint_shortens_the_start_and_everything_verifies(store: &Arc<dyn ObjectStore>) -> VerifyReport {
    let journal = Journal::open(Arc::clone(store), key()).await.unwrap();
    let head = journal.snapshot().head;
    journal.shutdown().await.unwrap();
    let again = Journal::open(Arc::clone(store), key()).await.unwrap();
    assert_eq!(again.snapshot().head, head);
    let report = verify(store.as_ref(), &key().verifying_key(), &VerifyOptions::default()).await.unwrap();
    assert_eq!(report.head, head);
    assert!(report.checkpoints > 0);
    report
}

async fn suite(store: Arc<dyn ObjectStore>) {
    let begun = Instant::now();
    thirty_racing_creates_have_one_winner(&store).await;
    println!("two races of thirty creates in {:.1?}", begun.elapsed());
    twenty_writers_lose_nothing(&store).await;
    let begun = Instant::now();
    a_checkpoint_shortens_the_start_and_everything_verifies(&store).await;
    println!("checkpoint, start and verification in {:.1?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_disk_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    suite(crate::cast::local(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_contract() {
    let Some(server) = required_in_ci(SeaweedFs::start()) else { return };
    server.create_bucket("tenant-a").unwrap();
    let store = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_region(server.region())
        .with_bucket_name("tenant-a")
        .with_access_key_id(server.access_key())
        .with_secret_access_key(server.secret_key())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_allow_http(true)
        .build()
        .unwrap();
    suite(Arc::new(store)).await;
}
