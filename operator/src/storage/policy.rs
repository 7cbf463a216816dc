//! What each identity may do, as IAM policy documents. Pure: an auditor reads them here and
//! in their snapshots.
//!
//! | prefix | intake | lake-api |
//! |---|---|---|
//! | `landing/` | read | – |
//! | `lake/` | read, write | read |
//! | `contracts/` | read, write | read |
//! | `journal/` | read, write | read, write |
//! | `work/` | – | read, write |
//! | `ledger/` | – | read, write |
//! | `release/` | – | read, write |
//!
//! Nobody deletes anything, and nobody lists what they may not read. Where the store knows
//! the condition `s3:if-none-match`, its own bucket policy keeps the journal and the Delta
//! logs from being overwritten, whoever asks.

use serde_json::{Value, json};

const WORKSPACE_READS: [&str; 6] = ["lake/", "contracts/", "work/", "ledger/", "release/", "journal/"];
const WORKSPACE_WRITES: [&str; 4] = ["work/", "ledger/", "release/", "journal/"];
const INTAKE_READS: [&str; 4] = ["landing/", "lake/", "contracts/", "journal/"];
const INTAKE_WRITES: [&str; 3] = ["lake/", "contracts/", "journal/"];

/// Where an object, once there, is never replaced.
pub(crate) const CREATE_ONLY: [&str; 2] = ["journal/*", "lake/*/_delta_log/*"];

/// The lake-api's policy.
#[must_use]
pub fn workspace_policy(bucket: &str) -> Value {
    policy(&[
        list(bucket, &WORKSPACE_READS),
        objects("Read", &["s3:GetObject"], bucket, &WORKSPACE_READS),
        objects("Write", &["s3:PutObject", "s3:AbortMultipartUpload"], bucket, &WORKSPACE_WRITES),
    ])
}

/// The intake's policy.
#[must_use]
pub fn intake_policy(bucket: &str, person_index_bucket: &str) -> Value {
    policy(&[
        list(bucket, &INTAKE_READS),
        objects("Read", &["s3:GetObject"], bucket, &INTAKE_READS),
        objects("Write", &["s3:PutObject", "s3:AbortMultipartUpload"], bucket, &INTAKE_WRITES),
        json!({
            "Sid": "ListPersonIndex", "Effect": "Allow", "Action": ["s3:ListBucket"],
            "Resource": [bucket_arn(person_index_bucket)],
        }),
        json!({
            "Sid": "PersonIndex", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": person_index_bucket_policy_scope(person_index_bucket),
        }),
    ])
}

/// The objects of the spoke-wide person index.
#[must_use]
pub fn person_index_bucket_policy_scope(bucket: &str) -> Vec<String> {
    vec![format!("{}/*", bucket_arn(bucket))]
}

/// The bucket's own policy: whoever overwrites what is there once and for all is refused.
#[must_use]
pub(crate) fn create_only_policy(bucket: &str) -> Value {
    let resources: Vec<String> = CREATE_ONLY.iter().map(|path| format!("{}/{path}", bucket_arn(bucket))).collect();
    policy(&[json!({
        "Sid": "CreateOnly", "Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject"], "Resource": resources,
        "Condition": {"Null": {"s3:if-none-match": "true"}},
    })])
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn list(bucket: &str, prefixes: &[&str]) -> Value {
    let patterns: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}*")).collect();
    json!({
        "Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket_arn(bucket)],
        "Condition": {"StringLike": {"s3:prefix": patterns}},
    })
}

fn objects(sid: &str, actions: &[&str], bucket: &str, prefixes: &[&str]) -> Value {
    let resources: Vec<String> = prefixes.iter().map(|prefix| format!("{}/{prefix}*", bucket_arn(bucket))).collect();
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_policy_lets_anything_be_deleted_or_administered() {
        for policy in [workspace_policy("b"), intake_policy("b", "p")] {
            let text = policy.to_string();
            for forbidden in ["Delete", "s3:*", "Put*", "PutBucket", "iam:", "\"Resource\":[\"*\"]"] {
                assert!(!text.contains(forbidden), "{forbidden} in {text}");
            }
        }
    }

    #[test]
    fn the_two_identities_share_no_more_than_the_design_says() {
        let workspace = workspace_policy("b").to_string();
        let intake = intake_policy("b", "p").to_string();
        assert!(!workspace.contains("landing/") && !workspace.contains(":::p"));
        for closed in ["ledger/", "release/", "work/"] {
            assert!(!intake.contains(closed), "{closed}");
        }
    }

    #[test]
    fn the_policies_are_as_they_were_read_last() {
        insta::assert_json_snapshot!("workspace_policy", workspace_policy("oscar-acme-5b1f0c2e"));
        insta::assert_json_snapshot!("intake_policy", intake_policy("oscar-acme-5b1f0c2e", "oscar-person-index"));
        insta::assert_json_snapshot!("create_only_policy", create_only_policy("oscar-acme-5b1f0c2e"));
    }
}
