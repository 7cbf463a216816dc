//! Contracts in the bucket: written once under their digest, verified on every read.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use oscar_permit::{ContractError, DatasetContract, DatasetName, Sha256Digest, canonical_json};

/// A contract larger than this is not read: nobody writes one, so it is an attack or a mistake.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why a contract cannot be stored or used.
#[derive(Debug, thiserror::Error)]
pub enum ContractStoreError {
    /// The contract itself is wrong.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// No canonical form.
    #[error(transparent)]
    Canonical(#[from] oscar_permit::CanonicalError),
    /// No contract of that digest.
    #[error("dataset {dataset} has no contract {digest}; deliver the dataset again")]
    Missing {
        /// The dataset.
        dataset: DatasetName,
        /// The digest that was asked for.
        digest: Sha256Digest,
    },
    /// The stored bytes are not those of the digest, or not a contract of the dataset.
    #[error(
        "the stored contract {digest} of dataset {dataset} has been changed; restore the object or deliver the dataset again"
    )]
    Changed {
        /// The dataset.
        dataset: DatasetName,
        /// The digest that was asked for.
        digest: Sha256Digest,
    },
    /// The store does not answer.
    #[error("the contract store does not answer: {0}")]
    Store(#[from] Error),
}

fn path_of(dataset: &DatasetName, digest: &Sha256Digest) -> Path {
    Path::from(format!("contracts/{dataset}/{digest}.json"))
}

/// Stores a valid contract under its digest; storing it again changes nothing.
pub(crate) async fn put(
    store: &Arc<dyn ObjectStore>,
    contract: &DatasetContract,
) -> Result<Sha256Digest, ContractStoreError> {
    contract.validate()?;
    let bytes = canonical_json(contract)?;
    let digest = Sha256Digest::of(&bytes);
    let mode = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match store.put_opts(&path_of(&contract.dataset, &digest), bytes.into(), mode).await {
        Ok(_) => Ok(digest),
        // Somebody stored it before: then it must be the same contract.
        Err(Error::AlreadyExists { .. }) => get(store, &contract.dataset, &digest).await.map(|_| digest),
        Err(error) => Err(error.into()),
    }
}

/// Reads the contract of that digest and proves that it is.
pub(crate) async fn get(
    store: &Arc<dyn ObjectStore>,
    dataset: &DatasetName,
    digest: &Sha256Digest,
) -> Result<DatasetContract, ContractStoreError> {
    let changed = || ContractStoreError::Changed { dataset: dataset.clone(), digest: *digest };
    let object = match store.get(&path_of(dataset, digest)).await {
        Err(Error::NotFound { .. }) => {
            return Err(ContractStoreError::Missing { dataset: dataset.clone(), digest: *digest });
        }
        answer => answer?,
    };
    if object.meta.size > LARGEST {
        return Err(changed());
    }
    let bytes = object.bytes().await?;
    if Sha256Digest::of(&bytes) != *digest {
        return Err(changed());
    }
    let contract: DatasetContract = serde_json::from_slice(&bytes).map_err(|_| changed())?;
    if contract.dataset != *dataset {
        return Err(changed());
    }
    contract.validate()?;
    Ok(contract)
}
