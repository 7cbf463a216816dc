//! Tokens between two commands: one file, readable by its owner alone.
//!
//! The file lies in a folder of mode 0700 and has mode 0600 from its first byte; it is
//! replaced as a whole, so a reader never sees half of it. A file or folder that others
//! can reach is not used: somebody may have read the tokens already.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::token_set::TokenSet;

/// Largest cache file.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenCacheError {
    /// Neither `XDG_CONFIG_HOME` nor `HOME` is set.
    #[error("there is no place for tokens: set HOME or XDG_CONFIG_HOME")]
    NoHome,
    /// Others can reach the file or the folder.
    #[error("others can reach the kept tokens; make the folder 0700 and the file 0600, then log in again")]
    Exposed,
    /// The file is not a token cache.
    #[error("the kept tokens cannot be understood; remove the file and log in again")]
    Form,
    /// Reading or writing failed.
    #[error("the kept tokens cannot be read or written")]
    Io(#[from] std::io::Error),
}

/// The tokens of all logins of one person on this machine.
#[derive(Debug, Clone)]
pub struct TokenCache {
    file: PathBuf,
}

impl TokenCache {
    /// The usual place: `$XDG_CONFIG_HOME/oscar/tokens.json`, else `~/.config/oscar/tokens.json`.
    ///
    /// # Errors
    /// [`TokenCacheError::NoHome`]
    pub fn in_home() -> Result<Self, TokenCacheError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        Ok(Self::at(config.ok_or(TokenCacheError::NoHome)?.join("oscar").join("tokens.json")))
    }

    /// A cache in this file; its folder is made when the first token is kept.
    #[must_use]
    pub fn at(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }

    /// Where the tokens are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The tokens of a client at an issuer.
    ///
    /// # Errors
    /// See [`TokenCacheError`]. No file is no error.
    pub fn load(&self, issuer: &str, client_id: &str) -> Result<Option<TokenSet>, TokenCacheError> {
        Ok(self.read()?.remove(&key(issuer, client_id)))
    }

    /// Keeps the tokens of a login.
    ///
    /// # Errors
    /// See [`TokenCacheError`].
    pub fn store(&self, tokens: &TokenSet) -> Result<(), TokenCacheError> {
        let mut all = self.read()?;
        all.insert(key(&tokens.issuer, &tokens.client_id), tokens.clone());
        self.write(&all)
    }

    /// Forgets the tokens of a client at an issuer.
    ///
    /// # Errors
    /// See [`TokenCacheError`].
    pub fn forget(&self, issuer: &str, client_id: &str) -> Result<(), TokenCacheError> {
        let mut all = self.read()?;
        if all.remove(&key(issuer, client_id)).is_some() {
            self.write(&all)?;
        }
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new("."))
    }

    fn read(&self) -> Result<BTreeMap<String, TokenSet>, TokenCacheError> {
        let file = match std::fs::File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error.into()),
        };
        require_private(&file.metadata()?.permissions())?;
        require_private(&std::fs::metadata(self.folder())?.permissions())?;
        let mut text = String::new();
        file.take(LIMIT).read_to_string(&mut text)?;
        serde_json::from_str(&text).map_err(|_| TokenCacheError::Form)
    }

    fn write(&self, all: &BTreeMap<String, TokenSet>) -> Result<(), TokenCacheError> {
        let folder = self.folder();
        if !folder.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        require_private(&std::fs::metadata(folder)?.permissions())?;
        let text = serde_json::to_vec_pretty(all).map_err(|_| TokenCacheError::Form)?;
        // Mode 0600 from the start; the same folder, so that the exchange is atomic.
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(&self.file).map_err(|error| error.error)?;
        Ok(())
    }
}

fn key(issuer: &str, client_id: &str) -> String {
    format!("{client_id} {issuer}")
}

fn require_private(permissions: &Permissions) -> Result<(), TokenCacheError> {
    const GROUP_AND_OTHERS: u32 = 0o077;
    let exposed = permissions.mode() & GROUP_AND_OTHERS;
    if exposed == 0 { Ok(()) } else { Err(TokenCacheError::Exposed) }
}
