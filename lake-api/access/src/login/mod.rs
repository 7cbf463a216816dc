//! Getting tokens from a provider, for people and programs at a command line.
//!
//! | flow | for | function |
//! |---|---|---|
//! | authorisation code with PKCE, redirect to a loopback port (RFC 8252) | a person with a browser on this machine | [`authorization_code_pkce`] |
//! | device flow (RFC 8628) | a person whose browser is elsewhere | [`device`] |
//! | client credentials (RFC 6749, section 4.4) | a program | [`client_credentials`] |
//! | refresh token | any of the first two, later | [`refresh`] |
//!
//! Every address a provider announces must be TLS or loopback, every answer is bounded in
//! time and size, redirects are not followed, and ID tokens are verified with their nonce.
//! Tokens are kept by [`TokenCache`] in a file that only its owner can read. Errors never
//! carry a token, a code or a secret.

mod authorization_code;
mod client_credentials;
mod device_flow;
mod error;
mod provider;
mod provider_http;
mod redirect_listener;
mod refresh_token;
mod token_cache;
mod token_set;

pub use authorization_code::authorization_code_pkce;
pub use client_credentials::client_credentials;
pub use device_flow::{DevicePrompt, device};
pub use error::LoginError;
pub use provider::LoginConfig;
pub use provider_http::ProviderHttpError;
pub use refresh_token::refresh;
pub use token_cache::{TokenCache, TokenCacheError};
pub use token_set::TokenSet;
