//! An issuer's keys and how they are kept.
//!
//! ```text
//!             early            max age                     max age + stale
//!  fetched ─────┼─────────────────┼──────────────────────────────┼──────────▶ age
//!     fresh     │ fetched again   │ fetched again before a token  │ every token
//!               │ in background   │ is checked; old keys serve    │ is refused
//!               │                 │ while the issuer is away      │
//! ```
//!
//! While the last fetch failed, old keys are fetched again in the background too: an issuer
//! that takes connections and does not answer must not hold up every request.
//!
//! A key id that is not in the set asks for a fetch too, so a rotated key works at its
//! first use. All fetches of one issuer are single (callers that come meanwhile wait for
//! the running one) and at least a cooldown apart: a flood of forged key ids costs the
//! issuer one request per cooldown, and a caller that goes away does not stop a fetch.
//!
//! A file is read again at the same ages, counted from its reading, which costs nothing. How
//! old its keys are is another question: a file that says when they were fetched has its
//! tokens refused max age + stale after that time, however often it is read. A file that does
//! not say was put there by hand, and whoever did so sees to its age.
//!
//! A set that was fetched replaces the old one whole, an empty one too: keys that the
//! issuer withdrew are gone. A document that is not a key set changes nothing.

mod cache;
mod fetch_time;
mod key_set;
mod source;

pub(super) use cache::KeyCache;
pub use fetch_time::{dated_jwks, jwks_fetched_at};
pub(super) use source::KeySource;
pub use source::fetch_jwks;

use crate::bounded_http::HttpError;
use crate::endpoint::EndpointError;

/// Why an issuer's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The discovery document could not be fetched.
    #[error("the issuer's discovery document could not be fetched: {0}")]
    Discovery(#[source] HttpError),
    /// The discovery document is not one.
    #[error("the issuer's discovery document is not valid: {0}")]
    DiscoveryForm(#[source] serde_json::Error),
    /// The discovery document is another issuer's.
    #[error("the discovery document names another issuer; 'issuer' must equal the configured one byte for byte")]
    IssuerMismatch,
    /// The discovery document sends us where we do not go.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The key set could not be fetched.
    #[error("the issuer's key set could not be fetched: {0}")]
    Fetch(#[source] HttpError),
    /// The key file could not be read.
    #[error("the key file cannot be read")]
    File(#[source] std::io::Error),
    /// The key file is too long.
    #[error("the key file is longer than {0} bytes")]
    FileTooLong(usize),
    /// The document is not a key set.
    #[error("the key set is not a JWK set (RFC 7517, section 5)")]
    Form(#[source] serde_json::Error),
    /// More keys than any issuer has.
    #[error("the key set has more than {0} keys")]
    TooMany(usize),
    /// A key set without a single key that could be used.
    #[error(
        "the issuer's key set has no usable key (public, for signatures, RSA of 2048 bits, P-256, P-384 or Ed25519)"
    )]
    NoUsableKey,
    /// The key set is not UTF-8.
    #[error("the issuer's key set is not UTF-8 text")]
    Encoding,
    /// The key file does not say properly when its keys were fetched.
    #[error(
        "the key file's 'host.oscar-project.com/fetched-at' is not a number of whole seconds since 1970; write the time of the fetch, or leave the member out"
    )]
    FetchTime,
    /// Nobody has fetched them for too long.
    #[error(
        "the issuer's keys were fetched too long ago (maxAgeSeconds + staleSeconds); see that whoever fetches them reaches the issuer"
    )]
    TooOld,
    /// Nobody has fetched them yet, or the last fetch was stopped.
    #[error("the issuer's keys have not been fetched yet")]
    NotYet,
}
