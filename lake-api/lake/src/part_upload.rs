//! One object, written piece by piece: whole or not at all.
//!
//! Up to one part it is a single put. From there on it is a multipart upload with one part under
//! way while the next is filled, so at most two parts are in memory. Until it is completed
//! nothing can be seen; given up, the store is told to forget the parts.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use tokio::task::JoinHandle;

const PART_BYTES: usize = 8 * 1024 * 1024;

/// An object under way.
pub(crate) struct PartUpload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    filling: BytesMut,
    upload: Option<Box<dyn MultipartUpload>>,
    under_way: Option<JoinHandle<object_store::Result<()>>>,
}

impl PartUpload {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { store, path, filling: BytesMut::new(), upload: None, under_way: None }
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

    async fn send(&mut self, part: Bytes) -> object_store::Result<()> {
        self.arrived().await?;
        let upload = match self.upload.as_mut() {
            Some(upload) => upload,
            None => self.upload.insert(self.store.put_multipart(&self.path).await?),
        };
        self.under_way = Some(tokio::spawn(upload.put_part(part.into())));
        Ok(())
    }

    async fn fill(&mut self, bytes: Bytes) -> object_store::Result<()> {
        self.filling.extend_from_slice(&bytes);
        while self.filling.len() >= PART_BYTES {
            let part = self.filling.split_to(PART_BYTES).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn put_rest(&mut self) -> object_store::Result<()> {
        let rest = self.filling.split().freeze();
        if self.upload.is_none() {
            return self.store.put(&self.path, rest.into()).await.map(|_| ());
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        self.arrived().await?;
        match self.upload.as_mut() {
            Some(upload) => upload.complete().await.map(|_| ()),
            None => Ok(()),
        }
    }
}

fn as_parquet(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileWriter for PartUpload {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        self.fill(bytes).map(|outcome| outcome.map_err(as_parquet)).boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        self.put_rest().map(|outcome| outcome.map_err(as_parquet)).boxed()
    }
}
