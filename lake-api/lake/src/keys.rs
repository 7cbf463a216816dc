//! Where secret keys come from.
//!
//! On one machine a key is a file that only its owner can read, made at first use; in a
//! cluster it is a mounted Secret, which is never made here: a key that is missing there was
//! lost, and a new one would not open what the old one sealed. Who asks for a key by its
//! purpose cannot tell the difference.
//!
//! | file | for | who |
//! |---|---|---|
//! | `journal.key` | Ed25519: signs journal records and receipts | service, intake |
//! | `ledger.key` | AES-256-GCM: seals person sets and unreleased results | service |
//! | `draw.key` | HMAC: decides which automatic verdicts are reviewed all the same | service |
//! | `pseudonyms.key` | HMAC: every permit's pseudonym key is derived from it | intake |
//! | `person-index.key` | HMAC: the spoke-wide person index | intake |

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a key is for. Different purposes never share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Signs the journal and receipts.
    Journal,
    /// Seals person sets and unreleased results.
    Ledger,
    /// Draws automatic verdicts for review.
    Draw,
    /// The master key from which every permit's pseudonym key is derived.
    Pseudonyms,
    /// The key of the spoke-wide person index.
    PersonIndex,
}

impl KeyPurpose {
    const fn file_name(self) -> &'static str {
        match self {
            Self::Journal => "journal.key",
            Self::Ledger => "ledger.key",
            Self::Draw => "draw.key",
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

    /// The bytes, for whoever signs, seals or hashes with them.
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
    #[error("the key file {path} cannot be {action}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A mounted key that is not there.
    #[error(
        "the key file {0} is not mounted; restore its Secret from a backup: a new key would not open what the old one sealed"
    )]
    NotMounted(PathBuf),
    /// Others can read the file.
    #[error("the key file {0} can be read by others; set its mode to 0600 and its folder's to 0700")]
    TooOpen(PathBuf),
    /// Not a plain file of 64 hexadecimal digits.
    #[error("the key file {0} does not hold 64 hexadecimal digits; restore it from a backup")]
    Damaged(PathBuf),
}

/// Gives keys by purpose.
pub trait KeyProvider: Send + Sync {
    /// The key for `purpose`; the same at every call.
    ///
    /// # Errors
    /// When there is none and none can be made, or it is not safe to use.
    fn key(&self, purpose: KeyPurpose) -> Result<SecretKey, KeyError>;
}

/// Where keys are, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeysConfig {
    /// Files of this machine, made at first use.
    Directory {
        /// The folder.
        path: PathBuf,
    },
    /// Files that an orchestrator has mounted.
    Mounted {
        /// The folder.
        path: PathBuf,
    },
}

impl KeysConfig {
    /// The keys there.
    #[must_use]
    pub fn open(&self) -> FileKeys {
        match self {
            Self::Directory { path } => FileKeys::directory(path),
            Self::Mounted { path } => FileKeys::mounted(path),
        }
    }
}

/// Keys in files.
#[derive(Debug, Clone)]
pub struct FileKeys {
    folder: PathBuf,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Own,
    Mounted,
}

impl FileKeys {
    /// Keys of mode 0600 in `folder`, which is made with mode 0700 when the first key is needed.
    #[must_use]
    pub fn directory(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), origin: Origin::Own }
    }

    /// Keys that somebody else has put into `folder` for this program alone.
    #[must_use]
    pub fn mounted(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), origin: Origin::Mounted }
    }

    /// Whether nobody else can read the file. What is mounted is owned by the orchestrator and
    /// given to the program's group; nobody besides.
    const fn is_private(&self, mode: u32) -> bool {
        let others = match self.origin {
            Origin::Own => 0o077,
            Origin::Mounted => 0o007,
        };
        mode & others == 0
    }

    /// Writes a new key beside its final name and links it there, so that of two processes
    /// that start together both use the key of the one that came first, and no reader sees
    /// half of one.
    fn create(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), action: "made", source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed)?;
        let draft = path.with_extension(format!("{}.draft", uuid::Uuid::new_v4()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
        let key = random_key().map_err(failed)?;
        file.write_all(key.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft).map_err(failed)?;
        match linked {
            Ok(()) => {}
            // Another process was faster: its key is the key.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(failed(source)),
        }
        // The name must survive a loss of power: what is sealed and pseudonymised next depends on it.
        fs::File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn read(&self, path: &Path) -> Result<Option<SecretKey>, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), action: "read", source };
        // A mount shows its files through links; a folder of our own holds none.
        let found = match self.origin {
            Origin::Own => fs::symlink_metadata(path),
            Origin::Mounted => fs::metadata(path),
        };
        let metadata = match found {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        if !metadata.is_file() {
            return Err(KeyError::Damaged(path.to_owned()));
        }
        if !self.is_private(metadata.permissions().mode()) {
            return Err(KeyError::TooOpen(path.to_owned()));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| KeyError::Damaged(path.to_owned()))?;
        Ok(Some(SecretKey(bytes)))
    }
}

