//! A local directory as an object store whose acknowledgements survive a power cut.
//!
//! `object_store`'s own local store never calls fsync and lists in directory order. Here an object
//! is written beside its place (`name#<digits>`, a form that listings leave out), flushed, put in
//! place with a hard link (only if absent) or a rename (replacing), and the directory entry is
//! flushed before the write is acknowledged. Listings are sorted by name, as on S3, because the
//! Delta log is read in listing order.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use parking_lot::Mutex;

/// The store over one directory.
#[derive(Debug)]
pub(crate) struct DurableLocal {
    inner: LocalFileSystem,
}

impl std::fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("local directory")
    }
}

impl DurableLocal {
    /// Opens a directory that exists.
    pub(crate) fn new(root: &FsPath) -> Result<Self> {
        Ok(Self { inner: LocalFileSystem::new_with_prefix(root)? })
    }
}

fn local_error(source: io::Error) -> Error {
    Error::Generic { store: "local", source: Box::new(source) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::JoinError { source })?
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let replace = match opts.mode {
            PutMode::Create => false,
            PutMode::Overwrite => true,
            // A file system has no compare-and-swap; the inner store says so in its error.
            PutMode::Update(_) => return self.inner.put_opts(location, payload, opts).await,
        };
        let path = self.inner.path_to_filesystem(location)?;
        blocking(move || put_durably(&path, &payload, replace)).await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let upload = blocking(move || DurableUpload::begin(path)).await?;
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn sorted(listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
    stream::once(async move {
        let mut found: Vec<ObjectMeta> = listing.try_collect().await?;
        found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok::<_, Error>(stream::iter(found.into_iter().map(Ok)))
    })
    .try_flatten()
    .boxed()
}

/// An upload in parts beside its place. What has arrived is flushed while more is on its way, so that completing a
/// large object waits for the last of it alone.
#[derive(Debug)]
struct DurableUpload {
    /// Locked while a part is written at its place.
    file: Arc<Mutex<File>>,
    /// The same file, to flush it meanwhile.
    same: Arc<File>,
    /// Where the parts are until they are complete.
    staged: Option<PathBuf>,
    path: PathBuf,
    /// Bytes of the parts so far.
    length: u64,
    flushes: Flushes,
}

/// Flushes under way. Each is asked for its outcome: an error of the disk is told once.
type Flushes = Arc<Mutex<Vec<tokio::task::JoinHandle<Result<()>>>>>;

impl DurableUpload {
    fn begin(path: PathBuf) -> Result<Self> {
        create_directories(parent_of(&path)?).map_err(local_error)?;
        let staged = staged_path(&path);
        let file = create(&staged).map_err(local_error)?;
        let same = file.try_clone().map_err(local_error)?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
            same: Arc::new(same),
            staged: Some(staged),
            path,
            length: 0,
            flushes: Arc::default(),
        })
    }

    /// Waits until nothing is written or flushed any more.
    async fn settle(&self) -> Result<()> {
        let mut settled = Ok(());
        loop {
            let Some(flush) = self.flushes.lock().pop() else { return settled };
            settled = settled.and(flush.await.map_err(|source| Error::JoinError { source })?);
        }
    }
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let place = self.length;
        self.length += data.content_length() as u64;
        let (file, same, flushes) = (Arc::clone(&self.file), Arc::clone(&self.same), Arc::clone(&self.flushes));
        Box::pin(async move {
            blocking(move || {
                let mut file = file.lock();
                file.seek(SeekFrom::Start(place)).map_err(local_error)?;
                data.iter().try_for_each(|bytes| file.write_all(bytes)).map_err(local_error)
            })
            .await?;
            flushes.lock().push(tokio::spawn(blocking(move || same.sync_data().map_err(local_error))));
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.settle().await?;
        let staged = self.staged.take().ok_or_else(|| local_error(ErrorKind::NotFound.into()))?;
        let (same, path) = (Arc::clone(&self.same), self.path.clone());
        blocking(move || {
            let placed = same.sync_all().and_then(|()| std::fs::rename(&staged, &path));
            if let Err(error) = placed {
                let _ = std::fs::remove_file(&staged);
                return Err(local_error(error));
            }
            sync_directory(parent_of(&path)?).map_err(local_error)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        // What could not be flushed is not wanted any more.
        let _ = self.settle().await;
        let Some(staged) = self.staged.take() else { return Ok(()) };
        blocking(move || std::fs::remove_file(staged).map_err(local_error)).await
    }
}

impl Drop for DurableUpload {
    fn drop(&mut self) {
        // Given up without a word: nobody sees the file, but it need not stay.
        if let Some(staged) = self.staged.take() {
            let _ = std::fs::remove_file(staged);
        }
    }
}

fn put_durably(path: &FsPath, payload: &PutPayload, replace: bool) -> Result<PutResult> {
    let parent = parent_of(path)?;
    create_directories(parent).map_err(local_error)?;
    let staged = staged_path(path);
    let placed = write_staged(&staged, payload).map_err(local_error).and_then(|()| {
        if replace {
            return std::fs::rename(&staged, path).map_err(local_error);
        }
        std::fs::hard_link(&staged, path).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => {
                Error::AlreadyExists { path: path.to_string_lossy().into_owned(), source: Box::new(source) }
            }
            _ => local_error(source),
        })
    });
    // Gone already after a rename; otherwise its removal changes nothing for readers.
    let _ = std::fs::remove_file(&staged);
    placed?;
    sync_directory(parent).map_err(local_error)?;
    Ok(PutResult { e_tag: None, version: None })
}

