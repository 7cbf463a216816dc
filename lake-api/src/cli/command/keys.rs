//! `oscar keys`: the public key, for whoever wants to verify without an account.

use crate::api::keys::VerifyingKeys;
use crate::cli::arguments::Global;
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::{ApiClient, CliError, Output};

/// Shows the server's keys. Nobody needs a token for them.
pub(super) async fn run(global: &Global, output: &mut Output) -> Result<Exit, CliError> {
    let keys = ApiClient::new(global.server.clone(), None)?.keys().await?;
    output.show(&keys, sheet)?;
    Ok(Exit::Ok)
}

fn sheet(keys: &VerifyingKeys) -> Sheet {
    let mut sheet = Sheet::new(&["key id", "curve", "public key (base64url)"]);
    for key in &keys.keys {
        sheet.row([&key.kid, &key.crv, &key.x]);
    }
    sheet
}
