//! A table as the permit shows it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::expressions::{Column, cast};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use super::barrier::BarrierExec;
use super::leak_proof::is_leak_proof;
use super::row_filter::predicate;
use crate::catalog::PermittedTable;

/// A pinned table behind the permit's columns and row filter.
#[derive(Debug)]
pub(crate) struct PolicyScan {
    inner: Arc<dyn TableProvider>,
    schema: SchemaRef,
    /// For every column of `schema` its place in the inner table.
    places: Vec<usize>,
    row_filter: Option<Expr>,
}

/// A table as a permit shows it: permitted columns and rows only, never the person column.
///
/// # Errors
/// When the table does not have the columns its contract promises.
pub fn guarded_table(inner: Arc<dyn TableProvider>, table: &PermittedTable) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(PolicyScan::new(inner, table, false)?))
}

impl PolicyScan {
    /// Puts the permit before `inner`. With `carry_person` the hidden person column is the
    /// last one.
    ///
    /// # Errors
    /// When the table lacks a column of its contract or has it in another type: then the
    /// contract does not describe this table and nothing of it may be shown.
    pub(crate) fn new(inner: Arc<dyn TableProvider>, table: &PermittedTable, carry_person: bool) -> Result<Self> {
        let schema = if carry_person { table.carrying_schema() } else { table.schema() };
        let stored = inner.schema();
        let mut places = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let place = stored.index_of(field.name()).map_err(|_| mismatch())?;
            if !same_type(stored.field(place).data_type(), field.data_type()) {
                return Err(mismatch());
            }
            places.push(place);
        }
        let column_type = |name: &str| stored.field_with_name(name).ok().map(|field| field.data_type().clone());
        let row_filter = predicate(&table.row_filter, column_type);
        Ok(Self { inner, schema, places, row_filter })
    }

    fn wanted(&self, projection: Option<&Vec<usize>>) -> Result<Vec<usize>> {
        let all: Vec<usize> = (0..self.places.len()).collect();
        let wanted = projection.cloned().unwrap_or(all);
        if wanted.iter().all(|&column| column < self.places.len()) { Ok(wanted) } else { Err(mismatch()) }
    }

    /// Columns to read: those asked for, then those only the row filter looks at.
    fn reading(&self, wanted: &[usize], stored: &Schema) -> Result<Vec<usize>> {
        let mut reading: Vec<usize> = wanted.iter().filter_map(|&column| self.places.get(column).copied()).collect();
        for column in self.row_filter.iter().flat_map(Expr::column_refs) {
            let place = stored.index_of(&column.name).map_err(|_| mismatch())?;
            if !reading.contains(&place) {
                reading.push(place);
            }
        }
        Ok(reading)
    }

    /// Filters that may skip parts of the table: the permit's own and leak-proof ones.
    fn hints(&self, filters: &[Expr]) -> Result<Vec<Expr>> {
        let leak_proof = filters.iter().filter(|filter| is_leak_proof(filter, &self.schema)).map(unqualified);
        let hints: Vec<Expr> = self.row_filter.iter().cloned().chain(leak_proof).collect();
        let support = self.inner.supports_filters_pushdown(&hints.iter().collect::<Vec<_>>())?;
        let usable = hints.into_iter().zip(support);
        Ok(usable
            .filter(|(_, support)| *support != TableProviderFilterPushDown::Unsupported)
            .map(|(hint, _)| hint)
            .collect())
    }
}

#[async_trait]
impl TableProvider for PolicyScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if is_leak_proof(filter, &self.schema) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // A limit below the row filter would count hidden rows; it is applied above.
        let stored = self.inner.schema();
        let wanted = self.wanted(projection)?;
        let reading = self.reading(&wanted, &stored)?;
        let scan = self.inner.scan(state, Some(&reading), &self.hints(filters)?, None).await?;
        let Some(row_filter) = &self.row_filter else {
            return self.project(scan, &wanted);
        };
        let read_schema = DFSchema::try_from(stored.project(&reading)?)?;
        let condition = state.create_physical_expr(row_filter.clone(), &read_schema)?;
        let filtered: Arc<dyn ExecutionPlan> = Arc::new(FilterExec::try_new(condition, scan)?);
        Ok(Arc::new(BarrierExec::new(self.project(filtered, &wanted)?)))
    }
}

impl PolicyScan {
    /// The wanted columns, which are the first of the input, under the permit's types.
    fn project(&self, input: Arc<dyn ExecutionPlan>, wanted: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
        let read = input.schema();
        let asked = self.schema.project(wanted)?;
        let unchanged = read.fields().len() == asked.fields().len()
            && read.fields().iter().zip(asked.fields()).all(|(one, other)| one.data_type() == other.data_type());
        if unchanged {
            return Ok(input);
        }
        let mut columns = Vec::with_capacity(asked.fields().len());
        for (place, field) in asked.fields().iter().enumerate() {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), place));
            let expr = cast(column, &read, field.data_type().clone())?;
            columns.push(ProjectionExpr { expr, alias: field.name().clone() });
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, input)?))
    }
}

/// Text is text, whether stored whole or as views; nothing else is converted.
fn same_type(stored: &DataType, promised: &DataType) -> bool {
    let text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    stored == promised || (text(stored) && text(promised))
}

/// The engine qualifies columns with the name the statement gave the table.
fn unqualified(filter: &Expr) -> Expr {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let stripped = filter.clone().transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(datafusion::common::Column::from_name(column.name))),
            other => Transformed::no(other),
        })
    });
    stripped.map_or_else(|_| filter.clone(), |transformed| transformed.data)
}

fn mismatch() -> DataFusionError {
    DataFusionError::Plan("the table does not have the columns its contract promises".to_owned())
}
