//! What the catalogue shows: the contracts in force, cut down to what permits allow.
//!
//! Sizes are rounded to two digits and never below a hundred, so that the catalogue does
//! not answer "did one more person appear". The hidden person column is in no contract,
//! so it cannot appear here.

use std::collections::{BTreeMap, BTreeSet};

use oscar_access::HeldGrant;
use oscar_journal::DatasetState;
use oscar_permit::{
    CodeList, ColumnContract, DatasetContract, DatasetName, LogicalType, TableContract, TableGrant, TableKind,
    TableName, Value,
};

use crate::api::catalogue::{Code, Column, Coverage, Dataset, Kind, Size, Table};
use crate::platform::Platform;
use crate::release::tag_code;
use crate::scope::ScopeError;

/// Everything the grants show, by name.
pub(crate) async fn datasets(platform: &Platform, grants: &[HeldGrant]) -> Result<Vec<Dataset>, ScopeError> {
    let names: BTreeSet<&DatasetName> =
        grants.iter().flat_map(|grant| &grant.permit.datasets).map(|grant| &grant.dataset).collect();
    let mut found = Vec::new();
    for name in names {
        found.extend(dataset(platform, grants, name).await?);
    }
    Ok(found)
}

/// One dataset, or `None` when no grant names it or nothing of it has been delivered.
pub(crate) async fn dataset(
    platform: &Platform,
    grants: &[HeldGrant],
    name: &DatasetName,
) -> Result<Option<Dataset>, ScopeError> {
    let mut permits = Vec::new();
    let mut shown: BTreeMap<&TableName, Vec<&TableGrant>> = BTreeMap::new();
    for grant in grants {
        for dataset in grant.permit.datasets.iter().filter(|dataset| dataset.dataset == *name) {
            permits.push(grant.permit.id.to_string());
            for table in &dataset.tables {
                shown.entry(&table.table).or_default().push(table);
            }
        }
    }
    let state = platform.journal.state();
    let Some(visible) = state.dataset(name).filter(|_| !permits.is_empty()) else { return Ok(None) };
    let contract = platform.contracts.get(name, &visible.contract).await?;
    Ok(Some(describe(&contract, visible, permits, &shown)))
}

fn describe(
    contract: &DatasetContract,
    visible: &DatasetState,
    permits: Vec<String>,
    shown: &BTreeMap<&TableName, Vec<&TableGrant>>,
) -> Dataset {
    let tables = contract.tables.iter().filter_map(|(name, table)| {
        let grants = shown.get(name)?;
        let delivered = visible.tables.get(name)?;
        Some(describe_table(name, table, grants, delivered.rows))
    });
    Dataset {
        dataset: contract.dataset.to_string(),
        title: contract.title.clone(),
        description: contract.description.clone(),
        holder: contract.holder.clone(),
        coverage: contract.coverage.map(|(from, until)| Coverage { from, until }),
        delivered: visible.time,
        permits,
        tables: tables.collect(),
    }
}

fn describe_table(name: &TableName, table: &TableContract, grants: &[&TableGrant], rows: u64) -> Table {
    let allowed = |column: &&ColumnContract| grants.iter().any(|grant| grant.allows(column.name.as_str()));
    let person_key = table.person_key().filter(|key| grants.iter().any(|grant| grant.allows(key.as_str())));
    Table {
        table: name.to_string(),
        title: table.title.clone(),
        description: table.description.clone(),
        kind: match &table.kind {
            TableKind::Persons { .. } => Kind::Persons,
            TableKind::Reference => Kind::Reference,
        },
        person_key: person_key.map(ToString::to_string),
        rows: rounded(rows),
        filtered: grants.iter().all(|grant| !grant.row_filter.0.is_empty()),
        columns: table.columns.iter().filter(allowed).map(describe_column).collect(),
    }
}

fn describe_column(column: &ColumnContract) -> Column {
    Column {
        name: column.name.to_string(),
        logical_type: type_name(column.logical_type).to_owned(),
        title: column.title.clone(),
        description: column.description.clone(),
        required: column.required,
        codes: column.codes.as_ref().map(codes),
        tags: column.tags.iter().map(|tag| tag_code(*tag).to_owned()).collect(),
    }
}

fn codes(CodeList(codes): &CodeList) -> Vec<Code> {
    codes.iter().map(|(code, label)| Code { code: code_text(code), label: label.clone() }).collect()
}

fn code_text(code: &Value) -> String {
    match code {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(value) => value.clone(),
    }
}

const fn type_name(logical: LogicalType) -> &'static str {
    match logical {
        LogicalType::Boolean => "boolean",
        LogicalType::Integer => "integer",
        LogicalType::Number => "number",
        LogicalType::String => "string",
        LogicalType::Date => "date",
        LogicalType::Datetime => "datetime",
    }
}

/// Two significant digits; below a hundred only that.
pub(crate) fn rounded(rows: u64) -> Size {
    if rows < 100 {
        return Size { about: 100, fewer: true };
    }
    let unit = 10_u64.saturating_pow(rows.ilog10().saturating_sub(1));
    Size { about: rows.saturating_add(unit / 2) / unit * unit, fewer: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_do_not_tell_whether_one_more_row_came() {
        let about = |rows| rounded(rows).about;
        assert_eq!(rounded(0), rounded(99));
        assert_eq!(about(100), 100);
        assert_eq!(about(12_345), 12_000);
        assert_eq!(about(12_500), 13_000);
        assert_eq!(about(9_999), 10_000);
        assert_eq!(about(1_234_567), 1_200_000);
        assert_eq!(about(u64::MAX) % 1_000_000_000_000_000_000, 0);
    }
}
