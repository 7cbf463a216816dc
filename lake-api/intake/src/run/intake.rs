//! The delivery as a whole: admitted, taken in table by table, made visible at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use object_store::ObjectStore;
use object_store::path::Path as StorePath;
use oscar_journal::{Actor, DeliveredTable, Event, Journal, TenantState, TransactError, TransitionError};
use oscar_lake::{KeyProvider, KeyPurpose, Lake, WriteMode};
use oscar_permit::{DataPermit, DatasetName, Sha256Digest, TableName, TableRef};
use roaring::RoaringBitmap;

use super::continuity::{continued_contract, is_superseded};
use super::persons::PersonServices;
use super::table::{TableContext, TakenIn, take_in};
use crate::check::KeyHasher;
use crate::package::{DeliveryMode, DeliveryPlan};
use crate::person_index::{IndexMark, PersonIndexStore};
use crate::pseudonymise::{KeyedPseudonymiser, confirm, keyed};
use crate::{DeliveryReport, IntakeError, Progress, Refusal, TableReport};

/// Deliveries that may overtake this one before it gives up.
const PATIENCE: usize = 10;
/// Workers for each core: most may wait for the store to number their persons while others compute.
const WORKERS_PER_CORE: usize = 4;
/// More workers than this do not read faster.
const MOST_WORKERS: usize = 8;

/// Tells whether the master key of pseudonyms is the one that the tenant's rows were made with. No
/// dataset can have its name.
const PSEUDONYM_KEY_CHECK: &str = "lake/_keys/pseudonyms.check";

/// Takes deliveries into one tenant's lake.
#[derive(Clone)]
pub struct Intake {
    lake: Lake,
    journal: Journal,
    keys: Arc<dyn KeyProvider>,
    index: Arc<PersonIndexStore>,
}

/// Why the journal was not written.
enum Decline {
    /// The very same delivery is there already.
    AlreadyDelivered,
    /// The dataset has changed since the tables were committed.
    Moved,
}

impl Intake {
    /// `person_index` is the spoke-wide store of the hidden person index, outside every
    /// tenant's bucket; `keys` gives the pseudonym master key and the index key.
    #[must_use]
    pub fn new(lake: Lake, journal: Journal, keys: Arc<dyn KeyProvider>, person_index: Arc<dyn ObjectStore>) -> Self {
        Self { lake, journal, keys, index: Arc::new(PersonIndexStore::new(person_index)) }
    }

    /// Takes a delivery in. `package` is a descriptor or the folder it lies in; data files
    /// lie beside it or in `files_folder`. Until the journal has recorded the acceptance
    /// nothing is visible, and a delivery that was accepted before and is still there is not
    /// taken in again.
    ///
    /// Must be called inside a Tokio runtime with several threads.
    ///
    /// # Errors
    /// A [`Refusal`] is the data holder's to mend and is recorded in the journal; every other
    /// error leaves the dataset as it was, and the same delivery can be tried again.
    pub async fn deliver(
        &self,
        package: &Path,
        files_folder: Option<&Path>,
        permit: &DataPermit,
        progress: &dyn Progress,
    ) -> Result<DeliveryReport, IntakeError> {
        permit.in_force(Utc::now()).map_err(Refusal::Permit)?;
        let plan = DeliveryPlan::read(package, files_folder, permit, Utc::now()).map_err(Refusal::Package)?;
        let (dataset, digest) = (plan.contract.dataset.clone(), plan.digest);
        // On the heap: what a delivery keeps while it waits is more than its callers should carry.
        let result = Box::pin(self.run(plan, permit, progress)).await;
        if let Err(IntakeError::Refused(refusal)) = &result {
            self.record_refusal(dataset, digest, permit, refusal).await;
        }
        result
    }

    async fn record_refusal(
        &self,
        dataset: DatasetName,
        delivery: Sha256Digest,
        permit: &DataPermit,
        refusal: &Refusal,
    ) {
        let event = Event::DeliveryRefused {
            dataset,
            delivery,
            permit: permit.id.clone(),
            rule: refusal.rule().to_owned(),
            table: refusal.table().cloned(),
        };
        if let Err(error) = self.journal.record(actor(), event).await {
            // The data holder needs the reason more than the journal's trouble.
            tracing::error!(%error, rule = refusal.rule(), "a refused delivery could not be recorded");
        }
    }

