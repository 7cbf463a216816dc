//! Whether a permit still stands behind a release.

use chrono::Utc;
use oscar_access::HeldPermit;
use oscar_journal::{ReleaseRecord, StopCause};

use super::error::ServiceError;
use super::service::ReleaseService;

/// What a permit says of a release.
pub(crate) enum Standing {
    /// It is in force and names the requester.
    Stands(HeldPermit),
    /// It says that this is over.
    Ended(StopCause),
}

impl ReleaseService {
    /// Whether the permit a release was asked under still stands behind it.
    ///
    /// # Errors
    /// [`ServiceError::PermitInDoubt`] when that cannot be told, as while a permit file is written: nothing goes on
    /// then, and nothing ends that could not be begun again.
    pub(crate) fn standing(&self, record: &ReleaseRecord) -> Result<Standing, ServiceError> {
        let permits = self.platform.permits.permits();
        let permit = &record.submission().permit;
        let Some(held) = permits.get(permit) else {
            return if permits.in_doubt(permit) {
                Err(ServiceError::PermitInDoubt)
            } else {
                Ok(Standing::Ended(StopCause::PermitNotInForce))
            };
        };
        if held.permit.in_force(Utc::now()).is_err() {
            return Ok(Standing::Ended(StopCause::PermitNotInForce));
        }
        let grant = held.permit.access(record.requester(), Utc::now());
        Ok(match grant.map(|grant| grant.role.queries()) {
            Ok(true) => Standing::Stands(held.clone()),
            Ok(false) | Err(_) => Standing::Ended(StopCause::RequesterNotNamed),
        })
    }
}
