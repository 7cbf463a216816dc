//! The service that moves releases along: one task per release, a few at a time.
//!
//! What has to be done is not kept in memory: it is what the journal says. Every sweep
//! looks for releases in VETTING and APPROVED and starts a task for each that has none.
//! So a restart, a lost task and a second process that submitted something are one case.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oscar_journal::{Event, PLATFORM_FAILURE, ReleaseRecord, ReleaseState, RestartCause};
use oscar_permit::ReleaseId;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::ServiceError;
use super::standing::Standing;
use crate::platform::Platform;

/// How often the journal is looked through for work nobody does.
const SWEEP: Duration = Duration::from_secs(5);

/// How often a release is tried again before it is given back to the requester.
const MAX_ATTEMPTS: u32 = 5;

/// Moves releases from submission to publication.
pub(crate) struct ReleaseService {
    pub(crate) platform: Arc<Platform>,
    slots: Semaphore,
    tasks: TaskTracker,
    stop: CancellationToken,
    work: Mutex<HashMap<ReleaseId, Work>>,
}

/// What is known about the work on one release.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    running: bool,
    failures: u32,
}

impl ReleaseService {
    pub(crate) fn new(platform: Arc<Platform>) -> Arc<Self> {
        Arc::new(Self {
            slots: Semaphore::new(platform.limits.vetting_tasks.min(Semaphore::MAX_PERMITS)),
            platform,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            work: Mutex::new(HashMap::new()),
        })
    }

    /// Takes up what an earlier process has left, now and from time to time.
    pub(crate) fn start(self: &Arc<Self>) {
        let service = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(error) = service.note_interruptions().await {
                tracing::error!(error = %error, "that vetting was cut off could not be recorded");
            }
            loop {
                if let Err(error) = service.sweep().await {
                    tracing::error!(error = %error, "the journal could not be looked through for open releases");
                }
                tokio::select! {
                    () = service.stop.cancelled() => return,
                    () = tokio::time::sleep(SWEEP) => {}
                }
            }
        });
    }

    /// What is in VETTING now was cut off by the end of an earlier process. The journal counts that: a release that
    /// takes the process with it must not do so for ever.
    async fn note_interruptions(&self) -> Result<(), ServiceError> {
        let state = self.platform.journal.refresh().await.map_err(ServiceError::journal)?;
        let cut_off = state.releases().iter().filter(|(_, record)| record.state() == ReleaseState::Vetting);
        for (id, record) in cut_off {
            let event = || Event::VettingRestarted { release: id.clone(), cause: RestartCause::Interrupted };
            match self.on_attempt(record, |_, _| Ok(vec![event()])).await {
                // Another process may have finished it meanwhile.
                Ok(()) | Err(ServiceError::NotHere) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Starts a task for every release that waits for the platform and has none.
    async fn sweep(self: &Arc<Self>) -> Result<(), ServiceError> {
        let state = self.platform.journal.refresh().await.map_err(ServiceError::journal)?;
        for (id, record) in state.releases() {
            match record.state() {
                ReleaseState::Vetting | ReleaseState::Approved => self.start_vetting(id),
                ReleaseState::InReview | ReleaseState::Conflict => {
                    // What is in doubt waits, and what has moved on meanwhile is another sweep's.
                    if let Ok(Standing::Ended(cause)) = self.standing(record) {
                        match self.stop(record, cause).await {
                            Ok(()) | Err(ServiceError::NotHere) => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                ReleaseState::Draft
                | ReleaseState::Refused
                | ReleaseState::Returned
                | ReleaseState::Released
                | ReleaseState::Rejected
                | ReleaseState::Withdrawn
                | ReleaseState::Recalled => {}
            }
        }
        Ok(())
    }

    /// Starts the task of one release unless it runs already or the service stops.
    pub(crate) fn start_vetting(self: &Arc<Self>, id: &ReleaseId) {
        if self.stop.is_cancelled() || !self.take(id) {
            return;
        }
        let (service, id) = (Arc::clone(self), id.clone());
        self.tasks.spawn(async move {
            let outcome = tokio::select! {
                // What is cut off here is taken up again by the next start.
                () = service.stop.cancelled() => Ok(()),
                outcome = service.advance(&id) => outcome,
            };
            service.give_back(&id, outcome).await;
        });
    }

    /// Moves a release as far as it goes without people.
    async fn advance(self: &Arc<Self>, id: &ReleaseId) -> Result<(), ServiceError> {
        let _slot = self.slots.acquire().await.map_err(|_| ServiceError::Internal("the service stops"))?;
        for _ in 0..4 {
            let state = self.platform.journal.refresh().await.map_err(ServiceError::journal)?;
            let Some(record) = state.release(id) else { return Ok(()) };
            match record.state() {
                ReleaseState::Vetting if record.interruptions() >= MAX_ATTEMPTS => {
                    self.fail(record, PLATFORM_FAILURE).await?;
                }
                ReleaseState::Vetting => self.vet(id).await?,
                ReleaseState::Approved => self.publish(id).await?,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether this caller may work on the release now.
    fn take(&self, id: &ReleaseId) -> bool {
        let mut work = self.work.lock();
        let entry = work.entry(id.clone()).or_default();
        !std::mem::replace(&mut entry.running, true)
    }

    /// Notes how it went; after too many failures the release goes back to its requester.
    async fn give_back(self: &Arc<Self>, id: &ReleaseId, outcome: Result<(), ServiceError>) {
        let error = match outcome {
            Ok(()) | Err(ServiceError::NotHere) => {
                self.work.lock().remove(id);
                return;
            }
            // Nobody's failure: the next sweep looks again.
            Err(error @ ServiceError::PermitInDoubt) => {
                tracing::warn!(release = %id, %error, "a release waits");
                self.work.lock().entry(id.clone()).or_default().running = false;
                return;
            }
            Err(error) => error,
        };
        tracing::error!(release = %id, error = %Chain(&error), "a release could not be moved along");
        let failures = {
            let mut work = self.work.lock();
            let entry = work.entry(id.clone()).or_default();
            entry.failures += 1;
            entry.failures
        };
        let state = self.platform.journal.state();
        let vetting = state.release(id).filter(|record| record.state() == ReleaseState::Vetting);
        if let (MAX_ATTEMPTS.., Some(record)) = (failures, vetting) {
            match self.fail(record, PLATFORM_FAILURE).await {
                Ok(()) => {
                    self.work.lock().remove(id);
                    return;
                }
                Err(error) => tracing::error!(release = %id, error = %Chain(&error), "a failure could not be recorded"),
            }
        }
        // The next sweep tries again.
        self.work.lock().entry(id.clone()).or_default().running = false;
    }

    /// The release, if the newest journal has it in `state`.
    pub(crate) async fn in_state(
        &self,
        id: &ReleaseId,
        state: ReleaseState,
    ) -> Result<Arc<ReleaseRecord>, ServiceError> {
        let newest = self.platform.journal.refresh().await.map_err(ServiceError::journal)?;
        newest.release(id).filter(|record| record.state() == state).cloned().ok_or(ServiceError::NotHere)
    }

    /// Stops taking up work and waits until running tasks have let go.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// An error with its causes, for the log inside.
struct Chain<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
