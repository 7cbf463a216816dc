//! Buckets and identities on a real S3 server with IAM.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use oscar_blueprint::{AccessKey, ObjectStore, Peer};
use oscar_operator::storage::{
    Access, Encryption, Identities, S3Storage, StorageProvider, StorageSettings, TenantStorage,
};
use oscar_peers::{SeaweedFs, required_in_ci};
use oscar_permit::TenantName;
use serde_json::json;

const PERSON_INDEX: &str = "oscar-person-index";

pub(crate) fn tenant(name: &str, tag: &str) -> TenantStorage {
    TenantStorage {
        tenant: TenantName::new(name).unwrap(),
        tag: tag.to_owned(),
        landing_retention_days: 30,
        person_index_bucket: PERSON_INDEX.to_owned(),
        made: None,
    }
}

pub(crate) fn users() -> StorageSettings {
    StorageSettings {
        bucket_prefix: "oscar".to_owned(),
        endpoint: None,
        encryption: Encryption::Store,
        identities: Identities::Users { rotate_after_days: 30 },
    }
}

/// The provider with the server's administrator.
pub(crate) async fn provider(server: &SeaweedFs, settings: StorageSettings) -> S3Storage {
    let store = ObjectStore {
        endpoint: server.endpoint(),
        region: server.region().to_owned(),
        addresses: vec!["127.0.0.1".parse().unwrap()],
        port: 1,
        pods: Peer::Nobody,
        person_index_bucket: PERSON_INDEX.to_owned(),
    };
    let credentials = Credentials::new(server.access_key(), server.secret_key(), None, None, "test");
    S3Storage::with_credentials(settings, &store, Some(credentials)).await
}

pub(crate) fn client(server: &SeaweedFs, key: &AccessKey) -> aws_sdk_s3::Client {
    let credentials = Credentials::new(&key.id, &key.secret, key.session_token.clone(), None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(server.region().to_owned()))
        .endpoint_url(server.endpoint())
        .force_path_style(true)
        .credentials_provider(credentials)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

pub(crate) fn iam(server: &SeaweedFs) -> aws_sdk_iam::Client {
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(server.region().to_owned()))
        .endpoint_url(server.endpoint())
        .credentials_provider(Credentials::new(server.access_key(), server.secret_key(), None, None, "test"))
        .build();
    aws_sdk_iam::Client::from_conf(config)
}

pub(crate) fn administrator(server: &SeaweedFs) -> AccessKey {
    AccessKey { id: server.access_key().to_owned(), secret: server.secret_key().to_owned(), session_token: None }
}

