//! What a delivery has to do with the ones that were accepted before it.

use oscar_journal::{Event, Journal, TenantState};
use oscar_lake::Lake;
use oscar_permit::{DataPermit, DatasetContract, DatasetName, Sha256Digest, TableContract, TableName};

use crate::package::{DeliveryMode, DeliveryPlan};
use crate::{IntakeError, Refusal};

/// Records that are read at a time, from the newest on.
const WINDOW: u64 = 64;

/// The contract that follows from the package and from what is there.
///
/// Persons are recognised by what named them before, so no delivery may name them otherwise,
/// not even after deliveries without the table: the ledger would take everybody for somebody
/// new. And rows can be added only to rows with the same columns and the same pseudonyms.
pub(super) async fn continued_contract(
    lake: &Lake,
    plan: &DeliveryPlan,
    permit: &DataPermit,
    state: &TenantState,
) -> Result<DatasetContract, IntakeError> {
    let dataset = &plan.contract.dataset;
    let Some(before) = state.dataset(dataset) else { return Ok(plan.contract.clone()) };
    if plan.mode == DeliveryMode::Append && before.permit != permit.id {
        return Err(Refusal::AppendToOtherPermit.into());
    }
    let old = lake.contract(dataset, &before.contract).await?;
    check_persons(&old, plan)?;
    if plan.mode == DeliveryMode::Append {
        check_columns(&old, &plan.contract)?;
    }
    let named = |contract: &DatasetContract, table: &TableName| contract.tables.get(table)?.naming().cloned();
    let tables = old.tables.keys().filter_map(|table| Some((table.clone(), named(&old, table)?)));
    let mut contract = plan.contract.clone();
    contract.retired = old.retired.clone().into_iter().chain(tables).collect();
    contract.retired.retain(|table, _| named(&plan.contract, table).is_none());
    Ok(contract)
}

fn check_persons(old: &DatasetContract, plan: &DeliveryPlan) -> Result<(), Refusal> {
    for (name, table) in &plan.contract.tables {
        let Some(naming) = table.naming() else { continue };
        let before = old.tables.get(name).and_then(TableContract::naming).or_else(|| old.retired.get(name));
        let table = name.clone();
        match (before, plan.mode) {
            (Some(before), _) if before != naming => return Err(Refusal::PersonsNamedOtherwise { table }),
            (None, DeliveryMode::Append) if old.tables.contains_key(name) => {
                return Err(Refusal::AppendToUnknownPersons { table });
            }
            (Some(_), _) | (None, DeliveryMode::Append | DeliveryMode::Full) => {}
        }
    }
    Ok(())
}

fn check_columns(old: &DatasetContract, new: &DatasetContract) -> Result<(), Refusal> {
    for table in old.tables.keys().chain(new.tables.keys()) {
        let same = match (old.tables.get(table), new.tables.get(table)) {
            (Some(old), Some(new)) => old.columns == new.columns && old.kind == new.kind,
            (Some(_), None) | (None, _) => false,
        };
        if !same {
            return Err(Refusal::AppendToOtherColumns { table: table.clone() });
        }
    }
    Ok(())
}

/// Whether a delivery that was accepted before is no longer what the lake holds of the dataset.
pub(super) async fn is_superseded(
    journal: &Journal,
    plan: &DeliveryPlan,
    state: &TenantState,
) -> Result<bool, IntakeError> {
    let dataset = &plan.contract.dataset;
    match (plan.mode, state.dataset(dataset)) {
        (_, Some(visible)) if visible.delivery == plan.digest => Ok(false),
        // Its rows are there, beside others that were added since, until the whole dataset is delivered again.
        (_, Some(visible)) => is_replaced(journal, dataset, &plan.digest, visible.sequence).await,
        (_, None) => Ok(true),
    }
}

/// Whether the whole dataset was delivered between `delivery` and record number `last`.
async fn is_replaced(
    journal: &Journal,
    dataset: &DatasetName,
    delivery: &Sha256Digest,
    last: u64,
) -> Result<bool, IntakeError> {
    let mut end = last;
    while end > 0 {
        let start = end.saturating_sub(WINDOW);
        let records = journal.records(start, end - start).await?;
        end = start;
        for entry in records.iter().rev().flat_map(|record| record.entries.iter().rev()) {
            match &entry.event {
                Event::DeliveryAccepted { dataset: of, delivery: accepted, .. }
                    if of == dataset && accepted == delivery =>
                {
                    return Ok(false);
                }
                // Only of a whole dataset it is told how many persons it is about.
                Event::DeliveryAccepted { dataset: of, persons: Some(_), .. } if of == dataset => return Ok(true),
                _ => {}
            }
        }
    }
    Ok(true)
}