fn create(staged: &FsPath) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(staged)
}

fn write_staged(staged: &FsPath, payload: &PutPayload) -> io::Result<()> {
    let mut file = create(staged)?;
    for bytes in payload {
        file.write_all(bytes)?;
    }
    file.sync_all()
}

/// A name beside `path` that nobody else uses and that listings leave out.
fn staged_path(path: &FsPath) -> PathBuf {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
    staged.into()
}

fn parent_of(path: &FsPath) -> Result<&FsPath> {
    path.parent().ok_or_else(|| local_error(io::Error::from(ErrorKind::InvalidInput)))
}

/// Creates `directory` and what is missing above it, and flushes every new entry.
fn create_directories(directory: &FsPath) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().ok_or(ErrorKind::InvalidInput)?;
    create_directories(parent)?;
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(parent),
    }
}

#[cfg(unix)]
fn sync_directory(directory: &FsPath) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &FsPath) -> io::Result<()> {
    // Other systems cannot open a directory to flush it; the file itself is flushed.
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::future::try_join_all;
    use object_store::ObjectStoreExt;

    use super::*;

    /// The files of a directory, also those that listings leave out.
    fn files(root: &FsPath) -> usize {
        std::fs::read_dir(root.join("table")).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn parts_are_an_object_once_they_are_complete_whichever_arrives_first() {
        let root = tempfile::tempdir().unwrap();
        let store = DurableLocal::new(root.path()).unwrap();
        let path = Path::from("table/file");
        let mut upload = store.put_multipart(&path).await.unwrap();
        let mut parts: Vec<_> =
            (0..8u8).map(|part| upload.put_part(vec![part; 1000 + usize::from(part)].into())).collect();
        parts.reverse();
        try_join_all(parts).await.unwrap();
        assert!(store.head(&path).await.is_err() && store.list(None).next().await.is_none());
        upload.complete().await.unwrap();
        let read = store.get(&path).await.unwrap().bytes().await.unwrap();
        let expected: Vec<u8> = (0..8u8).flat_map(|part| vec![part; 1000 + usize::from(part)]).collect();
        assert_eq!((read.as_ref(), files(root.path())), (expected.as_slice(), 1));
        assert!(upload.complete().await.is_err(), "only once");
    }

    #[tokio::test]
    async fn an_upload_that_is_given_up_leaves_nothing_and_keeps_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let store = DurableLocal::new(root.path()).unwrap();
        let path = Path::from("table/file");
        store.put(&path, "before".into()).await.unwrap();
        for by_word in [true, false] {
            let mut upload = store.put_multipart(&path).await.unwrap();
            upload.put_part("after".into()).await.unwrap();
            assert_eq!(files(root.path()), 2);
            if by_word {
                upload.abort().await.unwrap();
                assert!(upload.complete().await.is_err());
            }
            drop(upload);
            assert_eq!(files(root.path()), 1);
        }
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "before");
    }
}
