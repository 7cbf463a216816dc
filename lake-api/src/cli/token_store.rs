//! Which login belongs to which server, between two commands.
//!
//! The tokens are in the access crate's cache (a file that only its owner can read). This
//! file beside it holds no secret: for each server the issuer and the client that the
//! person logged in with last.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chrono::Utc;
use oscar_access::login::{LoginConfig, TokenCache, TokenCacheError, TokenSet, refresh};
use serde::{Deserialize, Serialize};
use url::Url;

use super::CliError;

/// How a person logged in for one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Login {
    issuer: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
}

/// Keeps a login's tokens for `server`.
pub(crate) fn keep(server: &Url, config: &LoginConfig, tokens: &TokenSet) -> Result<PathBuf, CliError> {
    let cache = TokenCache::in_home().map_err(|error| unusable(&error))?;
    cache.store(tokens).map_err(|error| unusable(&error))?;
    let mut logins = logins(&cache)?;
    let login =
        Login { issuer: config.issuer.clone(), client_id: config.client_id.clone(), resource: config.resource.clone() };
    logins.insert(server.to_string(), login);
    let text = serde_json::to_vec_pretty(&logins).map_err(|_| CliError::Failed("the login cannot be kept".into()))?;
    replace(&file(&cache), &text).map_err(CliError::file("the file of logins"))?;
    Ok(cache.path().to_owned())
}

/// The token for `server`, renewed where it has ended and can be renewed.
pub(crate) async fn current(server: &Url) -> Result<Option<String>, CliError> {
    let cache = match TokenCache::in_home() {
        Ok(cache) => cache,
        Err(TokenCacheError::NoHome) => return Ok(None),
        Err(error) => return Err(unusable(&error)),
    };
    let Some(login) = logins(&cache)?.remove(server.as_str()) else { return Ok(None) };
    let Some(tokens) = cache.load(&login.issuer, &login.client_id).map_err(|error| unusable(&error))? else {
        return Ok(None);
    };
    if tokens.is_fresh(Utc::now()) {
        return Ok(Some(tokens.access_token));
    }
    if tokens.refresh_token.is_none() {
        return Ok(None);
    }
    let config = LoginConfig { resource: login.resource, ..LoginConfig::new(login.issuer, login.client_id) };
    let renewed = refresh(&config, &tokens).await.map_err(|error| CliError::Failed(error.to_string()))?;
    cache.store(&renewed).map_err(|error| unusable(&error))?;
    Ok(Some(renewed.access_token))
}

/// Exchanges a file as a whole: another command may read it meanwhile.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(file.parent().unwrap_or_else(|| Path::new(".")))?;
    new.write_all(text)?;
    new.persist(file).map(drop).map_err(|error| error.error)
}

fn file(cache: &TokenCache) -> PathBuf {
    cache.path().with_file_name("logins.json")
}

fn logins(cache: &TokenCache) -> Result<BTreeMap<String, Login>, CliError> {
    match std::fs::read(file(cache)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
            CliError::Failed("the file of logins cannot be understood; remove it and log in again".into())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(CliError::file("the file of logins")(error)),
    }
}

fn unusable(error: &TokenCacheError) -> CliError {
    CliError::Failed(error.to_string())
}
