//! IAM users: one for the lake-api, one for intake, each with one policy and one access key.

use std::time::{Duration, SystemTime};

use aws_sdk_iam::Client;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::{AttachedPolicy, Group};
use oscar_blueprint::AccessKey;
use serde_json::Value;

use super::error::StorageError;

/// The name of the one inline policy.
const POLICY: &str = "tenant";

/// Makes or mends a user with its policy.
pub(crate) async fn ensure_user(client: &Client, user: &str, policy: &Value) -> Result<(), StorageError> {
    match client.create_user().user_name(user).send().await {
        Ok(_) => {}
        Err(error) if is(&error, "EntityAlreadyExists") => {}
        Err(error) => return Err(StorageError::call("making an identity", &error)),
    }
    let request = client.put_user_policy().user_name(user).policy_name(POLICY).policy_document(policy.to_string());
    request.send().await.map_err(|error| StorageError::call("giving an identity its rights", &error))?;
    take_rights(client, user, Some(POLICY)).await
}

/// The user's access key: the known one while the store knows it too, else a new one. Other
/// keys of the user are removed: nobody knows their secrets, or should no longer.
pub(crate) async fn ensure_key(
    client: &Client,
    user: &str,
    known: Option<&AccessKey>,
    renew: bool,
) -> Result<AccessKey, StorageError> {
    let ids = key_ids(client, user).await?;
    let kept = known.filter(|known| !renew && ids.contains(&known.id));
    // While a key is replaced the one before it stays valid: pods may still hold it.
    let spared = if renew { known.map(|known| known.id.as_str()) } else { kept.map(|kept| kept.id.as_str()) };
    for id in ids.iter().filter(|id| Some(id.as_str()) != spared) {
        delete_key(client, user, id).await?;
    }
    match kept {
        Some(kept) => Ok(kept.clone()),
        None => create_key(client, user).await,
    }
}

/// When a key that is made now is to be replaced.
pub(crate) fn renew_at(rotate_after_days: u32) -> SystemTime {
    SystemTime::now() + Duration::from_secs(u64::from(rotate_after_days.max(1)) * 86_400)
}

/// Removes a user with everything it has; a user that is gone is fine.
pub(crate) async fn remove_user(client: &Client, user: &str) -> Result<(), StorageError> {
    for id in key_ids(client, user).await? {
        delete_key(client, user, &id).await?;
    }
    take_rights(client, user, None).await?;
    gone("removing an identity", client.delete_user().user_name(user).send().await)
}

/// Whether the store still knows the user.
pub(crate) async fn exists(client: &Client, user: &str) -> Result<bool, StorageError> {
    match client.get_user().user_name(user).send().await {
        Ok(_) => Ok(true),
        Err(error) if is(&error, "NoSuchEntity") => Ok(false),
        Err(error) => Err(StorageError::call("looking for an identity", &error)),
    }
}

/// Takes every right of a user away but the inline policy that stays: other inline policies,
/// attached ones and memberships, which somebody else has added. A user that is gone has none.
async fn take_rights(client: &Client, user: &str, stays: Option<&str>) -> Result<(), StorageError> {
    const WHAT: &str = "taking an identity's rights";
    let inline = client.list_user_policies().user_name(user).into_paginator().items().send();
    for name in some(inline.collect().await)?.iter().filter(|name| Some(name.as_str()) != stays) {
        gone(WHAT, client.delete_user_policy().user_name(user).policy_name(name).send().await)?;
    }
    let attached = client.list_attached_user_policies().user_name(user).into_paginator().items().send();
    for arn in some(attached.collect().await)?.iter().filter_map(AttachedPolicy::policy_arn) {
        gone(WHAT, client.detach_user_policy().user_name(user).policy_arn(arn).send().await)?;
    }
    let groups = client.list_groups_for_user().user_name(user).into_paginator().items().send();
    for group in some(groups.collect().await)?.iter().map(Group::group_name) {
        gone(WHAT, client.remove_user_from_group().user_name(user).group_name(group).send().await)?;
    }
    Ok(())
}

/// What was listed; nothing of a user that is gone, or at a store that knows no such thing.
fn some<T, E>(listed: Result<Vec<T>, SdkError<E>>) -> Result<Vec<T>, StorageError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match listed {
        Ok(listed) => Ok(listed),
        Err(error) if is(&error, "NoSuchEntity") || is(&error, "NotImplemented") => Ok(Vec::new()),
        Err(error) => Err(StorageError::call("listing an identity's rights", &error)),
    }
}

/// What was to be removed is gone, also where it was before.
fn gone<T, E>(what: &'static str, removed: Result<T, SdkError<E>>) -> Result<(), StorageError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match removed {
        Ok(_) => Ok(()),
        Err(error) if is(&error, "NoSuchEntity") => Ok(()),
        Err(error) => Err(StorageError::call(what, &error)),
    }
}

async fn key_ids(client: &Client, user: &str) -> Result<Vec<String>, StorageError> {
    match client.list_access_keys().user_name(user).send().await {
        Ok(listed) => {
            Ok(listed.access_key_metadata().iter().filter_map(|key| key.access_key_id().map(str::to_owned)).collect())
        }
        Err(error) if is(&error, "NoSuchEntity") => Ok(Vec::new()),
        Err(error) => Err(StorageError::call("listing an identity's keys", &error)),
    }
}

async fn create_key(client: &Client, user: &str) -> Result<AccessKey, StorageError> {
    const WHAT: &str = "making an access key";
    let made = client.create_access_key().user_name(user).send().await;
    let made = made.map_err(|error| StorageError::call(WHAT, &error))?;
    let key =
        made.access_key().ok_or(StorageError::Call { what: WHAT, why: "no key came".to_owned(), transient: true })?;
    Ok(AccessKey {
        id: key.access_key_id().to_owned(),
        secret: key.secret_access_key().to_owned(),
        session_token: None,
    })
}

async fn delete_key(client: &Client, user: &str, id: &str) -> Result<(), StorageError> {
    gone("removing an access key", client.delete_access_key().user_name(user).access_key_id(id).send().await)
}

/// IAM error codes come with and without the word `Exception`, by store.
fn is<E: ProvideErrorMetadata>(error: &SdkError<E>, code: &str) -> bool {
    error.code().is_some_and(|found| found.strip_suffix("Exception").unwrap_or(found) == code)
}
