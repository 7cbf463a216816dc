//! Deliveries that lie in the tenant's own storage, below `landing/`.
//!
//! A data holder puts the package there; intake brings it into its scratch space, which is
//! gone with the run, and reads it from there like any other. The descriptor must have the
//! digest that was announced; it names the digests of the data files, so it pins them all.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use oscar_lake::Storage;
use oscar_permit::{DatasetName, Sha256Digest};
use tokio::io::AsyncWriteExt as _;

/// Where raw deliveries are.
const LANDING: &str = "landing";
/// What counts towards a tenant's quota, as far as intake may look.
const COUNTED: [&str; 4] = [LANDING, "lake", "contracts", "journal"];
/// Largest descriptor, in bytes.
const DESCRIPTOR_LIMIT: u64 = 8 * 1024 * 1024;

/// A descriptor below `landing/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landing {
    folder: ObjectPath,
    descriptor: String,
}

/// What a package must be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// SHA-256 of the descriptor.
    pub(crate) digest: Option<Sha256Digest>,
    /// The dataset.
    pub(crate) dataset: Option<DatasetName>,
    /// How much the storage may hold, the delivery's own rows not yet counted.
    pub(crate) quota_bytes: Option<u64>,
}

/// Why a delivery was not brought.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LandingError {
    /// No path below `landing/`.
    #[error("--landing must be FOLDER/FILE of plain names, without '.' or '..'")]
    Path,
    /// Nothing lies there.
    #[error("there is no descriptor landing/{0}; put the package there and try again")]
    Missing(String),
    /// Another descriptor than the one announced.
    #[error(
        "the descriptor does not have the digest that was announced; announce the digest of the file that lies there"
    )]
    Digest,
    /// A package of another dataset.
    #[error("the package is not of dataset {0}; correct the extract or the package")]
    Dataset(DatasetName),
    /// No descriptor of ours.
    #[error("the descriptor cannot be read as a data package with an 'oscar' section")]
    Descriptor,
    /// Too much.
    #[error(
        "the tenant's storage would hold {needed} bytes and may hold {allowed}; raise spec.storage.quota or remove what is not needed"
    )]
    Quota { needed: u64, allowed: u64 },
    /// The store failed.
    #[error("the store failed while the delivery was brought")]
    Store(#[from] object_store::Error),
    /// The scratch space failed.
    #[error("the scratch space failed while the delivery was brought; is it large enough?")]
    Scratch(#[source] std::io::Error),
}

impl LandingError {
    /// The rule that refuses the package, for what lies in the package.
    pub(crate) const fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Path => Some("landing-path"),
            Self::Missing(_) => Some("landing-missing"),
            Self::Digest => Some("descriptor-digest"),
            Self::Dataset(_) => Some("dataset"),
            Self::Descriptor => Some("descriptor"),
            Self::Quota { .. } => Some("quota"),
            Self::Store(_) | Self::Scratch(_) => None,
        }
    }
}

impl FromStr for Landing {
    type Err = LandingError;

    fn from_str(text: &str) -> Result<Self, LandingError> {
        // `components` skips empty parts and `.`, which an object's name must not have.
        let plain = text.split('/').all(|part| {
            let mut components = Path::new(part).components();
            matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        });
        let (folder, descriptor) = text.rsplit_once('/').filter(|_| plain).ok_or(LandingError::Path)?;
        let folder = ObjectPath::parse(format!("{LANDING}/{folder}")).map_err(|_| LandingError::Path)?;
        Ok(Self { folder, descriptor: descriptor.to_owned() })
    }
}

/// Brings a package into `scratch`; returns where its descriptor is now.
pub(crate) async fn fetch(
    storage: &Storage,
    landing: &Landing,
    expected: &Expected,
    scratch: &Path,
) -> Result<PathBuf, LandingError> {
    let store = storage.store();
    check_descriptor(store.as_ref(), landing, expected).await?;
    check_quota(store.as_ref(), expected).await?;
    let objects: Vec<ObjectMeta> = store.list(Some(&landing.folder)).try_collect().await?;
    for object in &objects {
        let Some(relative) = object.location.prefix_match(&landing.folder) else { continue };
        let file: PathBuf = relative.map(|part| part.as_ref().to_owned()).collect();
        // Names in the store are the data holder's: none may lead out of the scratch folder.
        if !file.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(LandingError::Path);
        }
        bring(store.as_ref(), &object.location, &scratch.join(file)).await?;
    }
    Ok(scratch.join(&landing.descriptor))
}

