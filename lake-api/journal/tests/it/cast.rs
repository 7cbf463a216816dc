//! The persons and things that the tests tell their stories with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use oscar_journal::{
    Actor, DeliveredTable, Entry, Event, Journal, JournalKey, LedgerEntry, OutputFile, Record, Submission, TenantState,
    TransitionError, Verdict, VettingResult,
};
use oscar_permit::{Identity, PermitId, Quotas, ReleaseId, Role, Sha256Digest, TableRef};
use uuid::Uuid;

/// A signing key that is the same in every test and every process of a test.
pub(crate) fn key() -> Arc<JournalKey> {
    Arc::new(JournalKey::from_seed(&[7; 32]))
}

pub(crate) fn local(folder: &Path) -> Arc<dyn ObjectStore> {
    Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap())
}

pub(crate) async fn open(folder: &Path) -> Journal {
    Journal::open(local(folder), key()).await.unwrap()
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity { issuer: "https://login.example".into(), subject: name.into() }
}

pub(crate) fn analyst() -> Actor {
    Actor::person(identity("anna"), Role::Analyst)
}

pub(crate) fn steward() -> Actor {
    Actor::person(identity("stine"), Role::Steward)
}

pub(crate) fn controller() -> Actor {
    Actor::person(identity("carl"), Role::ControllerSteward)
}

pub(crate) fn auditor() -> Actor {
    Actor::person(identity("ada"), Role::Auditor)
}

pub(crate) fn service() -> Actor {
    Actor::service("release-service")
}

pub(crate) fn permit() -> PermitId {
    "FSEID-1".parse().unwrap()
}

pub(crate) fn release(number: u32) -> ReleaseId {
    format!("rel-{number}").parse().unwrap()
}

pub(crate) fn digest(text: &str) -> Sha256Digest {
    Sha256Digest::of(text)
}

pub(crate) fn lineage() -> BTreeMap<TableRef, u64> {
    BTreeMap::from([(TableRef::try_from("contacts.visits".to_owned()).unwrap(), 3)])
}

pub(crate) fn generous() -> Quotas {
    Quotas { releases: 100, cells: 10_000, cells_per_release: 500, literals: 50 }
}

pub(crate) fn submission() -> Submission {
    let sql = "SELECT municipality, count(*) FROM contacts.visits GROUP BY municipality";
    Submission {
        permit: permit(),
        permit_digest: digest("permit"),
        title: "Contacts by municipality".into(),
        purpose_note: "Table 1 of the report".into(),
        sql: sql.into(),
        sql_digest: digest(sql),
        plan_hash: digest("plan"),
        versions: lineage(),
        contracts: BTreeMap::from([("contacts".parse().unwrap(), digest("contract"))]),
        profile_digest: digest("profile"),
    }
}

pub(crate) fn submitted(number: u32) -> Event {
    Event::ReleaseSubmitted { release: release(number), submission: Box::new(submission()) }
}

pub(crate) fn content() -> Sha256Digest {
    digest("content")
}

pub(crate) fn result(verdict: Verdict, epoch: u64) -> VettingResult {
    let refused = verdict == Verdict::Refused;
    VettingResult {
        verdict,
        rules: if refused { vec!["R1".into()] } else { Vec::new() },
        reasons: Vec::new(),
        content: (!refused).then(content),
        findings: digest("findings"),
        cells: 20,
        ledger: (!refused).then(|| LedgerEntry { lineage: lineage(), object: digest("persons") }),
        ledger_epoch: epoch,
    }
}

pub(crate) fn vetted(number: u32, verdict: Verdict, epoch: u64) -> Event {
    Event::VettingFinished { release: release(number), result: Box::new(result(verdict, epoch)) }
}

pub(crate) fn vote(number: u32, decision: oscar_journal::Decision) -> Event {
    Event::VoteCast { release: release(number), decision, reason: "checked the margins".into(), content: content() }
}

pub(crate) fn published(number: u32) -> Event {
    let file = OutputFile { digest: digest("csv"), bytes: 512 };
    Event::ReleasePublished {
        release: release(number),
        outputs: BTreeMap::from([("csv".into(), file)]),
        receipt: digest("receipt"),
    }
}

pub(crate) fn delivered(version: u64) -> Event {
    let table = DeliveredTable { version, rows: 1000, quarantined: 2, files: 1 };
    Event::DeliveryAccepted {
        dataset: "contacts".parse().unwrap(),
        delivery: digest(&format!("package {version}")),
        contract: digest("contract"),
        permit: permit(),
        tables: BTreeMap::from([("visits".parse().unwrap(), table)]),
        persons: Some(400),
    }
}

pub(crate) fn checked() -> Event {
    Event::QueryChecked {
        permit: permit(),
        sql_digest: digest("sql"),
        outcome: oscar_journal::CheckOutcome::Accepted,
        code: None,
    }
}

pub(crate) fn started(build: &str) -> Event {
    Event::ServiceStarted { build: build.into() }
}

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A record as the fold sees it: the fold looks at neither chain nor signature.
pub(crate) fn record(sequence: u64, entries: Vec<Entry>) -> Record {
    Record {
        sequence,
        previous: digest("before"),
        time: noon() + chrono::TimeDelta::seconds(i64::try_from(sequence).unwrap()),
        nonce: Uuid::nil(),
        entries,
        signature: String::new(),
    }
}

/// A state that grows event by event.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) state: TenantState,
    sequence: u64,
}

impl Story {
    pub(crate) fn try_tell(&mut self, actor: Actor, event: Event) -> Result<(), TransitionError> {
        let mut next = self.state.clone();
        next.apply(&record(self.sequence + 1, vec![Entry { actor, event }])).map_err(|error| error.source)?;
        self.sequence += 1;
        self.state = next;
        Ok(())
    }

    pub(crate) fn tell(mut self, actor: Actor, event: Event) -> Self {
        self.try_tell(actor, event).unwrap();
        self
    }
}
