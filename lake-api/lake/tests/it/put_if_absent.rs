//! The race that a store must pass before it is used.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use oscar_lake::PutIfAbsentError;
use rstest::rstest;

use crate::backend::Backend;
use crate::failing_store::{FailingStore, Fault};

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_writers_that_create_an_object_exactly_one_wins(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    for _ in 0..5 {
        place.storage.check_put_if_absent().await.unwrap();
    }
    let left: Vec<_> = place.storage.store().list(None).try_collect().await.unwrap();
    assert!(left.is_empty(), "the check leaves nothing behind: {left:?}");
}

#[rstest]
#[case::local(Backend::Local)]
#[case::s3(Backend::S3)]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_the_condition_is_found_out(#[case] backend: Backend) {
    let Some(place) = backend.place() else { return };
    let (store, storage) = FailingStore::over(&place.storage);
    store.set(Fault::IgnoresCondition);
    let answer = storage.check_put_if_absent().await;
    assert!(matches!(answer, Err(PutIfAbsentError::Winners { winners: 30 })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_does_not_pass() {
    let place = Backend::Local.place().unwrap();
    let (store, storage) = FailingStore::over(&place.storage);
    store.set(Fault::Down);
    let answer = storage.check_put_if_absent().await;
    assert!(matches!(answer, Err(PutIfAbsentError::Store(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_local_writer_leaves_behind_is_not_listed_and_not_in_the_way() {
    let place = Backend::Local.place().unwrap();
    let store = place.storage.store();
    store.put(&Path::from("journal/1.json"), "one".into()).await.unwrap();
    let oscar_lake::StorageConfig::Local { root } = place.storage.config() else { panic!("local") };
    std::fs::write(root.join("journal/2.json#123456"), "half").unwrap();
    let listed: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(listed, ["journal/1.json"]);
    store.put(&Path::from("journal/2.json"), "two".into()).await.unwrap();
    assert_eq!(store.get(&Path::from("journal/2.json")).await.unwrap().bytes().await.unwrap(), "two");
}
