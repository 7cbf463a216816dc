//! Contracts by digest.

use object_store::ObjectStoreExt;
use object_store::path::Path;
use oscar_lake::{ContractStoreError, Lake};
use oscar_permit::{DatasetName, Sha256Digest};
use rstest::rstest;

use crate::backend::Backend;
use crate::rows::contract;

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_contract_comes_back_by_its_digest_and_storing_it_twice_changes_nothing(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let lake = Lake::new(place.storage.clone());
    let digest = lake.put_contract(&contract()).await.unwrap();
    assert_eq!(digest, contract().digest().unwrap());
    assert_eq!(lake.put_contract(&contract()).await.unwrap(), digest);
    assert_eq!(lake.contract(&contract().dataset, &digest).await.unwrap(), contract());
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_contract_is_refused_for_reading_and_for_storing_again(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let lake = Lake::new(place.storage.clone());
    let digest = lake.put_contract(&contract()).await.unwrap();
    let path = Path::from(format!("contracts/register/{digest}.json"));
    let store = place.storage.store();
    let text = String::from_utf8(store.get(&path).await.unwrap().bytes().await.unwrap().to_vec()).unwrap();
    store.put(&path, text.replace("\"strict\"", "\"sds\"").into()).await.unwrap();
    let read = lake.contract(&contract().dataset, &digest).await;
    assert!(matches!(read, Err(ContractStoreError::Changed { .. })), "{read:?}");
    let stored = lake.put_contract(&contract()).await;
    assert!(matches!(stored, Err(ContractStoreError::Changed { .. })), "{stored:?}");
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_contract_of_another_dataset_or_digest_is_not_found(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let lake = Lake::new(place.storage.clone());
    let digest = lake.put_contract(&contract()).await.unwrap();
    let other = lake.contract(&DatasetName::new("other").unwrap(), &digest).await;
    assert!(matches!(other, Err(ContractStoreError::Missing { .. })), "{other:?}");
    let unknown = lake.contract(&contract().dataset, &Sha256Digest::of("nothing")).await;
    assert!(matches!(unknown, Err(ContractStoreError::Missing { .. })), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_names_an_unknown_column_is_not_stored() {
    let place = Backend::Local.place().unwrap();
    let mut wrong = contract();
    for table in wrong.tables.values_mut() {
        table.primary_key = vec!["absent".parse().unwrap()];
    }
    let stored = Lake::new(place.storage.clone()).put_contract(&wrong).await;
    assert!(matches!(stored, Err(ContractStoreError::Contract(_))), "{stored:?}");
}
