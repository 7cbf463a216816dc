//! What one person may ask at one moment: a permit joined with the contracts and table
//! versions in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oscar_journal::{Submission, TenantState};
use oscar_lake::ContractStoreError;
use oscar_permit::{DataPermit, DatasetContract, DatasetName, DisclosureProfile, Sha256Digest, TableRef};
use oscar_query::{CatalogError, CheckedQuery, GateRefusal, PermittedCatalog, PinnedVersions};

use crate::platform::Platform;
use crate::profiles::ProfilesError;

/// Why a scope cannot be made. Nothing is released without one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScopeError {
    #[error(transparent)]
    Contract(#[from] ContractStoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Profile(#[from] ProfilesError),
    #[error("the statement reads a table without a pinned version")]
    Unpinned,
}

/// A permit's tables, pinned.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) catalog: Arc<PermittedCatalog>,
    pub(crate) versions: BTreeMap<TableRef, u64>,
    pub(crate) contracts: BTreeMap<DatasetName, Sha256Digest>,
    permit_profile: String,
    in_force: BTreeMap<DatasetName, DatasetContract>,
}

impl Scope {
    /// The scope of `permit` on what is visible in `state`.
    pub(crate) async fn now(platform: &Platform, permit: &DataPermit, state: &TenantState) -> Result<Self, ScopeError> {
        let granted: BTreeSet<&DatasetName> = permit.datasets.iter().map(|grant| &grant.dataset).collect();
        let contracts = state
            .datasets()
            .iter()
            .filter(|(dataset, _)| granted.contains(dataset))
            .map(|(dataset, visible)| (dataset.clone(), visible.contract))
            .collect();
        Self::of(platform, permit, contracts, state.visible_versions()).await
    }

    /// The scope of `permit` on what a submission has pinned.
    pub(crate) async fn pinned(
        platform: &Platform,
        permit: &DataPermit,
        submission: &Submission,
    ) -> Result<Self, ScopeError> {
        Self::of(platform, permit, submission.contracts.clone(), submission.versions.clone()).await
    }

    async fn of(
        platform: &Platform,
        permit: &DataPermit,
        contracts: BTreeMap<DatasetName, Sha256Digest>,
        versions: BTreeMap<TableRef, u64>,
    ) -> Result<Self, ScopeError> {
        let in_force = platform.contracts.all(&contracts).await?;
        let names = in_force.values().map(|contract| contract.profile.as_str());
        let strictest = platform.profiles.strictest(names.chain([permit.profile.as_str()]))?;
        let catalog = PermittedCatalog::from_permit(permit, &in_force, strictest.quotas.literals)?;
        // A table without an accepted version does not exist, whatever the contract says.
        let versions = versions.into_iter().filter(|(table, _)| catalog.tables.contains_key(table)).collect();
        Ok(Self { catalog: Arc::new(catalog), versions, contracts, permit_profile: permit.profile.clone(), in_force })
    }

    /// The profile of a statement that reads `tables`: the strictest of the permit's and
    /// of every dataset's it draws on.
    pub(crate) fn profile(
        &self,
        platform: &Platform,
        tables: &BTreeSet<TableRef>,
    ) -> Result<DisclosureProfile, ScopeError> {
        let datasets: BTreeSet<&DatasetName> = tables.iter().map(|table| &table.dataset).collect();
        let names = datasets.into_iter().filter_map(|dataset| self.in_force.get(dataset));
        let names = names.map(|contract| contract.profile.as_str());
        Ok(platform.profiles.strictest(names.chain([self.permit_profile.as_str()]))?)
    }

    /// The strictest profile of the permit and all its datasets.
    pub(crate) fn strictest_profile(&self, platform: &Platform) -> Result<DisclosureProfile, ScopeError> {
        let names = self.in_force.values().map(|contract| contract.profile.as_str());
        Ok(platform.profiles.strictest(names.chain([self.permit_profile.as_str()]))?)
    }

    /// The pinned versions of the tables a statement reads.
    pub(crate) fn versions_of(&self, tables: &BTreeSet<TableRef>) -> Result<PinnedVersions, ScopeError> {
        tables
            .iter()
            .map(|table| self.versions.get(table).map(|version| (table.clone(), *version)).ok_or(ScopeError::Unpinned))
            .collect::<Result<_, _>>()
            .map(PinnedVersions)
    }

    /// The gate's answer to `sql`, computed away from the request threads.
    pub(crate) async fn check(&self, sql: &str) -> Result<CheckedQuery, CheckError> {
        let (sql, catalog) = (sql.to_owned(), Arc::clone(&self.catalog));
        tokio::task::spawn_blocking(move || oscar_query::check(&sql, &catalog))
            .await
            .map_err(|_| CheckError::Stopped)?
            .map_err(CheckError::Refused)
    }
}

/// Why there is no checked statement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// The gate said no.
    #[error(transparent)]
    Refused(GateRefusal),
    /// The check did not end.
    #[error("the static check was stopped")]
    Stopped,
}
