//! A local directory as an object store whose acknowledgements survive a power cut.
//!
//! `object_store`'s own local store never calls fsync and lists in directory order. Here an object
//! is written beside its place (`name#<digits>`, a form that listings leave out), flushed, put in
//! place with a hard link (only if absent) or a rename (replacing), and the directory entry is
//! flushed before the write is acknowledged. Listings are sorted by name, as on S3, because the
//! Delta log is read in listing order.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path as FsPath, PathBuf};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

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

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let parent = parent_of(&path)?.to_owned();
        blocking(move || create_directories(&parent).map_err(local_error)).await?;
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload { inner, path }))
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

/// An upload in parts; flushed when it is completed.
#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let path = self.path.clone();
        blocking(move || {
            File::open(&path).and_then(|file| file.sync_all()).map_err(local_error)?;
            sync_directory(parent_of(&path)?).map_err(local_error)
        })
        .await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
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

fn write_staged(staged: &FsPath, payload: &PutPayload) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(staged)?;
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
