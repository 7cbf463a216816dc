//! Partial tables of all partitions to vetting's evidence.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::DataFusionError;
use datafusion::logical_expr::EmitTo;
use oscar_permit::{PersonNaming, TableKind, TableRef};
use oscar_vetting::{AggregateEvidence, AggregateKind, AggregateSpec, CellEvidence, Evidence, KeyColumn, KeyValue};

use super::accumulate::{AccumulateError, Accumulator, Layout, PartialTable};
use super::cell_buffer::{CellBuffer, FinishedCell};
use super::key_values::{contract_value, key_values};
use super::person_order::PersonOrder;
use crate::catalog::{PermittedCatalog, PinnedVersions};
use crate::gate::{CheckedQuery, Statistic};

/// One whole table: keys, cells and distinct counts, before the cells are finished.
struct WholeTable {
    keys: Vec<Vec<KeyValue>>,
    cells: Vec<CellBuffer>,
    /// Per distinct aggregate and cell: how many values.
    distinct: Vec<Vec<u64>>,
}

/// Joins the accumulators of all partitions.
pub(crate) fn assemble(
    query: &CheckedQuery,
    catalog: &PermittedCatalog,
    versions: &PinnedVersions,
    layout: &Layout,
    mut partitions: Vec<Accumulator>,
) -> Result<Evidence, AccumulateError> {
    let translations = value_translations(layout, &mut partitions)?;
    let mut cells = Vec::new();
    let mut tables: Vec<Vec<PartialTable>> = layout.grouping_sets.iter().map(|_| Vec::new()).collect();
    for partition in partitions {
        for (set, table) in tables.iter_mut().zip(partition.tables) {
            set.push(table);
        }
    }
    for (set, (used, partials)) in layout.grouping_sets.iter().zip(tables).enumerate() {
        let whole = join_partials(layout, used, partials, &translations)?;
        cells.extend(finish_cells(query, layout, set, whole)?);
        if cells.len() > layout.max_cells {
            return Err(AccumulateError::TooLarge);
        }
    }
    Ok(Evidence {
        keys: keys(query, catalog),
        aggregates: specs(query),
        grouping_sets: layout.grouping_sets.clone(),
        cells,
        structural_zeros: structural_zeros(query, catalog),
        lineage: lineage(query, versions),
        unlinked: unlinked(query, catalog),
    })
}

fn lineage(query: &CheckedQuery, versions: &PinnedVersions) -> BTreeMap<TableRef, u64> {
    let read = |table: &&TableRef| query.tables.contains(*table);
    versions.0.iter().filter(|(table, _)| read(table)).map(|(table, version)| (table.clone(), *version)).collect()
}

/// The tables of persons whom no key names, as far as their contracts tell.
fn unlinked(query: &CheckedQuery, catalog: &PermittedCatalog) -> BTreeSet<TableRef> {
    let is_unlinked = |table: &&TableRef| match catalog.tables.get(*table).map(|table| &table.contract.kind) {
        Some(TableKind::Reference | TableKind::Persons { naming: Some(PersonNaming::Key { .. }), .. }) => false,
        Some(TableKind::Persons { naming: Some(PersonNaming::RowNumber) | None, .. }) | None => true,
    };
    query.tables.iter().filter(is_unlinked).cloned().collect()
}

/// Per distinct aggregate and partition: local value id → id shared by all partitions.
fn value_translations(
    layout: &Layout,
    partitions: &mut [Accumulator],
) -> Result<Vec<Vec<Vec<usize>>>, AccumulateError> {
    let mut translations = Vec::with_capacity(layout.distinct.len());
    for (index, (_, place)) in layout.distinct.iter().enumerate() {
        let mut shared = layout.value_interner(*place)?;
        let mut per_partition = Vec::with_capacity(partitions.len());
        for partition in partitions.iter_mut() {
            let mut ids = Vec::new();
            if let Some(values) = partition.values.get_mut(index).filter(|values| !values.is_empty()) {
                shared.intern(&values.emit(EmitTo::All)?, &mut ids)?;
            }
            per_partition.push(ids);
        }
        translations.push(per_partition);
    }
    Ok(translations)
}