impl KeyProvider for FileKeys {
    fn key(&self, purpose: KeyPurpose) -> Result<SecretKey, KeyError> {
        let path = self.folder.join(purpose.file_name());
        if let Some(key) = self.read(&path)? {
            return Ok(key);
        }
        match self.origin {
            Origin::Mounted => Err(KeyError::NotMounted(path)),
            Origin::Own => {
                self.create(&path)?;
                self.read(&path)?.ok_or(KeyError::NotMounted(path))
            }
        }
    }
}

/// 256 random bits of the operating system, as the file holds them.
fn random_key() -> std::io::Result<String> {
    let mut bytes = [0_u8; 32];
    rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes).map_err(std::io::Error::other)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const ALL: [KeyPurpose; 5] =
        [KeyPurpose::Journal, KeyPurpose::Ledger, KeyPurpose::Draw, KeyPurpose::Pseudonyms, KeyPurpose::PersonIndex];

    fn exposed(keys: &FileKeys, purpose: KeyPurpose) -> [u8; 32] {
        *keys.key(purpose).unwrap().expose()
    }

    #[test]
    fn a_key_is_made_once_and_stays_and_no_two_purposes_share_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::directory(folder.path().join("keys"));
        let first: BTreeSet<_> = ALL.iter().map(|purpose| exposed(&keys, *purpose)).collect();
        let again: BTreeSet<_> = ALL.iter().map(|purpose| exposed(&keys, *purpose)).collect();
        assert_eq!(first, again);
        assert_eq!(first.len(), ALL.len());
        assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), ALL.len());
        assert_eq!(format!("{:?}", keys.key(KeyPurpose::Draw).unwrap()), "SecretKey(hidden)");
    }

    #[test]
    fn many_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let seen: BTreeSet<[u8; 32]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| exposed(&FileKeys::directory(folder.path()), KeyPurpose::PersonIndex)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::directory(folder.path());
        keys.key(KeyPurpose::Ledger).unwrap();
        let path = folder.path().join("ledger.key");
        for mode in [0o640, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(keys.key(KeyPurpose::Ledger), Err(KeyError::TooOpen(_))));
        }
        assert!(matches!(FileKeys::mounted(folder.path()).key(KeyPurpose::Ledger), Err(KeyError::TooOpen(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        FileKeys::mounted(folder.path()).key(KeyPurpose::Ledger).unwrap();
    }

    #[test]
    fn a_damaged_key_is_refused_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::directory(folder.path());
        keys.key(KeyPurpose::Pseudonyms).unwrap();
        let path = folder.path().join("pseudonyms.key");
        fs::write(&path, "short").unwrap();
        assert!(matches!(keys.key(KeyPurpose::Pseudonyms), Err(KeyError::Damaged(_))));
        assert_eq!(fs::read_to_string(path).unwrap(), "short");
    }

    #[test]
    fn a_link_in_a_folder_of_our_own_is_no_key_and_in_a_mount_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let keys = FileKeys::directory(folder.path().join("real"));
        let key = exposed(&keys, KeyPurpose::Draw);
        let linked = folder.path().join("linked");
        fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink(folder.path().join("real/draw.key"), linked.join("draw.key")).unwrap();
        assert!(matches!(FileKeys::directory(&linked).key(KeyPurpose::Draw), Err(KeyError::Damaged(_))));
        assert_eq!(exposed(&FileKeys::mounted(&linked), KeyPurpose::Draw), key);
    }

    #[test]
    fn a_key_that_is_not_mounted_is_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = FileKeys::mounted(folder.path()).key(KeyPurpose::Journal);
        assert!(matches!(missing, Err(KeyError::NotMounted(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
