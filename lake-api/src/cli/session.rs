//! Which server, and as whom.

use super::arguments::Global;
use super::{ApiClient, CliError};

/// A client with the best token there is.
pub(crate) struct Session {
    /// The client.
    pub(crate) client: ApiClient,
}

impl Session {
    /// Takes the token from the command line or the environment, else the one that
    /// `oscar login` has kept for this server.
    pub(crate) async fn open(global: &Global) -> Result<Self, CliError> {
        let token = match &global.token {
            Some(token) => Some(token.clone()),
            None => super::token_store::current(&global.server).await?,
        };
        let token = token.ok_or(CliError::LoginNeeded)?;
        Ok(Self { client: ApiClient::new(global.server.clone(), Some(token))? })
    }
}
