//! The service's own keys on one machine: 32 random bytes each, in files of mode 0600.
//!
//! | file | for |
//! |---|---|
//! | `journal.key` | Ed25519: signs journal records and receipts |
//! | `ledger.key` | AES-256-GCM: seals person sets and unreleased results |
//! | `draw.key` | HMAC: decides which automatic verdicts are reviewed all the same |
//!
//! A key is made on first use. The file appears with a hard link, so two processes that
//! start at once agree on one key and no reader sees half of one. Intake's pseudonym keys
//! are not here: this service never needs them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system refused.
    #[error("the key file {path} cannot be {action}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error("the key file {0} must be readable by its owner only: chmod 600")]
    Permissions(PathBuf),
    /// Not a key.
    #[error("the key file {0} does not hold 64 hexadecimal digits; restore it from a backup")]
    Content(PathBuf),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// A directory of key files.
#[derive(Debug, Clone)]
pub struct KeyDirectory {
    root: PathBuf,
}

impl KeyDirectory {
    /// Uses `root`, which is made (mode 0700) when the first key is needed.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The Ed25519 seed of the journal and of receipts.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn journal_seed(&self) -> Result<[u8; 32], KeyError> {
        self.key("journal.key")
    }

    /// The key that seals person sets and unreleased results.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn ledger(&self) -> Result<[u8; 32], KeyError> {
        self.key("ledger.key")
    }

    /// The secret of the random draw.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn draw(&self) -> Result<[u8; 32], KeyError> {
        self.key("draw.key")
    }

    fn key(&self, name: &str) -> Result<[u8; 32], KeyError> {
        let path = self.root.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() && is_private(metadata.mode()) => read(&path),
            Ok(_) => Err(KeyError::Permissions(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.create(&path)?;
                read(&path)
            }
            Err(source) => Err(KeyError::File { path, action: "read", source }),
        }
    }

    fn create(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), action: "made", source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root).map_err(failed)?;
        let mut bytes = [0_u8; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
        let draft = path.with_extension(format!("{}.draft", uuid::Uuid::new_v4()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
        file.write_all(hex::encode(bytes).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft).map_err(failed)?;
        match linked {
            Ok(()) => Ok(()),
            // Another process was faster: its key is the key.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(failed(source)),
        }
    }
}

/// Whether nobody but the owner has any right.
const fn is_private(mode: u32) -> bool {
    mode.is_multiple_of(0o100)
}

fn read(path: &Path) -> Result<[u8; 32], KeyError> {
    let text =
        fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), action: "read", source })?;
    let bytes = hex::decode(text.trim()).map_err(|_| KeyError::Content(path.to_owned()))?;
    bytes.try_into().map_err(|_| KeyError::Content(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::new(folder.path().join("keys"));
        let first = keys.ledger().unwrap();
        assert_eq!(first, keys.ledger().unwrap());
        assert_ne!(first, keys.draw().unwrap());
    }

    #[test]
    fn many_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::new(folder.path().join("keys"));
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let keys = keys.clone();
                std::thread::spawn(move || keys.journal_seed().unwrap())
            })
            .collect();
        let all: std::collections::BTreeSet<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::new(folder.path());
        keys.ledger().unwrap();
        fs::set_permissions(folder.path().join("ledger.key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(keys.ledger(), Err(KeyError::Permissions(_))));
    }

    #[test]
    fn half_a_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::new(folder.path());
        keys.ledger().unwrap();
        fs::write(folder.path().join("ledger.key"), "abcd").unwrap();
        assert!(matches!(keys.ledger(), Err(KeyError::Content(_))));
    }
}
