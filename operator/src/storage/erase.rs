//! Emptying a bucket to the last version, and counting what was there.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::bucket::{remove_policy, versioning};
use super::error::StorageError;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    /// The bucket.
    pub bucket: String,
    /// Object versions and delete markers that this run removed.
    pub objects: u64,
}

/// Removes unfinished uploads, every version of every object and the bucket itself. Counts
/// what it removes; a bucket that is gone is fine.
pub(crate) async fn bucket(client: &Client, bucket: &str) -> Result<Erased, StorageError> {
    let mut erased = Erased { bucket: bucket.to_owned(), objects: 0 };
    if !exists(client, bucket).await? {
        return Ok(erased);
    }
    // The bucket's own policy may forbid what follows.
    remove_policy(client, bucket).await?;
    abort_uploads(client, bucket).await?;
    // A bucket that somebody wrote to while it was being removed may have lost the setting;
    // SeaweedFS then answers the removal of a version with success and leaves it where it is.
    versioning(client, bucket).await?;
    erased.objects = below(client, bucket, "").await?;
    match client.delete_bucket().bucket(bucket).send().await {
        Ok(_) => Ok(erased),
        Err(error) if error.code() == Some("NoSuchBucket") => Ok(erased),
        // Something was written meanwhile: the next run finds it.
        Err(error) if error.code() == Some("BucketNotEmpty") => {
            Err(StorageError::Remains { objects: 1, identities: 0 })
        }
        Err(error) => Err(StorageError::call("removing the bucket", &error)),
    }
}

/// Removes every version of every object whose key begins with `prefix`. Counts what it removes.
pub(crate) async fn below(client: &Client, bucket: &str, prefix: &str) -> Result<u64, StorageError> {
    let mut removed = 0;
    let mut before = Vec::new();
    loop {
        let batch = versions(client, bucket, prefix).await?;
        if batch.is_empty() {
            return Ok(removed);
        }
        // What was said to be removed and is still there would be removed for ever.
        if batch == before {
            return Err(StorageError::Remains { objects: batch.len(), identities: 0 });
        }
        removed += delete(client, bucket, batch.clone()).await?;
        before = batch;
    }
}

/// Whether the bucket is there.
pub(crate) async fn exists(client: &Client, bucket: &str) -> Result<bool, StorageError> {
    match client.head_bucket().bucket(bucket).send().await {
        Ok(_) => Ok(true),
        // A HEAD answer has no body and so no code.
        Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404) => Ok(false),
        Err(error) => Err(StorageError::call("looking for the bucket", &error)),
    }
}

async fn abort_uploads(client: &Client, bucket: &str) -> Result<(), StorageError> {
    const WHAT: &str = "ending unfinished uploads";
    let listed = client.list_multipart_uploads().bucket(bucket).send().await;
    let listed = listed.map_err(|error| StorageError::call(WHAT, &error))?;
    for upload in listed.uploads() {
        if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
            match client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send().await {
                Ok(_) => {}
                Err(error) if error.code() == Some("NoSuchUpload") => {}
                Err(error) => return Err(StorageError::call(WHAT, &error)),
            }
        }
    }
    Ok(())
}

/// The first versions and delete markers that are listed.
async fn versions(client: &Client, bucket: &str, prefix: &str) -> Result<Vec<ObjectIdentifier>, StorageError> {
    const WHAT: &str = "listing versions";
    let listed = client.list_object_versions().bucket(bucket).prefix(prefix).send().await;
    let listed = listed.map_err(|error| StorageError::call(WHAT, &error))?;
    let objects = listed.versions().iter().map(|version| (version.key(), version.version_id()));
    let markers = listed.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
    objects
        .chain(markers)
        .filter_map(|(key, version)| Some((key?, version)))
        .map(|(key, version)| {
            let identifier = ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned)).build();
            identifier.map_err(|error| StorageError::Call { what: WHAT, why: error.to_string(), transient: false })
        })
        .collect()
}

async fn delete(client: &Client, bucket: &str, batch: Vec<ObjectIdentifier>) -> Result<u64, StorageError> {
    const WHAT: &str = "removing versions";
    let count = batch.len();
    let unbuilt = |error: aws_sdk_s3::error::BuildError| StorageError::Call {
        what: WHAT,
        why: error.to_string(),
        transient: false,
    };
    let delete = Delete::builder().set_objects(Some(batch)).quiet(true).build().map_err(unbuilt)?;
    let answer = client.delete_objects().bucket(bucket).delete(delete).send().await;
    let answer = answer.map_err(|error| StorageError::call(WHAT, &error))?;
    match answer.errors().len() {
        0 => Ok(count as u64),
        // Locked or forbidden: without this the loop would never end.
        failed => Err(StorageError::Remains { objects: failed, identities: 0 }),
    }
}