    async fn run(
        &self,
        plan: DeliveryPlan,
        permit: &DataPermit,
        progress: &dyn Progress,
    ) -> Result<DeliveryReport, IntakeError> {
        admit(&plan, permit)?;
        let state = self.journal.refresh().await?;
        if let Some(report) = self.delivered_before(&plan, &state).await? {
            return Ok(report);
        }
        continued_contract(&self.lake, &plan, permit, &state).await?;
        let tables = self.take_tables_in(&plan, permit, &state, progress).await?;
        progress.committing();
        if let Some(mark) = self.index.mark().await {
            mark.leave(self.lake.storage().store().as_ref()).await?;
        }
        self.accept(&plan, permit, tables).await
    }

    /// The report of a delivery that was accepted before and is still there.
    async fn delivered_before(
        &self,
        plan: &DeliveryPlan,
        state: &TenantState,
    ) -> Result<Option<DeliveryReport>, IntakeError> {
        let report = already_delivered(state, &plan.contract.dataset, &plan.digest);
        if report.is_some() && is_superseded(&self.journal, plan, state).await? {
            return Err(Refusal::Superseded.into());
        }
        Ok(report)
    }

    async fn take_tables_in(
        &self,
        plan: &DeliveryPlan,
        permit: &DataPermit,
        state: &TenantState,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<TableName, TakenIn>, IntakeError> {
        let base = state.dataset(&plan.contract.dataset).filter(|_| plan.mode == DeliveryMode::Append);
        let services = self.person_services(permit).await?;
        let hasher = KeyHasher::default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = (cores * WORKERS_PER_CORE).min(MOST_WORKERS);
        let mut taken: BTreeMap<TableName, TakenIn> = BTreeMap::new();
        for resource in &plan.resources {
            let referenced = resource
                .references
                .iter()
                .map(|reference| taken.get(&reference.table)?.provided.get(reference.key).map(Arc::clone))
                .collect::<Option<Vec<_>>>()
                .ok_or(IntakeError::Interrupted)?;
            let contract = plan.contract.tables.get(&resource.table).ok_or(IntakeError::Interrupted)?;
            let context = TableContext {
                lake: &self.lake,
                table: TableRef::new(plan.contract.dataset.clone(), resource.table.clone()),
                contract,
                mode: write_mode(plan.mode),
                base_version: base.and_then(|base| base.tables.get(&resource.table)).map(|table| table.version),
                quarantine_share: plan.quarantine_share,
                services: &services,
                hasher: &hasher,
                referenced,
                workers,
                progress,
            };
            let table = take_in(resource, &context).await?;
            tracing::info!(
                table = %resource.table,
                rows = table.report.rows,
                quarantined = table.report.quarantined,
                "a table was read and checked"
            );
            taken.insert(resource.table.clone(), table);
        }
        Ok(taken)
    }

    /// What names persons, once its keys and its index are known to be the ones used before.
    async fn person_services(&self, permit: &DataPermit) -> Result<PersonServices, IntakeError> {
        let (store, purpose) = (self.lake.storage().store(), KeyPurpose::Pseudonyms);
        // Before anything is written into what may be the wrong place.
        self.index.confirm_marks(&IndexMark::all(store.as_ref()).await?).await?;
        let index_key = self.keys.key(KeyPurpose::PersonIndex)?;
        self.index.confirm_key(&index_key).await?;
        confirm(store.as_ref(), &StorePath::from(PSEUDONYM_KEY_CHECK), purpose, &self.keys.key(purpose)?).await?;
        Ok(PersonServices {
            pseudonymiser: Arc::new(KeyedPseudonymiser::new(self.keys.as_ref(), &permit.id)?),
            index_key: keyed(&index_key),
            index: Arc::clone(&self.index),
            runtime: tokio::runtime::Handle::current(),
        })
    }

    /// Commits the staged tables and makes them visible in one journal record. When another
    /// delivery of the dataset gets there first, the commits are made again on top of it.
    async fn accept(
        &self,
        plan: &DeliveryPlan,
        permit: &DataPermit,
        tables: BTreeMap<TableName, TakenIn>,
    ) -> Result<DeliveryReport, IntakeError> {
        let dataset = plan.contract.dataset.clone();
        let mut reports: BTreeMap<TableName, TableReport> = BTreeMap::new();
        let mut persons = RoaringBitmap::new();
        for (name, table) in &tables {
            persons |= &table.persons;
            let mut report = table.report.clone();
            if let Some(quarantine) = &table.quarantine {
                report.quarantine_version = Some(quarantine.commit(None, &plan.digest).await?);
            }
            reports.insert(name.clone(), report);
        }
        for _ in 0..PATIENCE {
            let state = self.journal.refresh().await?;
            let contract = continued_contract(&self.lake, plan, permit, &state).await?;
            let contract = self.lake.put_contract(&contract).await?;
            let base = state.dataset(&dataset);
            for (name, table) in &tables {
                let version = base.and_then(|base| base.tables.get(name)).map(|table| table.version);
                let version = table.staged.commit(version, &plan.digest).await?;
                if let Some(report) = reports.get_mut(name) {
                    report.version = version;
                }
            }
            // Reading took its time: the permit must still hold at the moment of acceptance.
            permit.in_force(Utc::now()).map_err(Refusal::Permit)?;
            let seen = base.map(|base| base.delivery);
            let event = Event::DeliveryAccepted {
                dataset: dataset.clone(),
                delivery: plan.digest,
                contract,
                permit: permit.id.clone(),
                tables: reports.iter().map(|(name, report)| (name.clone(), delivered(report))).collect(),
                persons: (plan.mode == DeliveryMode::Full || base.is_none()).then_some(persons.len()),
            };
            let decided = self.journal.transact(actor(), |state| decide(state, &dataset, plan, seen, &event)).await;
            match decided {
                Ok(_) => {
                    return Ok(DeliveryReport {
                        dataset,
                        delivery: plan.digest,
                        contract,
                        already_delivered: false,
                        persons: persons.len(),
                        tables: reports,
                    });
                }
                Err(TransactError::Decision(Decline::AlreadyDelivered)) => {
                    let state = self.journal.refresh().await?;
                    return self.delivered_before(plan, &state).await?.ok_or(IntakeError::Interrupted);
                }
                Err(TransactError::Decision(Decline::Moved) | TransactError::Illegal(TransitionError::Overtaken)) => {}
                Err(TransactError::Illegal(error)) => return Err(IntakeError::Illegal(error)),
                Err(TransactError::Journal(error)) => return Err(error.into()),
            }
        }
        Err(IntakeError::Overtaken(dataset))
    }
}

/// Decides on the journal's newest state whether the commits that were made still fit.
fn decide(
    state: &TenantState,
    dataset: &DatasetName,
    plan: &DeliveryPlan,
    seen: Option<Sha256Digest>,
    event: &Event,
) -> Result<Vec<Event>, Decline> {
    if state.was_delivered(dataset, &plan.digest) {
        return Err(Decline::AlreadyDelivered);
    }
    if state.dataset(dataset).map(|state| state.delivery) != seen {
        return Err(Decline::Moved);
    }
    Ok(vec![event.clone()])
}

/// The report of a delivery that was accepted before. Numbers are known while it is the
/// visible one.
fn already_delivered(state: &TenantState, dataset: &DatasetName, delivery: &Sha256Digest) -> Option<DeliveryReport> {
    if !state.was_delivered(dataset, delivery) {
        return None;
    }
    let visible = state.dataset(dataset)?;
    let current = visible.delivery == *delivery;
    let tables = visible.tables.iter().filter(|_| current).map(|(name, table)| {
        let DeliveredTable { version, rows, quarantined, files } = *table;
        (name.clone(), TableReport { version, rows, quarantined, files, ..TableReport::default() })
    });
    Some(DeliveryReport {
        dataset: dataset.clone(),
        delivery: *delivery,
        contract: visible.contract,
        already_delivered: true,
        persons: visible.persons.filter(|_| current).unwrap_or(0),
        tables: tables.collect(),
    })
}

/// The permit must list everything: data that nobody may use is not stored.
fn admit(plan: &DeliveryPlan, permit: &DataPermit) -> Result<(), Refusal> {
    let dataset = &plan.contract.dataset;
    if !permit.datasets.iter().any(|grant| grant.dataset == *dataset) {
        return Err(Refusal::Dataset { permit: permit.id.clone(), dataset: dataset.clone() });
    }
    match plan.contract.tables.keys().find(|table| permit.table(dataset, table).is_none()) {
        Some(table) => Err(Refusal::Table { permit: permit.id.clone(), table: table.clone() }),
        None => Ok(()),
    }
}

const fn write_mode(mode: DeliveryMode) -> WriteMode {
    match mode {
        DeliveryMode::Full => WriteMode::Replace,
        DeliveryMode::Append => WriteMode::Append,
    }
}

const fn delivered(report: &TableReport) -> DeliveredTable {
    DeliveredTable { version: report.version, rows: report.rows, quarantined: report.quarantined, files: report.files }
}

fn actor() -> Actor {
    Actor::service("intake")
}
