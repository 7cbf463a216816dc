//! What was made for a tenant is found again by its record, whatever the settings say by now.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use oscar_blueprint::AccessKey;
use oscar_operator::storage::{
    Ensured, Identities, Made, StorageError, StorageProvider, StorageSettings, TenantStorage,
};
use oscar_peers::{SeaweedFs, required_in_ci};

use crate::storage::{administrator, client, iam, provider, tenant, until_known, users};

/// The tenant as it is asked for once its storage was in order.
fn recorded(tenant: &TenantStorage, ensured: &Ensured) -> TenantStorage {
    let made = Made { bucket: ensured.bucket.clone(), users: ensured.users };
    TenantStorage { made: Some(made), ..tenant.clone() }
}

/// Settings that would make other names.
fn renamed(settings: StorageSettings) -> StorageSettings {
    StorageSettings { bucket_prefix: "other".to_owned(), ..settings }
}

fn sessions(server: &SeaweedFs) -> StorageSettings {
    let identities = Identities::Sessions { role_arn: server.role_arn().to_owned(), session_seconds: 3600 };
    StorageSettings { identities, ..users() }
}

async fn is_there(server: &SeaweedFs, bucket: &str) -> bool {
    client(server, &administrator(server)).head_bucket().bucket(bucket).send().await.is_ok()
}

async fn users_left(server: &SeaweedFs, bucket: &str) -> usize {
    let mut left = 0;
    for zone in ["workspace", "intake"] {
        left += usize::from(iam(server).get_user().user_name(format!("{bucket}-{zone}")).send().await.is_ok());
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_keeps_its_bucket_and_its_users_under_another_prefix() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let acme = tenant("acme", "00000001");
    let first = provider(&server, users()).await.ensure(&acme, None).await.unwrap();
    let acme = recorded(&acme, &first);
    let again = provider(&server, renamed(users())).await.ensure(&acme, Some(&first.access)).await.unwrap();
    assert_eq!(again, first);
    assert!(!is_there(&server, "other-acme-00000001").await);
    let erased = provider(&server, renamed(users())).await.erase(&acme).await.unwrap();
    assert_eq!(erased.bucket, first.bucket);
    assert!(!is_there(&server, &first.bucket).await);
    assert_eq!(users_left(&server, &first.bucket).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_removed_is_never_made_anew() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await.revisiting_after(Duration::ZERO);
    let acme = tenant("acme", "00000001");
    let first = provider.ensure(&acme, None).await.unwrap();
    let acme = recorded(&acme, &first);
    client(&server, &administrator(&server)).delete_bucket().bucket(&first.bucket).send().await.unwrap();
    let error = provider.ensure(&acme, Some(&first.access)).await.unwrap_err();
    assert!(matches!(&error, StorageError::Gone(bucket) if *bucket == first.bucket), "{error}");
    assert_eq!((error.reason(), error.is_transient()), ("BucketGone", false));
    assert!(!is_there(&server, &first.bucket).await);
    // Restored, it serves again; and without it the tenant can still be erased.
    client(&server, &administrator(&server)).create_bucket().bucket(&first.bucket).send().await.unwrap();
    assert_eq!(provider.ensure(&acme, Some(&first.access)).await.unwrap(), first);
    client(&server, &administrator(&server)).delete_bucket().bucket(&first.bucket).send().await.unwrap();
    provider.erase(&acme).await.unwrap();
    assert_eq!(users_left(&server, &first.bucket).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_making_that_broke_off_before_it_was_recorded_goes_on() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let acme = tenant("acme", "00000001");
    let first = provider(&server, users()).await.ensure(&acme, None).await.unwrap();
    // Neither bucket nor keys were kept.
    let again = provider(&server, users()).await.ensure(&acme, None).await.unwrap();
    assert_eq!(again.bucket, first.bucket);
    assert_ne!(again.access, first.access);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_bucket_of_another_tenant_is_refused() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await;
    let beta = provider.ensure(&tenant("beta", "00000002"), None).await.unwrap();
    let acme = recorded(&tenant("acme", "00000001"), &beta);
    let error = provider.ensure(&acme, None).await.unwrap_err();
    assert_eq!((error.reason(), error.is_transient()), ("BucketNotOurs", false));
    assert!(provider.erase(&acme).await.is_err());
    assert!(is_there(&server, &beta.bucket).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_go_once_pods_have_sessions() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let acme = tenant("acme", "00000001");
    let first = provider(&server, users()).await.ensure(&acme, None).await.unwrap();
    assert!(first.users);
    let provider = provider(&server, sessions(&server)).await.revisiting_after(Duration::ZERO);
    let second = provider.ensure(&recorded(&acme, &first), Some(&first.access)).await.unwrap();
    assert!(second.access.workspace.session_token.is_some());
    assert!(second.users, "pods may still hold the old keys");
    let user: &AccessKey = &first.access.workspace;
    until_known(&client(&server, user), &first.bucket).await;
    let third = provider.ensure(&recorded(&acme, &second), Some(&second.access)).await.unwrap();
    assert_eq!((third.users, third.access), (false, second.access));
    assert_eq!(users_left(&server, &first.bucket).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_of_before_go_with_their_tenant() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let admin = client(&server, &administrator(&server));
    for retained in [true, false] {
        let acme = tenant("acme", if retained { "00000001" } else { "00000002" });
        let made = provider(&server, users()).await.ensure(&acme, None).await.unwrap();
        let put = admin.put_object().bucket(&made.bucket).key("journal/1").body(ByteStream::from_static(b"1"));
        put.send().await.unwrap();
        let provider = provider(&server, sessions(&server)).await;
        if retained {
            provider.retire(&recorded(&acme, &made)).await.unwrap();
        } else {
            provider.erase(&recorded(&acme, &made)).await.unwrap();
        }
        assert_eq!(is_there(&server, &made.bucket).await, retained);
        assert_eq!(users_left(&server, &made.bucket).await, 0);
    }
}
