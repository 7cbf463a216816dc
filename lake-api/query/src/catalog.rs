//! What a statement may see: the tables, columns and rows of one permit, with the
//! contracts in force.
//!
//! The catalog is plain data. The service builds it from the permit and the contracts
//! that the journal pins, the gate plans against it, and it travels to the worker
//! process, which runs the same gate again: nobody trusts a plan from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use oscar_permit::{
    ColumnContract, ColumnName, DataPermit, DatasetContract, DatasetName, LogicalType, PERSON_INDEX_COLUMN, RowFilter,
    TableContract, TableRef,
};
use serde::{Deserialize, Serialize};

/// The tables a statement may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermittedCatalog {
    /// The tables. What is not here does not exist for the statement.
    pub tables: BTreeMap<TableRef, PermittedTable>,
    /// How many literals one statement may hold (the profile's quota).
    pub max_literals: u32,
}

/// One table as a permit shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermittedTable {
    /// The contract in force.
    pub contract: TableContract,
    /// The columns that may be used.
    pub columns: BTreeSet<ColumnName>,
    /// The rows that may be used.
    pub row_filter: RowFilter,
}

/// The Delta version of every table a job reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PinnedVersions(pub BTreeMap<TableRef, u64>);

/// Why a permit and the contracts in force do not fit together. Names tables and
/// columns of the permit, never data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The permit's row filter reads a column that the table does not have. Ignoring the
    /// condition would show hidden rows, so the whole table is unusable.
    #[error(
        "the permit's row filter on {table} names column {column}, which the contract in force does not have; ask the permit's issuer to correct the filter"
    )]
    RowFilterColumn {
        /// The table.
        table: TableRef,
        /// The column that is not there.
        column: ColumnName,
    },
}

impl PermittedCatalog {
    /// Joins a permit with the contracts in force. Tables that a permit lists and no
    /// contract has are left out: they do not exist yet.
    ///
    /// # Errors
    /// [`CatalogError::RowFilterColumn`] when a row filter cannot be applied.
    pub fn from_permit(
        permit: &DataPermit,
        contracts: &BTreeMap<DatasetName, DatasetContract>,
        max_literals: u32,
    ) -> Result<Self, CatalogError> {
        let mut tables = BTreeMap::new();
        for grant in &permit.datasets {
            let Some(contract) = contracts.get(&grant.dataset) else { continue };
            for entry in &grant.tables {
                let Some(table) = contract.tables.get(&entry.table) else { continue };
                let reference = TableRef::new(grant.dataset.clone(), entry.table.clone());
                for column in entry.row_filter.columns() {
                    if table.column(column.as_str()).is_none() {
                        return Err(CatalogError::RowFilterColumn { table: reference, column: column.clone() });
                    }
                }
                let columns = table
                    .columns
                    .iter()
                    .filter(|column| entry.allows(column.name.as_str()))
                    .map(|column| column.name.clone())
                    .collect();
                let permitted =
                    PermittedTable { contract: table.clone(), columns, row_filter: entry.row_filter.clone() };
                tables.insert(reference, permitted);
            }
        }
        Ok(Self { tables, max_literals })
    }

    /// The table a statement means by `table` or `dataset.table`; a bare name must be unambiguous.
    pub(crate) fn resolve(&self, dataset: Option<&str>, table: &str) -> Option<(&TableRef, &PermittedTable)> {
        let mut found = self.tables.iter().filter(|(reference, _)| {
            reference.table.as_str() == table && dataset.is_none_or(|name| reference.dataset.as_str() == name)
        });
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

impl PermittedTable {
    /// The permitted columns in the contract's order.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &ColumnContract> {
        self.contract.columns.iter().filter(|column| self.columns.contains(&column.name))
    }

    /// The schema a statement is planned against; the hidden person column is not in it,
    /// so no statement can name it. Every column is nullable: the gate's reasoning must
    /// not depend on a promise that a delivery could break.
    pub(crate) fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .visible()
            .map(|column| Field::new(column.name.as_str(), arrow_type(column.logical_type), true))
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// The schema of a scan that carries the hidden person column last.
    pub(crate) fn carrying_schema(&self) -> SchemaRef {
        let mut fields: Vec<Arc<Field>> = self.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(PERSON_INDEX_COLUMN, DataType::Int32, true)));
        Arc::new(Schema::new(fields))
    }
}

/// The Arrow type of a contract type, as statements see it.
pub(crate) fn arrow_type(logical: LogicalType) -> DataType {
    match logical {
        LogicalType::Boolean => DataType::Boolean,
        LogicalType::Integer => DataType::Int64,
        LogicalType::Number => DataType::Float64,
        // As views: that is how the lake reads text, and what the engine computes with fastest.
        LogicalType::String => DataType::Utf8View,
        LogicalType::Date => DataType::Date32,
        LogicalType::Datetime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}
