//! What the store promises, tried before it is trusted: in a bucket that is there for this
//! alone, so that a trial that is cut short leaves nothing in the way of anybody's writes.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use futures::future::join_all;

use super::error::StorageError;
use super::{Guarantees, bucket, erase};

/// Races at a time, each for an object of its own.
const RACES: usize = 10;

/// Writers in a race. Not more: `SeaweedFS` lets them in one by one, and who does not get in sleeps
/// a second, which every start of an operator would wait for.
const RACERS: usize = 3;

/// Where is tried; the policy names it.
const TRIED: &str = "journal/";

/// How long a racer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The bucket of the trial.
pub(crate) fn bucket_of(person_index_bucket: &str) -> String {
    format!("{person_index_bucket}-trial")
}

/// Races writers for new objects, which is the promise that the journal rests on, and finds out
/// what the store guards by itself. Leaves the bucket empty.
///
/// # Errors
/// [`StorageError::Race`] when not exactly one writer wins each race.
pub(crate) async fn run(client: &Client, bucket: &str) -> Result<Guarantees, StorageError> {
    // Of a trial that was cut short.
    bucket::remove_policy(client, bucket).await?;
    let tried = async {
        for winners in join_all((0..RACES).map(|_| race(client, bucket))).await {
            let winners = winners?;
            if winners != 1 {
                return Err(StorageError::Race { winners, racers: RACERS });
            }
        }
        let public_access_blocked = bucket::block_public_access(client, bucket).await?;
        Ok(Guarantees { create_only: create_only(client, bucket).await?, public_access_blocked })
    };
    let tried = tried.await;
    bucket::remove_policy(client, bucket).await?;
    // Every version: a racer whose answer was lost may have written all the same.
    erase::below(client, bucket, TRIED).await?;
    tried
}

/// Whether, under the policy, a plain write is refused and a create is not: some stores take
/// the condition and then refuse every write.
async fn create_only(client: &Client, bucket: &str) -> Result<bool, StorageError> {
    const WHAT: &str = "trying the bucket's policy";
    if !bucket::create_only(client, bucket).await? {
        return Ok(false);
    }
    let key = format!("{TRIED}{}", hex::encode(rand::random::<[u8; 16]>()));
    let put = || client.put_object().bucket(bucket).key(&key).body(ByteStream::from_static(b""));
    let denied = |code: Option<&str>| code == Some("AccessDenied");
    // A write that is denied shows that the policy is in force; only then a create says something.
    match put().send().await {
        Ok(_) => return Ok(false),
        Err(error) if denied(error.code()) => {}
        Err(error) => return Err(StorageError::call(WHAT, &error)),
    }
    match put().if_none_match("*").send().await {
        Ok(_) => Ok(true),
        Err(error) if denied(error.code()) => Ok(false),
        Err(error) => Err(StorageError::call(WHAT, &error)),
    }
}

/// How many of the racers were told that they had won.
async fn race(client: &Client, bucket: &str) -> Result<usize, StorageError> {
    let key = format!("{TRIED}{}", hex::encode(rand::random::<[u8; 16]>()));
    let race = (0..RACERS).map(|racer| {
        let body = ByteStream::from(racer.to_string().into_bytes());
        let request = client.put_object().bucket(bucket).key(&key).if_none_match("*").body(body);
        // A second try would lose against the first one of its own, and nobody would have won.
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).operation_timeout(PATIENCE).build();
        let once = Builder::new().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
        async move {
            match request.customize().config_override(once).send().await {
                Ok(_) => Ok(1),
                // Amazon answers 409 to a writer that it has stopped in the middle.
                Err(error) if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict")) => {
                    Ok(0)
                }
                Err(error) => Err(StorageError::call("racing for one object", &error)),
            }
        }
    });
    join_all(race).await.into_iter().sum()
}
