//! One object, written piece by piece: whole or not at all.
//!
//! Up to one part it is a single put. From there on it is a multipart upload with one part under
//! way while the next is filled, so at most two parts are in memory. Until it is completed
//! nothing can be seen; given up, the store is told to forget the parts.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::task::JoinHandle;

const PART_BYTES: usize = 8 * 1024 * 1024;

/// An object under way.
pub(crate) struct PartUpload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// What is not yet a part, as it came.
    filling: Vec<Bytes>,
    filled: usize,
    upload: Option<Box<dyn MultipartUpload>>,
    under_way: Option<JoinHandle<object_store::Result<()>>>,
}

impl PartUpload {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { store, path, filling: Vec::new(), filled: 0, upload: None, under_way: None }
    }

    /// Tells the store to forget what it has received.
    pub(crate) async fn abandon(mut self) -> object_store::Result<()> {
        // Whether the last part arrived no longer matters, only that it has come to an end.
        let _ = self.arrived().await;
        match self.upload.take() {
            Some(mut upload) => upload.abort().await,
            None => Ok(()),
        }
    }

    async fn arrived(&mut self) -> object_store::Result<()> {
        match self.under_way.take() {
            Some(part) => part.await?,
            None => Ok(()),
        }
    }

    async fn send(&mut self, part: PutPayload) -> object_store::Result<()> {
        self.arrived().await?;
        let upload = match self.upload.as_mut() {
            Some(upload) => upload,
            None => self.upload.insert(self.store.put_multipart(&self.path).await?),
        };
        self.under_way = Some(tokio::spawn(upload.put_part(part)));
        Ok(())
    }

    /// Takes the next bytes.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> object_store::Result<()> {
        while self.filled + bytes.len() >= PART_BYTES {
            let rest = bytes.split_off(PART_BYTES - self.filled);
            self.filling.push(std::mem::replace(&mut bytes, rest));
            let part = self.take();
            self.send(part).await?;
        }
        self.filled += bytes.len();
        self.filling.push(bytes);
        Ok(())
    }

    fn take(&mut self) -> PutPayload {
        self.filled = 0;
        self.filling.drain(..).collect()
    }

    /// Sends what is left; from now on the object can be seen.
    pub(crate) async fn complete(&mut self) -> object_store::Result<()> {
        let rest = self.take();
        if self.upload.is_none() {
            return self.store.put(&self.path, rest).await.map(|_| ());
        }
        if rest.content_length() > 0 {
            self.send(rest).await?;
        }
        self.arrived().await?;
        match self.upload.as_mut() {
            Some(upload) => upload.complete().await.map(|_| ()),
            None => Ok(()),
        }
    }
}