fn join_partials(
    layout: &Layout,
    used: &[bool],
    partials: Vec<PartialTable>,
    translations: &[Vec<Vec<usize>>],
) -> Result<WholeTable, AccumulateError> {
    let mut shared = layout.interner(used)?;
    let mut cells: Vec<CellBuffer> = Vec::new();
    let mut pairs: Vec<Vec<(usize, usize)>> = vec![Vec::new(); layout.distinct.len()];
    for (partition, partial) in partials.into_iter().enumerate() {
        let PartialTable { interner, cells: local_cells, distinct, .. } = partial;
        let mut places = Vec::new();
        if let (Some(shared), Some(mut interner)) = (&mut shared, interner) {
            if !interner.is_empty() {
                shared.intern(&interner.emit(EmitTo::All)?, &mut places)?;
            }
            cells.resize_with(shared.len(), CellBuffer::default);
        } else {
            places.push(0);
            cells.resize_with(1, CellBuffer::default);
        }
        if cells.len() > layout.max_cells {
            return Err(AccumulateError::TooLarge);
        }
        for (place, cell) in places.iter().zip(local_cells) {
            let target = cells.get_mut(*place).ok_or_else(lost)?;
            target.absorb(cell, &layout.shape);
        }
        for ((joined, local), translation) in pairs.iter_mut().zip(distinct).zip(translations) {
            let ids = translation.get(partition).ok_or_else(lost)?;
            for (cell, id) in local {
                let place = places.get(cell as usize).ok_or_else(lost)?;
                joined.push((*place, *ids.get(id as usize).ok_or_else(lost)?));
            }
        }
    }
    let keys = match shared {
        Some(mut shared) if !shared.is_empty() => {
            let mut arrays = shared.emit(EmitTo::All)?.into_iter();
            let column = |used: &bool| match used {
                true => arrays.next().map(|array| key_values(&array)).transpose(),
                false => Ok(None),
            };
            let columns = used.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            transpose(&columns, cells.len())
        }
        _ => vec![vec![KeyValue::Null; used.len()]; cells.len()],
    };
    let distinct = pairs.into_iter().map(|pairs| count_distinct(pairs, cells.len())).collect();
    Ok(WholeTable { keys, cells, distinct })
}

fn lost() -> AccumulateError {
    AccumulateError::Engine(DataFusionError::Internal("a cell or value was lost between partitions".to_owned()))
}

fn transpose(columns: &[Option<Vec<KeyValue>>], rows: usize) -> Vec<Vec<KeyValue>> {
    let value = |column: &Option<Vec<KeyValue>>, row: usize| {
        column.as_ref().and_then(|values| values.get(row)).cloned().unwrap_or(KeyValue::Null)
    };
    (0..rows).map(|row| columns.iter().map(|column| value(column, row)).collect()).collect()
}

fn count_distinct(mut pairs: Vec<(usize, usize)>, cells: usize) -> Vec<u64> {
    pairs.sort_unstable();
    pairs.dedup();
    let mut counts = vec![0u64; cells];
    for (cell, _) in pairs {
        if let Some(count) = counts.get_mut(cell) {
            *count += 1;
        }
    }
    counts
}

/// Finishes all cells of a table, on all processors.
fn finish_cells(
    query: &CheckedQuery,
    layout: &Layout,
    set: usize,
    whole: WholeTable,
) -> Result<Vec<CellEvidence>, AccumulateError> {
    let WholeTable { keys, cells, distinct } = whole;
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = cells.len().div_ceil(workers).max(1);
    let mut shares: Vec<Vec<CellBuffer>> = Vec::new();
    let mut rest = cells;
    while !rest.is_empty() {
        let tail = rest.split_off(share.min(rest.len()));
        shares.push(std::mem::replace(&mut rest, tail));
    }
    let finish = |share: Vec<CellBuffer>| -> Result<Vec<FinishedCell>, AccumulateError> {
        let mut order = PersonOrder::default();
        share.into_iter().map(|cell| cell.finish(&layout.shape, &mut order).map_err(AccumulateError::from)).collect()
    };
    let finished = std::thread::scope(|scope| {
        let handles: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| finish(share))).collect();
        let joined = handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| Err(lost())));
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    let with_keys = finished.into_iter().flatten().zip(keys).enumerate();
    let evidence = with_keys.filter(|(_, (cell, _))| cell.rows > 0).map(|(place, (cell, key))| {
        let counts: Vec<u64> = distinct.iter().map(|column| column.get(place).copied().unwrap_or_default()).collect();
        cell_evidence(query, layout, set, key, cell, &counts)
    });
    Ok(evidence.collect())
}

