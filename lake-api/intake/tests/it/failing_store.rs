//! The store fills up or goes away in the middle of an intake: at every single write, at every
//! single request.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use oscar_intake::{IntakeError, Silent};
use oscar_lake::{Storage, StorageConfig};
use rstest::rstest;

use crate::spoke::{Spoke, permit, persons_csv, put_persons};

/// What is counted, and fails at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    /// The disk is full: what is there can be read.
    Writes,
    /// The server is down.
    Requests,
}

/// Lets a number of writes or requests through and then none.
#[derive(Debug)]
struct Limited {
    inner: Arc<dyn ObjectStore>,
    left: Arc<AtomicI64>,
    failing: Failing,
}

impl Limited {
    fn read(&self) -> Result<()> {
        match self.failing {
            Failing::Writes => Ok(()),
            Failing::Requests => spend(&self.left),
        }
    }
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("limited store")
    }
}

fn spend(left: &AtomicI64) -> Result<()> {
    if left.fetch_sub(1, Ordering::SeqCst) > 0 {
        return Ok(());
    }
    Err(Error::Generic { store: "limited", source: "no more".into() })
}

#[async_trait::async_trait]
impl ObjectStore for Limited {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        spend(&self.left)?;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        spend(&self.left)?;
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(LimitedUpload { inner, left: Arc::clone(&self.left) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read()?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.read() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => Box::pin(futures::stream::once(async { Err(error) })),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        spend(&self.left)?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct LimitedUpload {
    inner: Box<dyn MultipartUpload>,
    left: Arc<AtomicI64>,
}

#[async_trait::async_trait]
impl MultipartUpload for LimitedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match spend(&self.left) {
            Ok(()) => self.inner.put_part(data),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        spend(&self.left)?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[rstest]
#[case::the_disk_is_full(Failing::Writes)]
#[case::the_server_is_down(Failing::Requests)]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_at_any_moment_leaves_nothing_half_visible_and_the_next_try_completes(
    #[case] failing: Failing,
) {
    let mut failures = 0;
    for allowed in 0.. {
        let spoke = Spoke::new();
        put_persons(&spoke, &persons_csv(300));
        let root = spoke.folder.join("tenant");
        let config = StorageConfig::Local { root: root.clone() };
        let sound = Storage::open(&config).unwrap();
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let limited = Arc::new(Limited { inner: sound.store(), left: Arc::clone(&left), failing });
        let open = spoke.open_over(Storage::over(limited, config), root).await;
        left.store(allowed, Ordering::SeqCst);
        let result = open.intake.deliver(&spoke.package(), None, &permit("P-1"), &Silent).await;
        let visible = spoke.open().await.journal.refresh().await.unwrap().visible_versions();
        match result {
            Ok(_) => {
                assert_eq!(visible.len(), 1);
                break;
            }
            Err(
                IntakeError::Lake(_)
                | IntakeError::Contract(_)
                | IntakeError::Journal(_)
                | IntakeError::KeyCheck(_)
                | IntakeError::PersonIndex(_),
            ) => failures += 1,
            Err(other) => panic!("an unclear error after {allowed}: {other:?}"),
        }
        // The record of the acceptance may stand although nobody could read it back; half a
        // delivery is never seen.
        let report = spoke.deliver().await.unwrap();
        assert_eq!(report.already_delivered, !visible.is_empty(), "after {allowed}");
        assert_eq!(report.tables.values().next().unwrap().rows, 300);
        assert_eq!(spoke.open().await.rows("person").await.num_rows(), 300);
        assert!(failing == Failing::Requests || visible.is_empty());
    }
    assert!(failures >= 4, "only {failures} moments could fail");
}
