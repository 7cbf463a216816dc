//! The two backends that every contract test runs on.

use std::sync::{Arc, OnceLock};

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::prefix::PrefixStore;
use oscar_lake::{Storage, StorageConfig};
use oscar_peers::SeaweedFs;

pub(crate) const BUCKET: &str = "oscar-lake-tests";

#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    Local,
    S3,
}

/// A storage of its own for one test; the directory lives as long as this.
pub(crate) struct Place {
    pub(crate) storage: Storage,
    _directory: Option<tempfile::TempDir>,
}

/// The S3 server of this test binary, started once, or `None` after SKIPPED was said.
pub(crate) fn s3_server() -> Option<&'static SeaweedFs> {
    static SERVER: OnceLock<Option<SeaweedFs>> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            let server = oscar_peers::required_in_ci(SeaweedFs::start())?;
            server.create_bucket(BUCKET).expect("a bucket");
            Some(server)
        })
        .as_ref()
}

/// A configuration that nobody else uses.
pub(crate) fn s3_config(server: &SeaweedFs) -> StorageConfig {
    StorageConfig::S3 {
        endpoint: Some(server.endpoint()),
        region: server.region().to_owned(),
        bucket: BUCKET.to_owned(),
        prefix: format!("tenants/{}", uuid::Uuid::new_v4()),
        allow_http: true,
        credentials: None,
    }
}

impl Backend {
    /// A fresh, empty place; `None` when this machine cannot have the backend.
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Self::Local => {
                let directory = tempfile::tempdir().expect("a directory");
                let config = StorageConfig::Local { root: directory.path().join("tenant") };
                let storage = Storage::open(&config).expect("a storage");
                Some(Place { storage, _directory: Some(directory) })
            }
            Self::S3 => {
                let server = s3_server()?;
                let config = s3_config(server);
                Some(Place { storage: s3_storage(server, &config), _directory: None })
            }
        }
    }
}

/// The same client as `Storage::open` makes, with the key given by value: the environment of a
/// test binary is shared by all its tests. `kills` opens the real one in child processes.
pub(crate) fn s3_storage(server: &SeaweedFs, config: &StorageConfig) -> Storage {
    let StorageConfig::S3 { prefix, .. } = config else { panic!("an S3 configuration") };
    let client = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_region(server.region())
        .with_bucket_name(BUCKET)
        .with_access_key_id(server.access_key())
        .with_secret_access_key(server.secret_key())
        .with_allow_http(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build()
        .expect("a client");
    Storage::over(Arc::new(PrefixStore::new(client, prefix.as_str())), config.clone())
}
