//! From a bearer token to an identity.
//!
//! A token is accepted only when every line of this list holds; the first that does not
//! ends the check. Before the signature nothing in the token is believed: the `iss` claim
//! only chooses whose keys are tried.
//!
//! | step | rule |
//! |---|---|
//! | size | at most 16 KiB, three base64url parts |
//! | header | `alg` asymmetric and on the issuer's list (so no `none`, no HMAC); no `crit`, no encryption, no compression; `typ` absent, `JWT` or `at+jwt`; keys inside the header (`jwk`, `jku`, `x5c`, `x5u`) are ignored |
//! | issuer | `iss` equals a configured issuer byte for byte |
//! | key | the issuer's own key with this `kid`; its type, curve, `alg`, `use` and `key_ops` fit the algorithm |
//! | signature | valid under that key |
//! | kind | not an ID token, refresh token, logout token or security event: `nonce`, `at_hash`, `c_hash`, `s_hash` or `events` present, or a `typ` claim other than `Bearer`, is refused (RFC 8725, section 3.11) |
//! | audience | `aud` names us exactly, alone or in a list |
//! | party | `azp` and `client_id`, where present, are authorised; a token for several audiences must name its party and the configuration must list it |
//! | time | `exp` present and not over, `nbf` reached, `iat` not in the future, each with at most 60 s of clock skew |
//! | subject | `sub` is 1 to 255 characters without control characters |
//!
//! Claims that appear twice are refused. Roles, groups and scopes are never read: the
//! permit is the only source of grants.
//!
//! Keys come from the issuer's discovery document and JWKS, or from a file that someone
//! else keeps up to date (see [`IssuerConfig::jwks_file`]); the `keys` submodule says how
//! they are cached.

mod claims;
mod compact;
mod config;
mod error;
mod keys;
mod verifier;

pub use config::{ConfigError, IssuerConfig, KeyRefresh, SigningAlgorithm};
pub use error::TokenError;
pub use keys::{KeyError, dated_jwks, fetch_jwks, jwks_fetched_at};
pub use verifier::{TokenVerifier, VerifiedToken};
