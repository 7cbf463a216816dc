//! An identity at the object store that is replaced while the program runs.
//!
//! An orchestrator mounts it as files and exchanges them as a whole. They are read again
//! after a short time, so a rotated key is taken up without a restart and long before the
//! old one ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use parking_lot::Mutex;

/// How long a reading serves.
const AGE: Duration = Duration::from_secs(10);

/// Reads credentials from a folder.
#[derive(Debug)]
pub(crate) struct MountedCredentials {
    folder: PathBuf,
    read: Mutex<Option<(Instant, Arc<AwsCredential>)>>,
}

impl MountedCredentials {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: Mutex::new(None) }
    }

    fn read(&self) -> std::io::Result<AwsCredential> {
        let text = |name: &str| std::fs::read_to_string(self.folder.join(name)).map(|text| text.trim().to_owned());
        let token = match text("session-token") {
            Ok(token) => Some(token),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(AwsCredential { key_id: text("access-key-id")?, secret_key: text("secret-access-key")?, token })
    }
}

#[async_trait]
impl CredentialProvider for MountedCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut known = self.read.lock();
        if let Some((_, credential)) = known.as_ref().filter(|(at, _)| at.elapsed() < AGE) {
            return Ok(Arc::clone(credential));
        }
        match self.read() {
            Ok(credential) => {
                let credential = Arc::new(credential);
                *known = Some((Instant::now(), Arc::clone(&credential)));
                Ok(credential)
            }
            // Between two versions of a mount: what was read before still serves.
            Err(error) => match known.as_ref() {
                Some((_, credential)) => {
                    tracing::warn!(%error, "the mounted credentials cannot be read; those of before are used");
                    Ok(Arc::clone(credential))
                }
                None => Err(object_store::Error::Generic { store: "S3", source: Box::new(error) }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_key_is_taken_up_and_a_missing_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let provider = MountedCredentials::new(folder.path());
        assert!(provider.get_credential().await.is_err());
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("access-key-id", "one\n");
        write("secret-access-key", "secret");
        let first = provider.get_credential().await.unwrap();
        assert_eq!((first.key_id.as_str(), first.token.as_deref()), ("one", None));
        write("access-key-id", "two");
        write("session-token", "token");
        assert_eq!(provider.get_credential().await.unwrap().key_id, "one", "a reading serves for a while");
        let long_ago = Instant::now().checked_sub(AGE).unwrap();
        if let Some((at, _)) = provider.read.lock().as_mut() {
            *at = long_ago;
        }
        let second = provider.get_credential().await.unwrap();
        assert_eq!((second.key_id.as_str(), second.token.as_deref()), ("two", Some("token")));
    }
}
