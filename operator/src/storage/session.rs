//! Sessions of one role instead of users: for stores and clouds where users are unwanted.
//!
//! The role may do much; each session is narrowed to one tenant and one zone by a session
//! policy, which the store intersects with the role's own. Nothing is left behind when a
//! tenant goes: its sessions end by themselves.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::Client;
use oscar_blueprint::AccessKey;
use serde_json::Value;

use super::error::StorageError;

/// A new session, and when it is to be replaced: at two thirds of its life, so that a
/// store that is away for a while cuts nobody off.
pub(crate) async fn open(
    client: &Client,
    role_arn: &str,
    name: &str,
    policy: &Value,
    seconds: u32,
) -> Result<(AccessKey, SystemTime), StorageError> {
    const WHAT: &str = "opening a session";
    let request = client
        .assume_role()
        .role_arn(role_arn)
        .role_session_name(name)
        .policy(policy.to_string())
        .duration_seconds(i32::try_from(seconds).unwrap_or(i32::MAX));
    let answer = request.send().await.map_err(|error| StorageError::call(WHAT, &error))?;
    let missing = || StorageError::Call { what: WHAT, why: "no credentials came".to_owned(), transient: true };
    let credentials = answer.credentials().ok_or_else(missing)?;
    let key = AccessKey {
        id: credentials.access_key_id().to_owned(),
        secret: credentials.secret_access_key().to_owned(),
        session_token: Some(credentials.session_token().to_owned()),
    };
    Ok((key, SystemTime::now() + Duration::from_secs(u64::from(seconds) * 2 / 3)))
}
