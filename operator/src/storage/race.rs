//! The one promise that the journal rests on: of many writers that create the same object,
//! exactly one wins.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use futures::future::join_all;

use super::error::StorageError;

/// Writers in the race.
const RACERS: usize = 30;

/// Races 30 writers for one new object below `work/` and removes it again.
///
/// # Errors
/// [`StorageError::Race`] when not exactly one writer wins.
pub(crate) async fn check(client: &Client, bucket: &str) -> Result<(), StorageError> {
    const WHAT: &str = "racing for one object";
    let key = format!("work/.put-if-absent/{}", hex::encode(rand::random::<[u8; 16]>()));
    let race = (0..RACERS).map(|racer| {
        let body = ByteStream::from(racer.to_string().into_bytes());
        let request = client.put_object().bucket(bucket).key(&key).if_none_match("*").body(body);
        async move {
            match request.send().await {
                Ok(_) => Ok(1),
                // Amazon answers 409 to a writer that it has stopped in the middle.
                Err(error) if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict")) => {
                    Ok(0)
                }
                Err(error) => Err(StorageError::call(WHAT, &error)),
            }
        }
    });
    let winners: usize = join_all(race).await.into_iter().sum::<Result<usize, StorageError>>()?;
    let removed = client.delete_object().bucket(bucket).key(&key).send().await;
    removed.map_err(|error| StorageError::call(WHAT, &error))?;
    if winners == 1 { Ok(()) } else { Err(StorageError::Race { winners, racers: RACERS }) }
}
