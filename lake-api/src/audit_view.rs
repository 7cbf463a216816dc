//! What an auditor is shown of the journal: what happened under the permits of which they are the auditor, whether
//! or not those are still in force, and under permits that are there no more.
//!
//! Who is an auditor and something else besides learns nothing here that the other role keeps from them: no vote
//! before both are in, not what vetting found about an own request, and of deliveries no more than the catalogue says.

use oscar_access::{HeldPermit, Permits};
use oscar_journal::{Entry, Event, TenantState};
use oscar_permit::{PermitId, PermitPerson, Role};
use serde_json::{Value, json};

use crate::catalogue::rounded;
use crate::server::caller::Caller;

/// The event as the caller may see it; `None` where nothing of it is theirs.
pub(crate) fn shown(entry: &Entry, state: &TenantState, permits: &Permits, caller: &Caller) -> Option<Value> {
    let audits = |permit: &PermitId| {
        let named = |held: &HeldPermit| {
            held.permit.persons.iter().any(|person| {
                let PermitPerson { issuer, subject, role } = person;
                *issuer == caller.identity.issuer && *subject == caller.identity.subject && role.audits()
            })
        };
        permits.get(permit).map_or(!permits.in_doubt(permit), named)
    };
    if permit_of(&entry.event, state).is_some_and(|permit| !audits(permit)) {
        return None;
    }
    let own = entry.event.release().and_then(|id| state.release(id));
    let own = own.is_some_and(|record| *record.requester() == caller.identity);
    if state.vote_is_hidden(entry, &caller.identity) || (own && tells_of_the_data(&entry.event)) {
        return None;
    }
    let mut event = serde_json::to_value(&entry.event).ok()?;
    if caller.grants_with(Role::queries).next().is_some() {
        round_counts(&mut event);
    }
    Some(event)
}

/// The permit under which something happened; nothing where it is the whole platform's.
fn permit_of<'s>(event: &'s Event, state: &'s TenantState) -> Option<&'s PermitId> {
    match event {
        Event::DeliveryAccepted { permit, .. }
        | Event::DeliveryRefused { permit, .. }
        | Event::PermitApplied { permit, .. }
        | Event::QueryChecked { permit, .. } => Some(permit),
        Event::PermitProblem { permit, .. } => permit.as_ref(),
        Event::ReleaseSubmitted { submission, .. } => Some(&submission.permit),
        Event::VettingFinished { release, .. }
        | Event::VettingFailed { release, .. }
        | Event::VettingRestarted { release, .. }
        | Event::VoteCast { release, .. }
        | Event::ReleasePublished { release, .. }
        | Event::ReleaseWithdrawn { release, .. }
        | Event::ReleaseStopped { release, .. }
        | Event::ReleaseRecalled { release, .. }
        | Event::ReviewRead { release }
        | Event::ExportRead { release, .. } => state.release(release).map(|record| &record.submission().permit),
        Event::AccessDenied { .. } | Event::ServiceStarted { .. } | Event::ServiceStopped { .. } => None,
    }
}

/// Which rules a result broke and why people must look at it are kept from its requester.
const fn tells_of_the_data(event: &Event) -> bool {
    matches!(event, Event::VettingFinished { .. })
}

/// Numbers of persons and rows as the catalogue rounds them.
fn round_counts(event: &mut Value) {
    let round = |count: &mut Value| {
        if let Some(exact) = count.as_u64() {
            *count = json!(rounded(exact).about);
        }
    };
    if let Some(persons) = event.get_mut("persons") {
        round(persons);
    }
    let tables = event.get_mut("tables").and_then(Value::as_object_mut);
    for table in tables.into_iter().flat_map(|tables| tables.values_mut()) {
        for count in ["rows", "quarantined"] {
            if let Some(count) = table.get_mut(count) {
                round(count);
            }
        }
    }
}
