//! Who is calling, and what they may see.
//!
//! | the request | answer |
//! |---|---|
//! | no token, or one that does not count | 401 |
//! | the issuer's keys cannot be had | 503 |
//! | too many requests of this identity | 429 |
//! | a token of somebody whom no permit in force names | 404, for every path |
//! | something the caller may not see, or that does not exist | 404, one and the same |
//! | something the caller sees, and a step that is not theirs | 403 |
//!
//! The permit is asked at every request, so expiry and revocation count at the next one.
//! Refusals of genuine tokens are journalled, of each identity the first and then one a
//! minute; the others, and requests without a token, are counted and logged only:
//! otherwise anybody could fill the journal, from which nothing is ever removed.

use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath};
use chrono::Utc;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oscar_access::HeldGrant;
use oscar_journal::{Actor, Event, ReleaseRecord};
use oscar_permit::{Identity, PermitId, ReleaseId, Role};
use std::sync::Arc;

use super::app::{App, Shared};
use super::rejection::Rejection;

/// A person with at least one permit in force.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) grants: Vec<HeldGrant>,
    route: String,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Rejection> {
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
        let identity = identify(&parts.headers, app).await?;
        app.rate.take(&identity, Instant::now()).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            Rejection::new(StatusCode::TOO_MANY_REQUESTS, "rate-limit", "Too many requests.")
                .remedy("Wait for the time in Retry-After.")
                .header(header::RETRY_AFTER, HeaderValue::from_str(&seconds.to_string()).unwrap_or(RETRY_SOON))
        })?;
        let grants = app.permits.decide(&identity, Utc::now()).grants;
        let caller = Self { identity, grants, route };
        if caller.grants.is_empty() { Err(caller.unseen(app, "no-permit").await) } else { Ok(caller) }
    }
}

const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");

async fn identify(headers: &HeaderMap, app: &App) -> Result<Identity, Rejection> {
    let missing = || {
        app.metrics.token_refused("token-missing");
        Rejection::unauthorised("token-missing", "The request carries no bearer token.")
    };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    app.verifier.verify(token.trim()).await.map(|verified| verified.identity).map_err(|error| {
        app.metrics.token_refused(error.reason());
        tracing::info!(reason = error.reason(), "a token was refused");
        if error.is_unavailable() {
            Rejection::unavailable(error.code(), error.public_message())
        } else {
            Rejection::unauthorised(error.code(), error.public_message())
        }
    })
}

impl Caller {
    /// The answer for what the caller may not see; the refusal is recorded.
    pub(crate) async fn unseen(&self, app: &App, code: &str) -> Rejection {
        app.metrics.denied(code);
        if app.denials.take(&self.identity, Instant::now()).is_err() {
            tracing::info!(code, route = self.route, "one more request was denied");
            return Rejection::not_found();
        }
        let event = Event::AccessDenied {
            issuer: Some(self.identity.issuer.clone()),
            subject: Some(self.identity.subject.clone()),
            route: self.route.clone(),
            code: code.to_owned(),
        };
        match app.record(Actor::Anonymous {}, event).await {
            Ok(()) => Rejection::not_found(),
            Err(unavailable) => unavailable,
        }
    }

    /// The grants whose role passes `test`.
    pub(crate) fn grants_with(&self, test: fn(Role) -> bool) -> impl Iterator<Item = &HeldGrant> {
        self.grants.iter().filter(move |grant| test(grant.role))
    }

    /// The permit to query under: the one named, or the only one there is.
    ///
    /// # Errors
    /// 404 for a permit that the caller may not see, 403 without an analyst's role, 422 when
    /// several permits could be meant.
    pub(crate) async fn query_grant(&self, app: &App, named: Option<&str>) -> Result<HeldGrant, Rejection> {
        if let Some(named) = named {
            let held = PermitId::new(named).ok();
            let held = held.and_then(|id| self.grants.iter().find(|grant| grant.permit.id == id));
            return match held {
                Some(grant) if grant.role.queries() => Ok(grant.clone()),
                Some(_) => Err(not_analyst()),
                None => Err(self.unseen(app, "permit-not-visible").await),
            };
        }
        let mut held = self.grants_with(Role::queries);
        match (held.next(), held.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(not_analyst()),
            (Some(_), Some(_)) => {
                Err(Rejection::unprocessable("permit-ambiguous", "Several of your permits could be meant.")
                    .remedy("Name one in the field permit; GET /v1/permit lists them."))
            }
        }
    }

    /// A release the caller may see, with the grant that shows it.
    ///
    /// # Errors
    /// 404 when there is none, whether or not it exists.
    pub(crate) async fn release(&self, app: &App, id: &str) -> Result<(Arc<ReleaseRecord>, HeldGrant), Rejection> {
        let state = app.platform.journal.state();
        let known = ReleaseId::new(id).ok().and_then(|id| state.release(&id).cloned());
        let seen = known.and_then(|record| Some((self.sees(&record)?.clone(), record)));
        match seen {
            Some((grant, record)) => Ok((record, grant)),
            None => Err(self.unseen(app, "release-not-visible").await),
        }
    }

    /// The grant that lets the caller see a release: analysts see their own, stewards and
    /// auditors those of their permit.
    pub(crate) fn sees(&self, record: &ReleaseRecord) -> Option<&HeldGrant> {
        self.grants.iter().filter(|grant| grant.permit.id == record.submission().permit).find(|grant| {
            grant.role.reviews()
                || grant.role.audits()
                || (grant.role.queries() && *record.requester() == self.identity)
        })
    }

    /// The caller as the journal records them, in the role of one grant.
    pub(crate) fn actor(&self, grant: &HeldGrant) -> Actor {
        Actor::person(self.identity.clone(), grant.role)
    }
}

fn not_analyst() -> Rejection {
    Rejection::role("Only analysts under a permit may ask queries.")
}
