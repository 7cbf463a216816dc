//! What the operator is told about the store.

use serde::{Deserialize, Serialize};

/// The store as the operator administers it. Its own credentials come from the environment
/// or from whatever the AWS SDK finds (profile, web identity), never from a file of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageSettings {
    /// What the names of buckets and identities begin with.
    #[serde(default = "default_prefix")]
    pub bucket_prefix: String,
    /// The endpoint, when it is not the one that tenants' pods use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How objects are encrypted at rest.
    #[serde(default)]
    pub encryption: Encryption,
    /// What tenants' pods log in with.
    #[serde(default)]
    pub identities: Identities,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            bucket_prefix: default_prefix(),
            endpoint: None,
            encryption: Encryption::default(),
            identities: Identities::default(),
        }
    }
}

fn default_prefix() -> String {
    "oscar".to_owned()
}

/// Encryption at rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Encryption {
    /// With keys that the store keeps (SSE-S3).
    #[default]
    Store,
    /// With a key of a key service (SSE-KMS).
    Kms {
        /// The key.
        key: String,
    },
    /// By whatever lies below the store, for example encrypted disks.
    Below,
}

/// What tenants' pods log in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Identities {
    /// An IAM user each, with an access key that is replaced from time to time.
    Users {
        /// Days until a key is replaced.
        #[serde(default = "default_rotation", rename = "rotateAfterDays")]
        rotate_after_days: u32,
    },
    /// Sessions of one role, narrowed to the tenant by a session policy and renewed by the operator.
    Sessions {
        /// The role.
        #[serde(rename = "roleArn")]
        role_arn: String,
        /// How long a session lives.
        #[serde(default = "default_session", rename = "sessionSeconds")]
        session_seconds: u32,
    },
}

const fn default_rotation() -> u32 {
    30
}

const fn default_session() -> u32 {
    3600
}

impl Default for Identities {
    fn default() -> Self {
        Self::Users { rotate_after_days: default_rotation() }
    }
}
