//! Contracts by digest, read once: what a digest names never changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use oscar_lake::{ContractStoreError, Lake};
use oscar_permit::{DatasetContract, DatasetName, Sha256Digest};
use parking_lot::Mutex;

/// Contracts that have been read. There is one per delivery that changed a contract, so
/// the memory they take is small.
#[derive(Debug)]
pub(crate) struct Contracts {
    lake: Lake,
    known: Mutex<HashMap<(DatasetName, Sha256Digest), Arc<DatasetContract>>>,
}

impl Contracts {
    pub(crate) fn new(lake: Lake) -> Self {
        Self { lake, known: Mutex::new(HashMap::new()) }
    }

    /// One contract.
    pub(crate) async fn get(
        &self,
        dataset: &DatasetName,
        digest: &Sha256Digest,
    ) -> Result<Arc<DatasetContract>, ContractStoreError> {
        let name = (dataset.clone(), *digest);
        if let Some(known) = self.known.lock().get(&name).cloned() {
            return Ok(known);
        }
        let contract = Arc::new(self.lake.contract(dataset, digest).await?);
        self.known.lock().insert(name, Arc::clone(&contract));
        Ok(contract)
    }

    /// Several contracts.
    pub(crate) async fn all(
        &self,
        digests: &BTreeMap<DatasetName, Sha256Digest>,
    ) -> Result<BTreeMap<DatasetName, DatasetContract>, ContractStoreError> {
        let mut contracts = BTreeMap::new();
        for (dataset, digest) in digests {
            contracts.insert(dataset.clone(), DatasetContract::clone(&*self.get(dataset, digest).await?));
        }
        Ok(contracts)
    }
}