/// What an identity may do with one object: a letter for each of get, put, list, delete.
async fn rights(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> String {
    let prefix = key.rsplit_once('/').map_or("", |(folder, _)| folder);
    let allowed = |code: Option<&str>| match code {
        Some("AccessDenied") => false,
        Some("NoSuchKey" | "PreconditionFailed") => true,
        other => panic!("neither allowed nor denied: {other:?}"),
    };
    let get = client.get_object().bucket(bucket).key(key).send().await;
    let get = get.as_ref().err().is_none_or(|error| allowed(error.code()));
    let put = client.put_object().bucket(bucket).key(key).body(ByteStream::from_static(b"x")).send().await;
    let put = put.as_ref().err().is_none_or(|error| allowed(error.code()));
    let list = client.list_objects_v2().bucket(bucket).prefix(format!("{prefix}/")).send().await;
    let list = list.as_ref().err().is_none_or(|error| allowed(error.code()));
    let delete = client.delete_object().bucket(bucket).key(key).send().await;
    let delete = delete.as_ref().err().is_none_or(|error| allowed(error.code()));
    [(get, 'g'), (put, 'p'), (list, 'l'), (delete, 'd')]
        .iter()
        .filter(|(may, _)| *may)
        .map(|(_, letter)| letter)
        .collect()
}

/// New identities and rights reach every part of the server within a moment.
pub(crate) async fn until_known(client: &aws_sdk_s3::Client, bucket: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while let Err(error) = client.list_objects_v2().bucket(bucket).prefix("lake/").send().await {
        assert!(tokio::time::Instant::now() < deadline, "{error:?}");
        tokio::task::yield_now().await;
    }
}

async fn each_identity_has_its_prefixes(settings: impl Fn(&SeaweedFs) -> StorageSettings) {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, settings(&server)).await;
    let acme = provider.ensure(&tenant("acme", "00000001"), None).await.unwrap();
    let beta = provider.ensure(&tenant("beta", "00000002"), None).await.unwrap();
    let admin = client(&server, &administrator(&server));
    for bucket in [&acme.bucket, &beta.bucket] {
        for folder in ["landing", "lake", "contracts", "journal", "work", "ledger", "release"] {
            let key = format!("{folder}/thing");
            admin.put_object().bucket(bucket).key(key).body(ByteStream::from_static(b"1")).send().await.unwrap();
        }
    }
    let workspace = client(&server, &acme.access.workspace);
    let intake = client(&server, &acme.access.intake);
    until_known(&workspace, &acme.bucket).await;
    until_known(&intake, &acme.bucket).await;
    let expected = [
        ("landing/thing", "", "gl"),
        ("lake/thing", "gl", "gpl"),
        ("contracts/thing", "gl", "gpl"),
        ("journal/thing", "gpl", "gpl"),
        ("work/thing", "gpl", ""),
        ("ledger/thing", "gpl", ""),
        ("release/thing", "gpl", ""),
    ];
    for (key, of_workspace, of_intake) in expected {
        assert_eq!(rights(&workspace, &acme.bucket, key).await, of_workspace, "the lake-api at {key}");
        assert_eq!(rights(&intake, &acme.bucket, key).await, of_intake, "the intake at {key}");
        assert_eq!(rights(&workspace, &beta.bucket, key).await, "", "the lake-api at another tenant's {key}");
        assert_eq!(rights(&intake, &beta.bucket, key).await, "", "the intake at another tenant's {key}");
    }
    assert_eq!(rights(&intake, PERSON_INDEX, "segment").await, "gpl");
    assert_eq!(rights(&workspace, PERSON_INDEX, "segment").await, "");
    assert!(workspace.create_bucket().bucket("another").send().await.is_err());
    assert!(workspace.list_object_versions().bucket(&acme.bucket).prefix("landing/").send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_identity_reaches_its_own_prefixes_and_nothing_else_as_a_user() {
    each_identity_has_its_prefixes(|_| users()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_identity_reaches_its_own_prefixes_and_nothing_else_as_a_session() {
    let sessions = |server: &SeaweedFs| StorageSettings {
        identities: Identities::Sessions { role_arn: server.role_arn().to_owned(), session_seconds: 3600 },
        ..users()
    };
    each_identity_has_its_prefixes(sessions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_changes_nothing_and_keeps_the_keys() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await;
    let acme = tenant("acme", "00000001");
    let first = provider.ensure(&acme, None).await.unwrap();
    assert_eq!(provider.ensure(&acme, Some(&first.access)).await.unwrap(), first);
    // Another process, which remembers nothing.
    let again = self::provider(&server, users()).await.ensure(&acme, Some(&first.access)).await.unwrap();
    assert_eq!(again.access, first.access);
    let admin = client(&server, &administrator(&server));
    let versions = admin.get_bucket_versioning().bucket(&first.bucket).send().await.unwrap();
    assert_eq!(versions.status().map(aws_sdk_s3::types::BucketVersioningStatus::as_str), Some("Enabled"));
    let lifecycle = admin.get_bucket_lifecycle_configuration().bucket(&first.bucket).send().await.unwrap();
    assert!(
        lifecycle
            .rules()
            .iter()
            .any(|rule| rule.expiration().and_then(aws_sdk_s3::types::LifecycleExpiration::days) == Some(30))
    );
    let put = admin.put_object().bucket(&first.bucket).key("lake/x").body(ByteStream::from_static(b"1")).send().await;
    assert_eq!(
        put.unwrap().server_side_encryption().map(aws_sdk_s3::types::ServerSideEncryption::as_str),
        Some("AES256")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_due_is_replaced_and_the_old_one_serves_until_the_next_time() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await;
    let (provider, acme) = (provider.revisiting_after(Duration::ZERO), tenant("acme", "00000001"));
    let first = provider.ensure(&acme, None).await.unwrap();
    let due = Access { renew_at: Some(SystemTime::UNIX_EPOCH), ..first.access.clone() };
    let second = provider.ensure(&acme, Some(&due)).await.unwrap();
    assert_ne!(second.access.workspace, first.access.workspace);
    assert!(second.access.renew_at.unwrap() > SystemTime::now());
    let of = |key: &AccessKey| client(&server, key);
    until_known(&of(&second.access.workspace), &second.bucket).await;
    until_known(&of(&first.access.workspace), &second.bucket).await;
    // The next visit removes what nobody holds any more.
    let third = provider.ensure(&acme, Some(&second.access)).await.unwrap();
    assert_eq!(third.access, second.access);
    let old = of(&first.access.workspace);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while old.list_objects_v2().bucket(&second.bucket).prefix("lake/").send().await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the old key still serves");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erasure_leaves_nothing_and_can_be_repeated() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await;
    let (acme, beta) = (tenant("acme", "00000001"), tenant("beta", "00000002"));
    let made = provider.ensure(&acme, None).await.unwrap();
    let neighbour = provider.ensure(&beta, None).await.unwrap();
    let admin = client(&server, &administrator(&server));
    for round in 0..3 {
        for number in 0..40 {
            let put = admin.put_object().bucket(&made.bucket).key(format!("lake/{number}"));
            put.body(ByteStream::from(vec![round])).send().await.unwrap();
        }
    }
    admin.delete_object().bucket(&made.bucket).key("lake/1").send().await.unwrap();
    admin.create_multipart_upload().bucket(&made.bucket).key("lake/unfinished").send().await.unwrap();
    let erased = provider.erase(&acme).await.unwrap();
    assert!(erased.objects >= 121, "{erased:?}: every version and the delete marker");
    assert!(admin.head_bucket().bucket(&made.bucket).send().await.is_err());
    assert_eq!(provider.erase(&acme).await.unwrap().objects, 0, "a second time there is nothing to do");
    // The same name again inherits nothing, and the neighbour has lost nothing.
    let successor = provider.ensure(&tenant("acme", "00000003"), None).await.unwrap();
    assert_ne!(successor.bucket, made.bucket);
    let listed = admin.list_objects_v2().bucket(&successor.bucket).send().await.unwrap();
    assert_eq!(listed.key_count(), Some(0));
    until_known(&client(&server, &neighbour.access.workspace), &neighbour.bucket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_versions_were_switched_off_is_emptied_to_the_last_one() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await;
    let acme = tenant("acme", "00000001");
    let made = provider.ensure(&acme, None).await.unwrap();
    let admin = client(&server, &administrator(&server));
    let put =
        |body: u8| admin.put_object().bucket(&made.bucket).key("work/1").body(ByteStream::from(vec![body])).send();
    put(1).await.unwrap();
    put(2).await.unwrap();
    let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    admin.put_bucket_versioning().bucket(&made.bucket).versioning_configuration(off).send().await.unwrap();
    put(3).await.unwrap();
    // A store that keeps what it says to have removed must not keep the operator busy for ever.
    tokio::time::timeout(Duration::from_mins(1), provider.erase(&acme)).await.unwrap().unwrap();
    assert!(admin.head_bucket().bucket(&made.bucket).send().await.is_err());
}

/// A policy that lets nobody write under journal/, as a trial that was cut short leaves it at
/// a store that knows the policy's condition by its name only.
fn nobody_writes(bucket: &str) -> String {
    let resource = format!("arn:aws:s3:::{bucket}/journal/*");
    let statement = json!({"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject"], "Resource": [resource]});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_was_cut_short_and_somebody_elses_policy_are_in_nobodys_way() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let acme = tenant("acme", "00000001");
    let made = provider(&server, users()).await.ensure(&acme, None).await.unwrap();
    let admin = client(&server, &administrator(&server));
    let trial = format!("{PERSON_INDEX}-trial");
    for bucket in [&trial, &made.bucket] {
        let write = || admin.put_object().bucket(bucket).key("journal/x").body(ByteStream::from_static(b"")).send();
        write().await.unwrap();
        admin.put_bucket_policy().bucket(bucket).policy(nobody_writes(bucket)).send().await.unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while write().await.is_ok() {
            assert!(tokio::time::Instant::now() < deadline, "{bucket}: the policy counts for nothing");
        }
    }
    // As the next operator does.
    let again = provider(&server, users()).await.ensure(&acme, Some(&made.access)).await.unwrap();
    assert_eq!(again, made);
    let workspace = client(&server, &made.access.workspace);
    workspace
        .put_object()
        .bucket(&made.bucket)
        .key("journal/y")
        .body(ByteStream::from_static(b""))
        .send()
        .await
        .unwrap();
    let left = admin.list_object_versions().bucket(&trial).send().await.unwrap();
    assert_eq!((left.versions().len(), left.delete_markers().len()), (0, 0));
}

/// Gives a user the run of the store in every way that IAM has, and sees that it counts.
async fn widen(iam: &aws_sdk_iam::Client, user: &str, key: &AccessKey, bucket: &str, server: &SeaweedFs) {
    let everything = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}],
    });
    let policy = everything.to_string();
    iam.put_user_policy().user_name(user).policy_name("more").policy_document(&policy).send().await.unwrap();
    let managed = iam.create_policy().policy_name(format!("{user}-all")).policy_document(&policy).send().await.unwrap();
    let arn = managed.policy().and_then(|policy| policy.arn()).unwrap().to_owned();
    iam.attach_user_policy().user_name(user).policy_arn(&arn).send().await.unwrap();
    let group = format!("{user}-friends");
    iam.create_group().group_name(&group).send().await.unwrap();
    iam.attach_group_policy().group_name(&group).policy_arn(&arn).send().await.unwrap();
    iam.add_user_to_group().group_name(&group).user_name(user).send().await.unwrap();
    let widened = client(server, key);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while widened.delete_object().bucket(bucket).key("release/x").send().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the rights count for nothing");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_somebody_else_gave_an_identity_are_taken_away_and_do_not_stop_its_removal() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await.revisiting_after(Duration::ZERO);
    let (acme, beta) = (tenant("acme", "00000001"), tenant("beta", "00000002"));
    let made = provider.ensure(&acme, None).await.unwrap();
    let neighbour = provider.ensure(&beta, None).await.unwrap();
    let iam = iam(&server);
    let user = format!("{}-workspace", made.bucket);
    widen(&iam, &user, &made.access.workspace, &neighbour.bucket, &server).await;
    assert_eq!(provider.ensure(&acme, Some(&made.access)).await.unwrap().access, made.access);
    let inline = iam.list_user_policies().user_name(&user).send().await.unwrap();
    assert_eq!(inline.policy_names(), ["tenant"]);
    let attached = iam.list_attached_user_policies().user_name(&user).send().await.unwrap();
    assert!(attached.attached_policies().is_empty(), "{attached:?}");
    let groups = iam.list_groups_for_user().user_name(&user).send().await.unwrap();
    assert!(groups.groups().is_empty(), "{groups:?}");
    let workspace = client(&server, &made.access.workspace);
    until_known(&workspace, &made.bucket).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while workspace.delete_object().bucket(&neighbour.bucket).key("release/x").send().await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the rights are still there");
        tokio::task::yield_now().await;
    }
    // Amazon refuses to remove a user that still has any.
    let user = format!("{}-intake", neighbour.bucket);
    widen(&iam, &user, &neighbour.access.intake, &made.bucket, &server).await;
    provider.erase(&beta).await.unwrap();
    assert!(iam.get_user().user_name(&user).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_tenants_bucket_stays_and_its_keys_do_not() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await;
    let acme = tenant("acme", "00000001");
    let made = provider.ensure(&acme, None).await.unwrap();
    provider.retire(&acme).await.unwrap();
    provider.retire(&acme).await.unwrap();
    let admin = client(&server, &administrator(&server));
    admin.head_bucket().bucket(&made.bucket).send().await.unwrap();
    let old = client(&server, &made.access.workspace);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while old.list_objects_v2().bucket(&made.bucket).prefix("lake/").send().await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the key still serves");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_is_said_to_be_so() {
    let Some(server) = required_in_ci(SeaweedFs::start_with_iam()) else { return };
    let provider = provider(&server, users()).await;
    drop(server);
    let error = provider.ensure(&tenant("acme", "00000001"), None).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.reason(), "StoreUnavailable");
}
