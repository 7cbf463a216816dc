//! Where a tenant's bytes are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use oscar_permit::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::durable_local::DurableLocal;
use crate::mounted_credentials::MountedCredentials;
use crate::scanned_store::{ReadFailure, ScannedStore};

/// Where a tenant's bytes are. It can be written down, so that a worker process opens the same place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum StorageConfig {
    /// A directory of this machine.
    Local {
        /// The directory; made when it is not there.
        root: PathBuf,
    },
    /// An S3 bucket. Credentials come from a mounted folder, or else from the environment
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, web identity).
    S3 {
        /// The server, when it is not Amazon's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
        /// The region.
        region: String,
        /// The bucket.
        bucket: String,
        /// What every key of the tenant begins with; empty for a bucket of its own.
        #[serde(default)]
        prefix: String,
        /// Whether plain HTTP is allowed: only for a server on the same machine or mesh.
        #[serde(default)]
        allow_http: bool,
        /// A folder with the files `access-key-id`, `secret-access-key` and, for a session,
        /// `session-token`. They are read again and again, so they can be replaced while
        /// the program runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials: Option<PathBuf>,
    },
}

/// Why a storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory cannot be made or read.
    #[error("the storage directory {root} cannot be opened: {source}; check the path and its permissions")]
    Directory {
        /// The directory.
        root: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The tenant's prefix is not a key prefix.
    #[error("the storage prefix must be path segments separated by '/', without '.', '..' or empty segments")]
    Prefix,
    /// The store's settings do not make a client.
    #[error("the storage cannot be opened: {0}; check endpoint, region, bucket and the AWS_* variables")]
    Client(#[source] object_store::Error),
}

/// An open storage: one object store, rooted at the tenant's prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    config: Arc<StorageConfig>,
    id: Arc<str>,
    scan_failure: ReadFailure,
}

impl Storage {
    /// Opens the place that `config` names. Does not talk to a server yet.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open(config: &StorageConfig) -> Result<Self, StorageError> {
        let store = match config {
            StorageConfig::Local { root } => open_local(root)?,
            StorageConfig::S3 { endpoint, region, bucket, prefix, allow_http, credentials } => {
                let server = s3_client(endpoint.as_deref(), region, bucket, *allow_http, credentials.as_deref())?;
                under_prefix(server, prefix)?
            }
        };
        Ok(Self::over(store, config.clone()))
    }

    /// Uses a store that is open already, for example one that counts, limits or fails requests.
    /// `config` is what a worker process would open.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, config: StorageConfig) -> Self {
        // The id is the host part under which DataFusion knows the store: two tenants of one
        // process must never share it, and neither must two stores over one place.
        let id = Sha256Digest::of(uuid::Uuid::new_v4().as_bytes()).to_string().split_off(32);
        Self { store, config: Arc::new(config), id: id.into(), scan_failure: ReadFailure::default() }
    }

    /// The object store; every path is below the tenant's prefix.
    #[must_use]
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The object store for scans, which read and do nothing else.
    pub(crate) fn scanned(&self) -> Arc<dyn ObjectStore> {
        Arc::new(ScannedStore::new(self.store(), self.scan_failure.clone()))
    }

    /// Whether the store has failed a scan since this storage was opened: what went wrong then
    /// says nothing about the rows.
    #[must_use]
    pub fn has_failed_a_scan(&self) -> bool {
        self.scan_failure.is_seen()
    }

    /// What was opened.
    #[must_use]
    pub fn config(&self) -> &StorageConfig {
        &self.config
    }

    /// A name for this storage inside this process.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

fn open_local(root: &std::path::Path) -> Result<Arc<dyn ObjectStore>, StorageError> {
    let error = |source| StorageError::Directory { root: root.to_owned(), source };
    create_private(root).map_err(error)?;
    let root = root.canonicalize().map_err(error)?;
    Ok(Arc::new(DurableLocal::new(&root).map_err(StorageError::Client)?))
}

#[cfg(unix)]
fn create_private(root: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // Person data below: nobody but the owner, whatever the umask.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root)
}

#[cfg(not(unix))]
fn create_private(root: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(root)
}

fn s3_client(
    endpoint: Option<&str>,
    region: &str,
    bucket: &str,
    allow_http: bool,
    credentials: Option<&std::path::Path>,
) -> Result<Arc<dyn ObjectStore>, StorageError> {
    // A store that is down is reported within half a minute instead of the library's three.
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(4),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(30),
    };
    let client = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout(Duration::from_mins(1))
        .with_allow_http(allow_http);
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_client_options(client)
        .with_allow_http(allow_http)
        .with_retry(retry)
        .with_conditional_put(S3ConditionalPut::ETagMatch);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
    }
    if let Some(folder) = credentials {
        builder = builder.with_credentials(Arc::new(MountedCredentials::new(folder)));
    }
    Ok(Arc::new(builder.build().map_err(StorageError::Client)?))
}

fn under_prefix(server: Arc<dyn ObjectStore>, prefix: &str) -> Result<Arc<dyn ObjectStore>, StorageError> {
    if prefix.is_empty() {
        return Ok(server);
    }
    if prefix.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(StorageError::Prefix);
    }
    let prefix = Path::parse(prefix).map_err(|_| StorageError::Prefix)?;
    Ok(Arc::new(PrefixStore::new(server, prefix)))
}
