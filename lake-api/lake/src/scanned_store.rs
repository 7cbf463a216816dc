//! The store as a query sees it: it can be read and nothing else, and it remembers whether a
//! read has failed. The engine turns the store's errors into words on their way up; without
//! this nobody could tell a store that went away from a statement that fails on some row.

use std::fmt::{Debug, Display, Formatter};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Whether a read has failed since it was made. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadFailure(Arc<AtomicBool>);

impl ReadFailure {
    /// Whether one has.
    pub(crate) fn is_seen(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn note<T>(&self, read: Result<T>) -> Result<T> {
        if read.is_err() {
            self.0.store(true, Ordering::Release);
        }
        read
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ScannedStore {
    inner: Arc<dyn ObjectStore>,
    failure: ReadFailure,
}

impl ScannedStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, failure: ReadFailure) -> Self {
        Self { inner, failure }
    }
}

impl Display for ScannedStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.inner, f)
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::NotSupported { source: "a query reads and does nothing else".into() })
}

#[async_trait]
impl ObjectStore for ScannedStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        read_only()
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        read_only()
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.failure.note(self.inner.get_opts(location, options).await)?;
        if let GetResultPayload::Stream(bytes) = found.payload {
            let failure = self.failure.clone();
            found.payload = GetResultPayload::Stream(bytes.map(move |part| failure.note(part)).boxed());
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.failure.note(self.inner.get_ranges(location, ranges).await)
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::iter([read_only()]).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let failure = self.failure.clone();
        self.inner.list(prefix).map(move |object| failure.note(object)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.failure.note(self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        read_only()
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn nothing_is_changed_through_it_and_a_failed_read_is_remembered() {
        let inner = Arc::new(InMemory::new());
        let (here, gone) = (Path::from("here"), Path::from("gone"));
        inner.put(&here, "1".into()).await.unwrap();
        let failure = ReadFailure::default();
        let store = ScannedStore::new(Arc::clone(&inner) as _, failure.clone());
        assert!(store.put(&here, "2".into()).await.is_err());
        assert!(store.put_multipart(&gone).await.is_err());
        assert!(store.delete(&here).await.is_err());
        assert!(store.copy(&here, &gone).await.is_err());
        assert!(store.rename(&here, &gone).await.is_err());
        assert_eq!(store.get(&here).await.unwrap().bytes().await.unwrap(), "1");
        assert!(!failure.is_seen());
        assert!(store.get_range(&gone, 0..1).await.is_err());
        assert!(failure.is_seen());
    }
}
