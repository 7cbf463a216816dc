//! A store that fails as real ones do: full, down, or answering with an error after it
//! has taken the object.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use oscar_journal::{Journal, JournalError, RecordError, TransactError};

use crate::cast::{analyst, checked, key, local, open, service, started};

/// A wrapper that counts reads and fails on demand.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    reads: Arc<AtomicU64>,
    /// So many puts take effect and answer with an error all the same.
    ambiguous: AtomicI64,
    /// Bytes until the disk is full; negative is endless.
    room: AtomicI64,
    down: AtomicBool,
}

pub(crate) struct Reads(Arc<AtomicU64>);

impl Reads {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Faulty {
    pub(crate) fn over(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads: Arc::default(),
            ambiguous: AtomicI64::new(0),
            room: AtomicI64::new(-1),
            down: AtomicBool::new(false),
        })
    }

    pub(crate) fn reads(&self) -> Reads {
        Reads(Arc::clone(&self.reads))
    }

    fn check(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) { Err(failure("connection refused")) } else { Ok(()) }
    }
}

fn failure(why: &'static str) -> Error {
    Error::Generic { store: "faulty", source: why.into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.check()?;
        let length = i64::try_from(payload.content_length()).unwrap();
        let room = self.room.load(Ordering::SeqCst);
        if (0..length).contains(&room) {
            return Err(failure("no space left on device"));
        }
        let result = self.inner.put_opts(location, payload, options).await?;
        if room >= 0 {
            self.room.fetch_sub(length, Ordering::SeqCst);
        }
        if self.ambiguous.fetch_sub(1, Ordering::SeqCst) > 0 { Err(failure("timed out")) } else { Ok(result) }
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.check() {
            return Box::pin(futures::stream::once(async { Err(error) }));
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn over_local(folder: &std::path::Path) -> (Arc<Faulty>, Journal) {
    let faulty = Faulty::over(local(folder));
    let journal = Journal::open(Arc::clone(&faulty) as Arc<dyn ObjectStore>, key()).await.unwrap();
    (faulty, journal)
}

#[tokio::test]
async fn a_put_that_took_effect_and_failed_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let (faulty, journal) = over_local(folder.path()).await;
    faulty.ambiguous.store(1, Ordering::SeqCst);
    let recorded = journal.transact(service(), |_| Ok::<_, Infallible>(vec![started("once")])).await.unwrap();
    assert_eq!(recorded[0].sequence, 1);
    faulty.ambiguous.store(1, Ordering::SeqCst);
    assert_eq!(journal.record(analyst(), checked()).await.unwrap().sequence, 2);
    assert_eq!(open(folder.path()).await.snapshot().head, journal.snapshot().head);
}

#[tokio::test]
async fn when_the_disk_is_full_everybody_hears_it_and_nothing_that_was_confirmed_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (faulty, journal) = over_local(folder.path()).await;
    faulty.room.store(6_000, Ordering::SeqCst);
    let (mut confirmed, mut failed) = (0, 0);
    for _ in 0..8 {
        let calls = (0..3).map(|_| journal.record(analyst(), checked()));
        for result in futures::future::join_all(calls).await {
            match result {
                Ok(_) => confirmed += 1,
                Err(RecordError::Journal(error)) => {
                    assert!(matches!(*error, JournalError::Store(_)), "{error}");
                    failed += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(confirmed > 0 && failed > 0, "{confirmed} confirmed, {failed} failed");
    let events = |records: Vec<oscar_journal::Record>| records.iter().map(|one| one.entries.len()).sum::<usize>();
    let again = open(folder.path()).await;
    assert_eq!(events(again.records(0, 1000).await.unwrap()), confirmed);

    faulty.room.store(-1, Ordering::SeqCst);
    journal.record(analyst(), checked()).await.unwrap();
    let again = open(folder.path()).await;
    assert_eq!(events(again.records(0, 1000).await.unwrap()), confirmed + 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_an_error_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (faulty, journal) = over_local(folder.path()).await;
    faulty.down.store(true, Ordering::SeqCst);
    let down = journal.transact(service(), |_| Ok::<_, Infallible>(vec![started("a")])).await;
    assert!(matches!(down, Err(TransactError::Journal(JournalError::Store(_)))), "{down:?}");
    let opened = Journal::open(Arc::clone(&faulty) as Arc<dyn ObjectStore>, key()).await;
    assert!(matches!(opened, Err(JournalError::Store(_))));
    faulty.down.store(false, Ordering::SeqCst);
    let recorded = journal.transact(service(), |_| Ok::<_, Infallible>(vec![started("a")])).await.unwrap();
    assert_eq!(recorded[0].sequence, 1);
}
