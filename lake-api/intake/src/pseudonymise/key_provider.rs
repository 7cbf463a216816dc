//! Where secret keys come from.
//!
//! On one machine a key is a file that only its owner can read; in a cluster it will be a
//! mounted secret. Intake asks for a key by purpose and cannot tell the difference.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::TryRng;

/// What a key is for. Different purposes never share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// The master key from which every permit's pseudonym key is derived.
    Pseudonyms,
    /// The key of the spoke-wide person index.
    PersonIndex,
}

impl KeyPurpose {
    const fn file_name(self) -> &'static str {
        match self {
            Self::Pseudonyms => "pseudonyms.key",
            Self::PersonIndex => "person-index.key",
        }
    }
}

/// 256 secret bits that never show themselves.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// Takes the bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for keyed hashing.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system.
    #[error("the key for {purpose:?} cannot be {action}")]
    Io {
        /// Which key.
        purpose: KeyPurpose,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error("the key file for {0:?} can be read by others; set its mode to 0600 and its folder's to 0700")]
    TooOpen(KeyPurpose),
    /// Not 64 hexadecimal digits.
    #[error("the key file for {0:?} is damaged; restore it from backup: a new key would change every pseudonym")]
    Damaged(KeyPurpose),
    /// Another key than the one that was used before.
    #[error(
        "the key for {0:?} is not the one that earlier deliveries used; restore it from backup: a new key would make every person a new one"
    )]
    Changed(KeyPurpose),
    /// Whether it is the key that was used before cannot be told.
    #[error("the key for {purpose:?} cannot be compared with the one used before; deliver again when the store is back")]
    Store {
        /// Which key.
        purpose: KeyPurpose,
        /// Why it failed.
        #[source]
        source: object_store::Error,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// Gives keys by purpose.
pub trait KeyProvider: Send + Sync {
    /// The key for `purpose`; the same at every call.
    ///
    /// # Errors
    /// When there is none and none can be made, or it is not safe to use.
    fn key(&self, purpose: KeyPurpose) -> Result<SecretKey, KeyError>;
}

/// Keys in files of mode 0600, made at first use.
#[derive(Debug, Clone)]
pub struct FileKeys {
    folder: PathBuf,
}

impl FileKeys {
    /// Keys in `folder`, which is made with mode 0700 when the first key is needed.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Writes a new key beside its final name and links it there, so that of two processes
    /// that start together both use the key of the one that came first.
    fn create(&self, purpose: KeyPurpose, path: &Path) -> Result<(), KeyError> {
        let io = |action| move |source| KeyError::Io { purpose, action, source };
        private_folder(&self.folder).map_err(io("given a folder"))?;
        let mut bytes = [0u8; 32];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(|_| KeyError::Random)?;
        let mut suffix = [0u8; 8];
        rand::rngs::SysRng.try_fill_bytes(&mut suffix).map_err(|_| KeyError::Random)?;
        let staged = self.folder.join(format!(".{}-{}", purpose.file_name(), hex::encode(suffix)));
        let mut file = private_file(&staged).map_err(io("written"))?;
        let written = file.write_all(hex::encode(bytes).as_bytes()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| match fs::hard_link(&staged, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        fs::remove_file(&staged).map_err(io("tidied up"))?;
        linked.map_err(io("written"))?;
        // The name must survive a loss of power as well: what is pseudonymised next depends on it.
        fs::File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io("written"))
    }
}

impl KeyProvider for FileKeys {
    fn key(&self, purpose: KeyPurpose) -> Result<SecretKey, KeyError> {
        let path = self.folder.join(purpose.file_name());
        if !path.exists() {
            self.create(purpose, &path)?;
        }
        if readable_by_others(&path).map_err(|source| KeyError::Io { purpose, action: "examined", source })? {
            return Err(KeyError::TooOpen(purpose));
        }
        let text = fs::read_to_string(&path).map_err(|source| KeyError::Io { purpose, action: "read", source })?;
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| KeyError::Damaged(purpose))?;
        Ok(SecretKey(bytes))
    }
}

#[cfg(unix)]
fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
fn private_file(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::open(folder.path().join("keys"));
        let first = keys.key(KeyPurpose::Pseudonyms).unwrap();
        assert_eq!(
            first.expose(),
            FileKeys::open(folder.path().join("keys")).key(KeyPurpose::Pseudonyms).unwrap().expose()
        );
        assert_ne!(first.expose(), keys.key(KeyPurpose::PersonIndex).unwrap().expose());
        assert_eq!(format!("{first:?}"), "SecretKey(hidden)");
        assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 2);
    }

    #[test]
    fn threads_that_start_together_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let seen: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| *FileKeys::open(folder.path()).key(KeyPurpose::PersonIndex).unwrap().expose()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|key| *key == seen[0]));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::open(folder.path());
        keys.key(KeyPurpose::Pseudonyms).unwrap();
        let path = folder.path().join("pseudonyms.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(keys.key(KeyPurpose::Pseudonyms), Err(KeyError::TooOpen(_))));
    }

    #[test]
    fn a_damaged_key_is_refused_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::open(folder.path());
        keys.key(KeyPurpose::Pseudonyms).unwrap();
        fs::write(folder.path().join("pseudonyms.key"), "short").unwrap();
        assert!(matches!(keys.key(KeyPurpose::Pseudonyms), Err(KeyError::Damaged(_))));
        assert_eq!(fs::read_to_string(folder.path().join("pseudonyms.key")).unwrap(), "short");
    }
}
