//! The release service: a declared statement in, a vetted and signed table out.
//!
//! ```text
//!  submit ─▶ VETTING ─▶ vet ─┬─ AUTO ───▶ APPROVED ─▶ publish ─▶ RELEASED
//!  (pins permit, contracts,  ├─ REVIEW ─▶ IN_REVIEW ─ two stewards ─┘
//!   versions, quota)         └─ REFUSED
//! ```
//!
//! All state is the journal's ([`oscar_journal::TenantState`]); the tasks here only act on
//! it, and every step may be cut off at any point and taken up again:
//! what is written before the journal's entry is invisible without it.
//!
//! A permit that expires, is revoked or no longer names the requester ends a running
//! release ([`vet`], once a second), a release under review (the sweep), an approved one
//! ([`publish`]) and the reading of a published one (the routes). Where that cannot be
//! told ([`standing`]), releases wait.

mod compute;
mod error;
mod findings;
mod id;
mod people;
mod publish;
mod service;
mod standing;
mod submit;
mod vet;

pub(crate) use error::ServiceError;
pub(crate) use findings::{Findings, reasons_for_requester, tag_code};
pub(crate) use service::ReleaseService;
pub(crate) use submit::{Request, Submitted};
pub(crate) use vet::statement_reasons;
