//! A store that fails on command: the disk is full, the server is gone, an answer is lost, or
//! put-if-absent is a lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use oscar_lake::Storage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    None,
    /// Every request fails.
    Down,
    /// The next conditional put succeeds and its answer is lost.
    LostAnswer,
    /// Conditional puts replace what is there.
    IgnoresCondition,
}

#[derive(Debug)]
pub(crate) struct FailingStore {
    inner: Arc<dyn ObjectStore>,
    fault: AtomicU8,
    /// Bytes that still fit.
    room: Arc<AtomicI64>,
}

impl std::fmt::Display for FailingStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failing store")
    }
}

fn failure(what: &'static str) -> Error {
    Error::Generic { store: "failing", source: what.into() }
}

impl FailingStore {
    pub(crate) fn over(storage: &Storage) -> (Arc<Self>, Storage) {
        let store = Arc::new(Self {
            inner: storage.store(),
            fault: AtomicU8::new(Fault::None as u8),
            room: Arc::new(AtomicI64::new(i64::MAX)),
        });
        (Arc::clone(&store), Storage::over(store, storage.config().clone()))
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }

    pub(crate) fn set_room(&self, bytes: i64) {
        self.room.store(bytes, Ordering::SeqCst);
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault.load(Ordering::SeqCst) == fault as u8
    }

    fn up(&self) -> Result<()> {
        if self.is(Fault::Down) { Err(failure("connection refused")) } else { Ok(()) }
    }
}

fn take(room: &AtomicI64, payload: &PutPayload) -> Result<()> {
    let bytes = i64::try_from(payload.content_length()).unwrap();
    if room.fetch_sub(bytes, Ordering::SeqCst) < bytes { Err(failure("no space left on device")) } else { Ok(()) }
}

#[async_trait::async_trait]
impl ObjectStore for FailingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut opts: PutOptions) -> Result<PutResult> {
        self.up()?;
        take(&self.room, &payload)?;
        if self.is(Fault::IgnoresCondition) {
            opts.mode = PutMode::Overwrite;
        }
        let lost = matches!(opts.mode, PutMode::Create) && self.is(Fault::LostAnswer);
        let result = self.inner.put_opts(location, payload, opts).await;
        if lost {
            self.set(Fault::None);
            return Err(failure("connection reset"));
        }
        result
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.up()?;
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(FailingUpload { inner, room: Arc::clone(&self.room) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.up()?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.up() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.up()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.up()?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FailingUpload {
    inner: Box<dyn MultipartUpload>,
    room: Arc<AtomicI64>,
}

#[async_trait::async_trait]
impl MultipartUpload for FailingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match take(&self.room, &data) {
            Ok(()) => self.inner.put_part(data),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