/// The descriptor is looked at before anything else is brought.
async fn check_descriptor(store: &dyn ObjectStore, landing: &Landing, expected: &Expected) -> Result<(), LandingError> {
    let Landing { folder, descriptor } = landing;
    let path = folder.clone().join(descriptor.as_str());
    let found = match store.get(&path).await {
        Ok(found) if found.meta.size <= DESCRIPTOR_LIMIT => found,
        Ok(_) => return Err(LandingError::Descriptor),
        Err(object_store::Error::NotFound { .. }) => {
            let folder = folder.as_ref().trim_start_matches(LANDING).trim_start_matches('/').to_owned();
            return Err(LandingError::Missing(format!("{folder}/{descriptor}")));
        }
        Err(error) => return Err(error.into()),
    };
    let bytes = found.bytes().await?;
    if expected.digest.is_some_and(|digest| digest != Sha256Digest::of(&bytes)) {
        return Err(LandingError::Digest);
    }
    if let Some(dataset) = &expected.dataset {
        let text = std::str::from_utf8(&bytes).map_err(|_| LandingError::Descriptor)?;
        let package: serde_json::Value = serde_saphyr::from_str(text).map_err(|_| LandingError::Descriptor)?;
        if package.pointer("/oscar/dataset").and_then(serde_json::Value::as_str) != Some(dataset.as_str()) {
            return Err(LandingError::Dataset(dataset.clone()));
        }
    }
    Ok(())
}

/// The raw delivery counts already; its rows take about as much again, and usually less.
async fn check_quota(store: &dyn ObjectStore, expected: &Expected) -> Result<(), LandingError> {
    let Some(allowed) = expected.quota_bytes else { return Ok(()) };
    let mut needed: u64 = 0;
    for place in COUNTED {
        let mut objects = store.list(Some(&ObjectPath::from(place)));
        while let Some(object) = objects.try_next().await? {
            needed = needed.saturating_add(object.size);
        }
    }
    if needed > allowed { Err(LandingError::Quota { needed, allowed }) } else { Ok(()) }
}

async fn bring(store: &dyn ObjectStore, from: &ObjectPath, to: &Path) -> Result<(), LandingError> {
    if let Some(folder) = to.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(LandingError::Scratch)?;
    }
    let mut file = tokio::fs::File::create_new(to).await.map_err(LandingError::Scratch)?;
    let mut chunks = store.get(from).await?.into_stream();
    while let Some(chunk) = chunks.try_next().await? {
        file.write_all(&chunk).await.map_err(LandingError::Scratch)?;
    }
    file.flush().await.map_err(LandingError::Scratch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oscar_lake::StorageConfig;

    fn landing(text: &str) -> Landing {
        text.parse().unwrap()
    }

    async fn storage() -> (tempfile::TempDir, Storage) {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&StorageConfig::Local { root: folder.path().join("tenant") }).unwrap();
        for (path, bytes) in [
            ("landing/contacts/2026/datapackage.json", r#"{"oscar": {"dataset": "contacts"}}"#),
            ("landing/contacts/2026/data/contact.csv", "cpr;region\n"),
            ("landing/contacts/2027/other.csv", "not of this delivery"),
        ] {
            storage.store().put(&ObjectPath::from(path), bytes.to_owned().into()).await.unwrap();
        }
        (folder, storage)
    }

    async fn rule(text: &str, expected: &Expected) -> Option<&'static str> {
        let (_folder, storage) = storage().await;
        let scratch = tempfile::tempdir().unwrap();
        fetch(&storage, &landing(text), expected, scratch.path()).await.unwrap_err().rule()
    }

    #[tokio::test]
    async fn a_delivery_is_brought_whole_and_alone() {
        let (_folder, storage) = storage().await;
        let scratch = tempfile::tempdir().unwrap();
        let expected = Expected { dataset: Some(DatasetName::new("contacts").unwrap()), ..Expected::default() };
        let descriptor =
            fetch(&storage, &landing("contacts/2026/datapackage.json"), &expected, scratch.path()).await.unwrap();
        assert_eq!(descriptor, scratch.path().join("datapackage.json"));
        assert_eq!(std::fs::read_to_string(scratch.path().join("data/contact.csv")).unwrap(), "cpr;region\n");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn what_is_not_as_announced_is_refused_by_name() {
        let wrong = Expected { digest: Some(Sha256Digest::of("else")), ..Expected::default() };
        assert_eq!(rule("contacts/2026/datapackage.json", &wrong).await, Some("descriptor-digest"));
        let other = Expected { dataset: Some(DatasetName::new("births").unwrap()), ..Expected::default() };
        assert_eq!(rule("contacts/2026/datapackage.json", &other).await, Some("dataset"));
        let full = Expected { quota_bytes: Some(10), ..Expected::default() };
        assert_eq!(rule("contacts/2026/datapackage.json", &full).await, Some("quota"));
        assert_eq!(rule("contacts/2028/datapackage.json", &Expected::default()).await, Some("landing-missing"));
    }

    #[test]
    fn a_path_stays_below_landing() {
        for bad in ["", "datapackage.json", "/a/b", "../a/b", "a/../b", "a/./b", "a//b"] {
            assert!(matches!(Landing::from_str(bad), Err(LandingError::Path)), "{bad}");
        }
    }
}
