//! What every handler can reach.

use std::sync::Arc;

use oscar_access::{PermitBook, TokenVerifier};
use oscar_journal::{Actor, Event};

use super::rate::RateLimit;
use super::rejection::Rejection;
use crate::metrics::Metrics;
use crate::platform::Platform;
use crate::release::ReleaseService;

/// The handlers' state.
pub(crate) struct App {
    pub(crate) platform: Arc<Platform>,
    pub(crate) releases: Arc<ReleaseService>,
    pub(crate) verifier: TokenVerifier,
    pub(crate) permits: Arc<PermitBook>,
    pub(crate) rate: RateLimit,
    /// How many looks of a steward at reviewer packs are journalled beside the first one at each.
    pub(crate) reviews: RateLimit,
    /// How many denials of an identity are journalled.
    pub(crate) denials: RateLimit,
    pub(crate) metrics: Arc<Metrics>,
}

/// The handlers' state, shared.
pub(crate) type Shared = Arc<App>;

impl App {
    /// Records an event that decides nothing and must not be lost.
    ///
    /// # Errors
    /// 503 when the journal does not take it: what cannot be recorded does not happen.
    pub(crate) async fn record(&self, actor: Actor, event: Event) -> Result<(), Rejection> {
        self.platform.journal.record(actor, event).await.map(drop).map_err(|error| {
            tracing::error!(%error, "an event could not be recorded");
            Rejection::unavailable("journal-unavailable", "The platform cannot record the request now.")
        })
    }
}
