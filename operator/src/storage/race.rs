//! The one promise that the journal rests on: of many writers that create the same object,
//! exactly one wins. A promise of the store, not of one bucket: it is tried once.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use futures::future::join_all;

use super::erase;
use super::error::StorageError;

/// Writers in the race.
const RACERS: usize = 30;

/// `SeaweedFS` lets the racers in one by one, and who does not get in sleeps a second.
const PATIENCE: Duration = Duration::from_mins(1);

/// Races 30 writers for one new object; removes whatever they wrote.
///
/// # Errors
/// [`StorageError::Race`] when not exactly one writer wins.
pub(crate) async fn check(client: &Client, bucket: &str) -> Result<(), StorageError> {
    let key = format!(".put-if-absent/{}", hex::encode(rand::random::<[u8; 16]>()));
    let winners = run(client, bucket, &key).await;
    // Every version: a racer whose answer was lost may have written all the same.
    erase::below(client, bucket, &key).await?;
    let winners = winners?;
    if winners == 1 { Ok(()) } else { Err(StorageError::Race { winners, racers: RACERS }) }
}

/// How many of the racers were told that they had won.
async fn run(client: &Client, bucket: &str, key: &str) -> Result<usize, StorageError> {
    let race = (0..RACERS).map(|racer| {
        let body = ByteStream::from(racer.to_string().into_bytes());
        let request = client.put_object().bucket(bucket).key(key).if_none_match("*").body(body);
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
