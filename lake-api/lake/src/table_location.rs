//! Where a table lives in the bucket and how the Delta library reaches it.

use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, StorageConfig as DeltaOptions, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use oscar_permit::TableRef;
use url::Url;

use crate::{Storage, TableError};

/// Scheme of the addresses under which DataFusion and the Delta library know our stores. Not a
/// scheme they have a client for: a lake is reached through its [`Storage`] or not at all.
const SCHEME: &str = "oscar-lake";

/// One table's place.
#[derive(Debug, Clone)]
pub(crate) struct TableLocation {
    storage: Storage,
    table: TableRef,
}

impl TableLocation {
    pub(crate) fn new(storage: &Storage, table: &TableRef) -> Self {
        Self { storage: storage.clone(), table: table.clone() }
    }

    /// The table's name.
    pub(crate) const fn table(&self) -> &TableRef {
        &self.table
    }

    /// The storage it lies in.
    pub(crate) const fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The table's folder, below the tenant's prefix.
    pub(crate) fn folder(&self) -> Path {
        Path::from_iter(["lake", self.table.dataset.as_str(), self.table.table.as_str()])
    }

    /// The address of the storage's root, as DataFusion registers stores.
    pub(crate) fn storage_url(&self) -> Result<Url, TableError> {
        Ok(Url::parse(&format!("{SCHEME}://{}/", self.storage.id()))?)
    }

    /// The Delta log. The library's default log store creates every version with
    /// `PutMode::Create` and never renames: of two commits of a version exactly one wins.
    pub(crate) fn log_store(&self) -> Result<LogStoreRef, TableError> {
        let folder = self.folder();
        let url = self.storage_url()?.join(&format!("{folder}/"))?;
        let below = Arc::new(PrefixStore::new(self.storage.store(), folder));
        Ok(default_logstore(below, self.storage.store(), &url, &DeltaOptions::default()))
    }
}
