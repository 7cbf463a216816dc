//! A bucket and its settings.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus,
    CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};

use super::Guarantees;
use super::error::StorageError;
use super::policy::create_only_policy;
use super::settings::Encryption;

/// Days after which an upload that nobody finishes is removed.
const UNFINISHED_DAYS: i32 = 2;

/// Makes a bucket; one that is ours already is fine.
pub(crate) async fn create(client: &Client, bucket: &str, region: &str) -> Result<(), StorageError> {
    let mut request = client.create_bucket().bucket(bucket);
    // Amazon refuses the name of its first region here and demands every other.
    if region != "us-east-1" {
        let place = BucketLocationConstraint::from(region);
        request = request
            .create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build());
    }
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.code() {
            Some("BucketAlreadyOwnedByYou") => Ok(()),
            Some("BucketAlreadyExists") => Err(StorageError::Foreign(bucket.to_owned())),
            _ => Err(StorageError::call("making the bucket", &error)),
        },
    }
}

/// Gives a tenant's bucket all its settings. Its policy is ours, or there is none: one that
/// somebody else put there could open the bucket.
pub(crate) async fn configure(
    client: &Client,
    bucket: &str,
    landing_retention_days: u32,
    encryption: &Encryption,
    guarantees: Guarantees,
) -> Result<(), StorageError> {
    configure_shared(client, bucket, encryption).await?;
    lifecycle(client, bucket, landing_retention_days).await?;
    if guarantees.create_only {
        create_only(client, bucket).await.map(drop)
    } else {
        remove_policy(client, bucket).await
    }
}

/// Settings of every bucket of the installation.
pub(crate) async fn configure_shared(
    client: &Client,
    bucket: &str,
    encryption: &Encryption,
) -> Result<(), StorageError> {
    versioning(client, bucket).await?;
    encrypt(client, bucket, encryption).await?;
    block_public_access(client, bucket).await.map(drop)
}

/// Old versions stay: a stolen identity may write, and what it overwrote is still there.
pub(super) async fn versioning(client: &Client, bucket: &str) -> Result<(), StorageError> {
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let sent = client.put_bucket_versioning().bucket(bucket).versioning_configuration(enabled).send().await;
    sent.map(drop).map_err(|error| StorageError::call("switching versions on", &error))
}

async fn encrypt(client: &Client, bucket: &str, encryption: &Encryption) -> Result<(), StorageError> {
    let by_default = ServerSideEncryptionByDefault::builder();
    let by_default = match encryption {
        Encryption::Below => return Ok(()),
        Encryption::Store => by_default.sse_algorithm(ServerSideEncryption::Aes256),
        Encryption::Kms { key } => by_default.sse_algorithm(ServerSideEncryption::AwsKms).kms_master_key_id(key),
    };
    let built = by_default.build().and_then(|by_default| {
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by_default).build();
        ServerSideEncryptionConfiguration::builder().rules(rule).build()
    });
    let configuration = built.map_err(|error| unbuilt("switching encryption on", &error))?;
    let request = client.put_bucket_encryption().bucket(bucket);
    let sent = request.server_side_encryption_configuration(configuration).send().await;
    sent.map(drop).map_err(|error| StorageError::call("switching encryption on", &error))
}

/// Raw deliveries go after their time, with their old versions, and so do unfinished uploads.
async fn lifecycle(client: &Client, bucket: &str, landing_retention_days: u32) -> Result<(), StorageError> {
    const WHAT: &str = "setting the lifecycle";
    let days = i32::try_from(landing_retention_days).unwrap_or(i32::MAX);
    let landing = || LifecycleRuleFilter::builder().prefix("landing/").build();
    let rules = [
        LifecycleRule::builder()
            .id("landing")
            .filter(landing())
            .expiration(LifecycleExpiration::builder().days(days).build()),
        LifecycleRule::builder()
            .id("landing-versions")
            .filter(landing())
            .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(1).build()),
        LifecycleRule::builder()
            .id("unfinished")
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder().days_after_initiation(UNFINISHED_DAYS).build(),
            ),
    ];
    let rules: Result<Vec<LifecycleRule>, _> =
        rules.into_iter().map(|rule| rule.status(ExpirationStatus::Enabled).build()).collect();
    let configuration = rules.and_then(|rules| BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build());
    let configuration = configuration.map_err(|error| unbuilt(WHAT, &error))?;
    let request = client.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(configuration);
    request.send().await.map(drop).map_err(|error| StorageError::call(WHAT, &error))
}

/// Whether the store has the block at all. Without it, buckets are private because nobody
/// but the platform may change their policy or their access lists.
pub(super) async fn block_public_access(client: &Client, bucket: &str) -> Result<bool, StorageError> {
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let request = client.put_public_access_block().bucket(bucket).public_access_block_configuration(block);
    match request.send().await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("NotImplemented") => Ok(false),
        Err(error) => Err(StorageError::call("blocking public access", &error)),
    }
}

/// Lets the store itself refuse to overwrite the journal. Whether it knows bucket policies
/// and their conditions at all.
pub(super) async fn create_only(client: &Client, bucket: &str) -> Result<bool, StorageError> {
    let policy = create_only_policy(bucket).to_string();
    match client.put_bucket_policy().bucket(bucket).policy(policy).send().await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.code(), Some("NotImplemented" | "MalformedPolicy")) => Ok(false),
        Err(error) => Err(StorageError::call("setting the bucket's policy", &error)),
    }
}

/// Removes whatever policy the bucket has.
pub(super) async fn remove_policy(client: &Client, bucket: &str) -> Result<(), StorageError> {
    match client.delete_bucket_policy().bucket(bucket).send().await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.code(), Some("NoSuchBucketPolicy" | "NotImplemented")) => Ok(()),
        Err(error) => Err(StorageError::call("removing the bucket's policy", &error)),
    }
}

fn unbuilt(what: &'static str, error: &aws_sdk_s3::error::BuildError) -> StorageError {
    StorageError::Call { what, why: error.to_string(), transient: false }
}
