//! What the operator is told: one YAML file, written by the chart.
//!
//! Unknown fields are errors: a misspelt restriction must not silently be missing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use oscar_blueprint::{Installation, InstallationError};
use serde::{Deserialize, Serialize};

use crate::storage::StorageSettings;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings file {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the settings file {path} is not usable: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// A setting that would open or measure something other than it says.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// A number out of its bounds.
    #[error("{0}")]
    Bound(&'static str),
}

/// Everything the operator is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// What every tenant's objects follow from.
    pub installation: Installation,
    /// How the object store is administered.
    #[serde(default)]
    pub storage: StorageSettings,
    /// The lake-apis' certificates.
    #[serde(default)]
    pub certificates: CertificateSettings,
    /// How often issuers' keys are fetched.
    #[serde(default = "default_jwks_refresh")]
    pub jwks_refresh_seconds: u64,
    /// Tenants that are reconciled at a time.
    #[serde(default = "default_concurrency")]
    pub concurrency: u16,
    /// Where health, readiness and metrics are.
    #[serde(default = "default_admin_listen")]
    pub admin_listen: SocketAddr,
}

/// How certificates are issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateSettings {
    /// The domain under which the gateway shows tenants: `acme` is reached as `acme.<domain>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Days that a certificate is valid.
    #[serde(default = "default_leaf_days")]
    pub days: u32,
    /// Days before its end that it is replaced.
    #[serde(default = "default_renewal_days")]
    pub renew_before_days: u32,
}

impl Default for CertificateSettings {
    fn default() -> Self {
        Self { domain: None, days: default_leaf_days(), renew_before_days: default_renewal_days() }
    }
}

const fn default_leaf_days() -> u32 {
    90
}

const fn default_renewal_days() -> u32 {
    30
}

const fn default_jwks_refresh() -> u64 {
    60
}

const fn default_concurrency() -> u16 {
    8
}

fn default_admin_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 9090))
}

impl Settings {
    /// Reads and checks the settings file.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let settings: Self = serde_saphyr::from_str(&text)
            .map_err(|error| SettingsError::Syntax { path: path.to_owned(), reason: error.to_string() })?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.installation.validate_given()?;
        let CertificateSettings { domain: _, days, renew_before_days } = &self.certificates;
        if *days == 0 || renew_before_days >= days {
            return Err(SettingsError::Bound("certificates.renewBeforeDays must be less than certificates.days"));
        }
        if self.concurrency == 0 {
            return Err(SettingsError::Bound("concurrency must be at least 1"));
        }
        // Keys count for an hour after their fetch: one that fails must not be the last.
        if !(1..=600).contains(&self.jwks_refresh_seconds) {
            return Err(SettingsError::Bound("jwksRefreshSeconds must be 1 to 600"));
        }
        Ok(())
    }
}