fn cell_evidence(
    query: &CheckedQuery,
    layout: &Layout,
    set: usize,
    key: Vec<KeyValue>,
    cell: FinishedCell,
    distinct: &[u64],
) -> CellEvidence {
    let FinishedCell { persons, rows, unattributed, aggregates } = cell;
    let person_count = persons.len();
    let aggregates = aggregates
        .into_iter()
        .zip(&query.boundary.aggregates)
        .enumerate()
        .map(|(index, (finished, spec))| {
            let supporting = finished.support.as_ref().map_or(person_count, roaring::RoaringBitmap::len);
            let counted = layout.distinct.iter().position(|(aggregate, _)| *aggregate == index);
            let value = match &spec.statistic {
                Statistic::Rows | Statistic::NonNull(_) => finished.carrying as f64,
                Statistic::Persons(_) => supporting as f64,
                Statistic::Distinct(_) => counted.and_then(|at| distinct.get(at)).copied().unwrap_or_default() as f64,
                Statistic::Sum(..) | Statistic::Avg(..) => finished.sum,
            };
            AggregateEvidence {
                value,
                support: finished.support,
                non_null_rows: finished.carrying,
                absolute_total: finished.absolute_total,
                largest: finished.largest,
                range: finished.range,
            }
        })
        .collect();
    CellEvidence {
        grouping_set: set,
        key,
        persons,
        rows,
        unattributed_rows: unattributed,
        second_units: None,
        aggregates,
    }
}

fn specs(query: &CheckedQuery) -> Vec<AggregateSpec> {
    let kind = |statistic: &Statistic| match statistic {
        Statistic::Rows => AggregateKind::CountRows,
        Statistic::Persons(_) => AggregateKind::CountPersons,
        Statistic::NonNull(_) => AggregateKind::CountNonNull,
        Statistic::Distinct(_) => AggregateKind::CountDistinct,
        Statistic::Sum(..) => AggregateKind::Sum,
        Statistic::Avg(..) => AggregateKind::Avg,
    };
    let outlines = query.aggregates.iter().zip(&query.boundary.aggregates);
    outlines
        .map(|(outline, spec)| AggregateSpec {
            name: outline.name.clone(),
            kind: kind(&spec.statistic),
            selective: outline.selective,
        })
        .collect()
}

fn keys(query: &CheckedQuery, catalog: &PermittedCatalog) -> Vec<KeyColumn> {
    let outlines = query.keys.iter().zip(&query.boundary.keys);
    outlines
        .map(|(outline, key)| {
            let column = key.base.as_ref().and_then(|base| {
                let column = catalog.tables.get(&base.0)?.contract.column(base.1.as_str())?;
                let codes = column.codes.as_ref()?;
                let mut domain: Vec<KeyValue> =
                    codes.0.iter().map(|(code, _)| contract_value(code, column.logical_type)).collect::<Option<_>>()?;
                if !column.required {
                    domain.push(KeyValue::Null);
                }
                domain.sort();
                domain.dedup();
                Some(domain)
            });
            KeyColumn { name: outline.name.clone(), domain: column }
        })
        .collect()
}

/// Declared zeros whose columns are all group keys. They are about one row of the table, so where the statement reads
/// it twice, keys may be of two rows and the declaration says nothing.
fn structural_zeros(query: &CheckedQuery, catalog: &PermittedCatalog) -> Vec<Vec<Option<KeyValue>>> {
    let keys = &query.boundary.keys;
    let mut zeros = Vec::new();
    for table in &query.read_once {
        let Some(contract) = catalog.tables.get(table).map(|table| &table.contract) else { continue };
        for zero in &contract.structural_zeros {
            let mut entry: Vec<Option<KeyValue>> = vec![None; keys.len()];
            let placed = zero.0.iter().all(|(column, value)| {
                let place = keys
                    .iter()
                    .position(|key| key.base.as_ref().is_some_and(|base| base.0 == *table && base.1 == *column));
                let value =
                    contract.column(column.as_str()).and_then(|found| contract_value(value, found.logical_type));
                match (place.and_then(|place| entry.get_mut(place)), value) {
                    (Some(slot), Some(value)) => {
                        *slot = Some(value);
                        true
                    }
                    _ => false,
                }
            });
            if placed {
                zeros.push(entry);
            }
        }
    }
    zeros
}
