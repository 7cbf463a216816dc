//! Who is asking, and what a permit gives them.
//!
//! Two questions, kept apart, because they have different owners:
//!
//! 1. **Who?** An identity provider answers with a signed token. [`TokenVerifier`] turns
//!    a bearer token into an [`Identity`](oscar_permit::Identity), issuer and subject,
//!    and takes nothing else from it: no role, no scope, no group.
//! 2. **What?** The data controller answers with a permit. [`PermitBook`] reads the
//!    permit files and turns an identity and a moment into [`Decision`], the list of
//!    grants; an empty list is "no". It is asked at every request, so revocation, expiry
//!    and a removed file count at the next one.
//!
//! ```text
//!  Authorization: Bearer …
//!        │
//!   TokenVerifier ── keys of the issuer (discovery + JWKS, or a file) ──▶ Identity
//!                                                                           │
//!   PermitBook ───── permit files, re-read when they change ──▶ Decision { grants, denials }
//! ```
//!
//! What the caller may not see answers 404 at the HTTP edge; [`Denial`](oscar_permit::Denial)
//! and [`TokenError`] keep the private reason for the log.
//!
//! [`login`] is the other side of the wire, for the command line: it gets tokens from a
//! provider. [`dev_issuer`] is a provider small enough to be embedded in the demo; it
//! binds to loopback only and never beside a configured issuer.

mod bounded_http;
mod endpoint;
mod permit_book;

pub mod dev_issuer;
pub mod login;
pub mod token;

pub use bounded_http::HttpError;
pub use dev_issuer::{DevIssuer, DevIssuerError, DevIssuerOptions};
pub use endpoint::{EndpointError, is_loopback};
pub use permit_book::{
    Decision, HeldGrant, HeldPermit, PermitBook, PermitBookError, PermitProblem, Permits, ProblemKind,
};
pub use token::{
    ConfigError, IssuerConfig, KeyError, KeyRefresh, SigningAlgorithm, TokenError, TokenVerifier, VerifiedToken,
    dated_jwks, fetch_jwks, jwks_fetched_at,
};
