//! A tenant's bucket and its two identities at the object store.
//!
//! ```text
//!  TenantStorage ─▶ S3Storage::ensure ─▶ once: races of writers, one winner each, or the store is refused
//!                                        bucket: versions · encryption · no public access · lifecycle · policy
//!                                        identities: intake, lake-api, each with its prefixes alone
//!                  ─▶ S3Storage::retire ─▶ identities gone, bucket stays
//!                  ─▶ S3Storage::erase  ─▶ identities gone, every version of every object gone, bucket gone
//! ```
//!
//! Everything is safe to run again, and runs again until it is done.
//!
//! A bucket is made once. From then on it is the one that was recorded ([`Made`]), whatever the
//! settings say by now; one that is gone is never made again: a journal that begins anew has
//! forgotten what was released.

mod bucket;
mod credentials;
mod erase;
mod error;
mod identity;
mod policy;
mod s3;
mod session;
mod settings;
mod trial;

use std::time::SystemTime;

use async_trait::async_trait;
use oscar_blueprint::AccessKey;
use oscar_permit::TenantName;

pub use erase::Erased;
pub use error::StorageError;
pub use policy::{intake_policy, person_index_bucket_policy_scope, workspace_policy};
pub use s3::S3Storage;
pub use settings::{Encryption, Identities, StorageSettings};

/// What a tenant is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantStorage {
    /// The tenant.
    pub tenant: TenantName,
    /// The first eight hexadecimal digits of its UID: a later tenant of the same name has
    /// another bucket and other identities.
    pub tag: String,
    /// Days after which raw deliveries are removed.
    pub landing_retention_days: u32,
    /// The bucket of the spoke-wide person index, which intake reads and writes.
    pub person_index_bucket: String,
    /// What was made for it before; `None` until its storage was in order once.
    pub made: Option<Made>,
}

/// What a store was found to hold for a tenant, recorded when its storage was first in order.
/// Names follow from it and no more from the settings, which may be others by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The bucket.
    pub bucket: String,
    /// Whether the tenant's identities are users, or were and may still be there.
    pub users: bool,
}

impl TenantStorage {
    /// The bucket: the one that was made, else the one to make.
    #[must_use]
    pub fn bucket(&self, prefix: &str) -> String {
        self.made.as_ref().map_or_else(|| format!("{prefix}{}", self.bucket_end()), |made| made.bucket.clone())
    }

    /// What the tenant's bucket is called behind the prefix.
    fn bucket_end(&self) -> String {
        format!("-{}-{}", self.tenant, self.tag)
    }
}

/// Both identities of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The lake-api's.
    pub workspace: AccessKey,
    /// The intake's.
    pub intake: AccessKey,
    /// When they are to be replaced; `None` for ever.
    pub renew_at: Option<SystemTime>,
}

impl Access {
    /// Whether the identities are users' keys, which serve until they are removed.
    pub(crate) const fn is_of_users(&self) -> bool {
        self.workspace.session_token.is_none() || self.intake.session_token.is_none()
    }
}

/// What the store does by itself, found out and not assumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guarantees {
    /// The store refuses to overwrite the journal and Delta logs, whoever asks.
    pub create_only: bool,
    /// The store refuses to make anything public.
    pub public_access_blocked: bool,
}

/// A tenant's storage as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensured {
    /// The bucket.
    pub bucket: String,
    /// Whether the identities are users, or were and may still be there.
    pub users: bool,
    /// The identities.
    pub access: Access,
    /// What the store guards by itself.
    pub guarantees: Guarantees,
}

/// Whatever keeps tenants' buckets.
#[async_trait]
pub trait StorageProvider: Send + Sync {
    /// Makes or mends a tenant's bucket and identities. `known` are the identities made
    /// before; they are kept while the store still knows them and they need no renewal. A
    /// bucket that was made before is looked for and never made again.
    ///
    /// # Errors
    /// See [`StorageError`]; what was made stays and is found by the next call.
    async fn ensure(&self, tenant: &TenantStorage, known: Option<&Access>) -> Result<Ensured, StorageError>;

    /// Removes the identities and keeps the bucket.
    ///
    /// # Errors
    /// See [`StorageError`].
    async fn retire(&self, tenant: &TenantStorage) -> Result<(), StorageError>;

    /// Removes identities, every version of every object, and the bucket.
    ///
    /// # Errors
    /// [`StorageError::Remains`] with what is left, when something is.
    async fn erase(&self, tenant: &TenantStorage) -> Result<Erased, StorageError>;
}
