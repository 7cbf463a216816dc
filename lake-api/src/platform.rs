//! What the service stands on: storage, journal, permits, profiles, keys.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use oscar_access::PermitBook;
use oscar_journal::Journal;
use oscar_lake::StorageConfig;
use oscar_query::QueryBackend;
use oscar_vetting::DrawSecret;

use crate::config::Limits;
use crate::contracts::Contracts;
use crate::metrics::Metrics;
use crate::profiles::Profiles;
use crate::vault::Vault;

/// The name under which the service acts in the journal.
pub(crate) const SERVICE: &str = "release-service";

/// The build that runs, for receipts and the journal.
pub(crate) const BUILD: &str = concat!("oscar-lake-api ", env!("CARGO_PKG_VERSION"));

/// Everything the routes and the release service share.
pub(crate) struct Platform {
    pub(crate) storage: StorageConfig,
    pub(crate) journal: Journal,
    pub(crate) permits: Arc<PermitBook>,
    pub(crate) profiles: Profiles,
    pub(crate) contracts: Contracts,
    pub(crate) vault: Vault,
    pub(crate) backend: Arc<dyn QueryBackend>,
    /// Signs receipts; the same key signs the journal.
    pub(crate) signer: SigningKey,
    /// Secret of the random draw.
    pub(crate) draw: DrawSecret,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
}
