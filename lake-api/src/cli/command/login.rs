//! `oscar login`: three ways to a token.

use oscar_access::login::{LoginConfig, LoginError, TokenSet, authorization_code_pkce, client_credentials, device};

use crate::cli::arguments::{Global, LoginArguments};
use crate::cli::exit::Exit;
use crate::cli::{CliError, Output, token_store};

/// Logs in and keeps the tokens for the server.
pub(super) async fn run(global: &Global, arguments: &LoginArguments, output: &mut Output) -> Result<Exit, CliError> {
    let config = LoginConfig {
        client_secret: if arguments.client_credentials { secret()? } else { None },
        resource: arguments.resource.clone(),
        ..LoginConfig::new(&arguments.issuer, &arguments.client_id)
    };
    let tokens = obtain(&config, arguments, output).await.map_err(|error| CliError::Failed(error.to_string()))?;
    let path = token_store::keep(&global.server, &config, &tokens)?;
    let who = tokens.subject.as_deref().unwrap_or(&tokens.client_id);
    output.talk(&format!("Logged in as {who} for {}.", global.server));
    output.detail(&format!("The tokens are in {} (readable by you alone).", path.display()));
    Ok(Exit::Ok)
}

async fn obtain(config: &LoginConfig, arguments: &LoginArguments, output: &mut Output) -> Result<TokenSet, LoginError> {
    if arguments.client_credentials {
        return client_credentials(config).await;
    }
    if arguments.device {
        return device(config, |prompt| {
            output.talk(&format!("Open {} and enter the code {}", prompt.verification_uri, prompt.user_code));
            if let Some(address) = &prompt.verification_uri_complete {
                output.talk(&format!("or open {address}"));
            }
            output.talk(&format!("The code is good for {} minutes.", prompt.minutes));
        })
        .await;
    }
    authorization_code_pkce(config, arguments.user.as_deref(), |address| {
        output.talk("Open this address in a browser on this machine:");
        output.talk(address.as_str());
        output.talk("(no browser here? use 'oscar login --device')");
    })
    .await
}

/// The secret comes from the environment only: a command line is visible to every process.
fn secret() -> Result<Option<String>, CliError> {
    match std::env::var("OSCAR_CLIENT_SECRET") {
        Ok(secret) if !secret.is_empty() => Ok(Some(secret)),
        _ => Err(CliError::Usage("--client-credentials needs the secret in the variable OSCAR_CLIENT_SECRET".into())),
    }
}
