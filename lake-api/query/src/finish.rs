//! From vetted cells to the result the statement asks for.
//!
//! What stands above the boundary (projection, HAVING, ORDER BY, LIMIT) runs over the
//! vetted table and sees rounded values and NULL for what is suppressed, nothing else. It
//! runs on one thread over rows in canonical order, so the same vetted table always gives
//! the same result.
//!
//! **It does not fail on a value.** A failure would say something about the cells (which of
//! them is zero, for example) in a release that the ledger then knows nothing of. So a
//! value for which an expression would fail gives NULL, which is the mark (see [`crate::total`]),
//! and if something fails all the same, all measures are hidden.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast, concat_batches, nullif};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimeUnit};
use arrow::util::display::FormatOptions;
use datafusion::common::{Column, DataFusionError, Result as EngineResult};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use oscar_vetting::{KeyValue, VettedTable, VettedValue};

use crate::gate::{CheckedQuery, OutputRole};
use crate::output::{OutputColumn, OutputTable};
use crate::total::total;

/// A cast that gives NULL where it cannot be made.
const SAFE: CastOptions<'static> = CastOptions { safe: true, format_options: FormatOptions::new() };

/// Why there is no result. Neutral.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FinishError {
    /// The vetted table does not belong to this statement.
    #[error("the vetted table does not have the keys and aggregates of the statement")]
    Shape,
    /// The statement's upper part fails whatever the values are.
    #[error("arithmetic on the result fails whatever the values are; divide and cast after the release")]
    ExecutionFailed,
}

impl CheckedQuery {
    /// Runs the statement's upper part over the vetted cells.
    ///
    /// # Errors
    /// [`FinishError::Shape`] when the table is not this statement's, and
    /// [`FinishError::ExecutionFailed`] when arithmetic fails whatever the values are.
    pub async fn finish(&self, vetted: &VettedTable) -> Result<OutputTable, FinishError> {
        let failed = |error: DataFusionError| {
            tracing::warn!(target: "oscar_query::private", %error, "finishing a result failed");
            FinishError::ExecutionFailed
        };
        let cells = self.vetted_batch(vetted)?;
        let batch = match self.run_above(cells.clone()).await {
            Ok(batch) => batch,
            Err(error) => {
                failed(error);
                let hidden = self.without_measures(&cells)?;
                self.run_above(hidden).await.map_err(failed)?
            }
        };
        self.output_table(&batch)
    }

    /// The same cells with every measure hidden.
    fn without_measures(&self, cells: &RecordBatch) -> Result<RecordBatch, FinishError> {
        let columns = cells.columns().iter().enumerate().map(|(place, column)| {
            if place < self.boundary.keys.len() {
                Arc::clone(column)
            } else {
                new_null_array(column.data_type(), column.len())
            }
        });
        let options = RecordBatchOptions::new().with_row_count(Some(cells.num_rows()));
        RecordBatch::try_new_with_options(cells.schema(), columns.collect(), &options).map_err(|_| FinishError::Shape)
    }

    /// The vetted cells under the types of the boundary's output.
    fn vetted_batch(&self, vetted: &VettedTable) -> Result<RecordBatch, FinishError> {
        let boundary = &self.boundary;
        let shape = |fits: bool| if fits { Ok(()) } else { Err(FinishError::Shape) };
        shape(vetted.keys.len() == boundary.keys.len() && vetted.aggregates.len() == boundary.aggregates.len())?;
        for row in &vetted.rows {
            shape(row.key.len() == boundary.keys.len() && row.values.len() == boundary.aggregates.len())?;
        }
        let types: Vec<DataType> = boundary.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let first_value = boundary.keys.len() + usize::from(boundary.has_grouping_id);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(types.len());
        for (place, data_type) in types.iter().enumerate() {
            let column = if place < boundary.keys.len() {
                let keys = vetted.rows.iter().filter_map(|row| row.key.get(place));
                array(keys.map(key_scalar), data_type)
            } else if place < first_value {
                // Nothing may read the grouping id, so it needs no value.
                Ok(new_null_array(data_type, vetted.rows.len()))
            } else {
                let values = vetted.rows.iter().filter_map(|row| row.values.get(place - first_value));
                array(values.map(|value| value_scalar(*value)), data_type)
            };
            columns.push(column.map_err(|_| FinishError::Shape)?);
        }
        let fields: Vec<Field> = types
            .iter()
            .enumerate()
            .map(|(place, data_type)| Field::new(format!("c{place}"), data_type.clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(vetted.rows.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|_| FinishError::Shape)
    }

    async fn run_above(&self, cells: RecordBatch) -> EngineResult<RecordBatch> {
        let table = MemTable::try_new(cells.schema(), vec![vec![cells]])?;
        let scan = LogicalPlanBuilder::scan("__oscar_vetted", provider_as_source(Arc::new(table)), None)?;
        let named = self.boundary.schema.iter().enumerate().map(|(place, (qualifier, field))| {
            let column = Expr::Column(Column::new(Some("__oscar_vetted"), format!("c{place}")));
            column.alias_qualified(qualifier.cloned(), field.name())
        });
        let cells = scan.project(named.collect::<Vec<_>>())?.build()?;
        let plan = above(&self.plan, cells)?;
        let frame = plainly().execute_logical_plan(plan).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        Ok(concat_batches(&schema, &batches)?)
    }

    fn output_table(&self, batch: &RecordBatch) -> Result<OutputTable, FinishError> {
        if batch.num_columns() != self.output.len() {
            return Err(FinishError::Shape);
        }
        let mut columns = Vec::with_capacity(self.output.len());
        let mut arrays = Vec::with_capacity(self.output.len());
        for (outline, array) in self.output.iter().zip(batch.columns()) {
            let plain = plain(array, outline.role).map_err(|_| FinishError::ExecutionFailed)?;
            columns.push(OutputColumn {
                name: outline.name.clone(),
                data_type: plain.data_type().clone(),
                role: outline.role,
            });
            arrays.push(plain);
        }
        OutputTable::new(columns, arrays, batch.num_rows()).ok_or(FinishError::Shape)
    }
}

/// An engine that computes a plan as it stands. The cells are few and the statement is anybody's: an optimiser that
/// puts expressions into one another makes 2³⁵ terms of 35 columns, each of which is the last one twice.
fn plainly() -> SessionContext {
    let state = SessionStateBuilder::new()
        .with_config(SessionConfig::new().with_target_partitions(1))
        .with_default_features()
        .with_optimizer_rules(Vec::new())
        .with_physical_optimizer_rules(Vec::new())
        .build();
    SessionContext::new_with_state(state)
}

/// The plan with the boundary replaced by vetted cells. Above the boundary the gate allows
/// nodes of one input only, so the way down is a line.
fn above(plan: &LogicalPlan, cells: LogicalPlan) -> EngineResult<LogicalPlan> {
    match plan {
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(Distinct::All(_)) => Ok(cells),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_) => match plan.inputs().as_slice() {
            [input] => {
                let names = NamePreserver::new(plan);
                let exprs = plan.expressions().into_iter().map(|expr| {
                    let name = names.save(&expr);
                    total(expr, input.schema()).map(|expr| name.restore(expr))
                });
                plan.with_new_exprs(exprs.collect::<EngineResult<_>>()?, vec![above(input, cells)?])
            }
            _ => Err(unexpected()),
        },
        _ => Err(unexpected()),
    }
}

fn unexpected() -> DataFusionError {
    DataFusionError::Internal("a node above the boundary that the gate does not allow".to_owned())
}

fn key_scalar(key: &KeyValue) -> ScalarValue {
    match key {
        KeyValue::Null => ScalarValue::Null,
        KeyValue::Boolean(flag) => ScalarValue::Boolean(Some(*flag)),
        KeyValue::Integer(number) => ScalarValue::Int64(Some(*number)),
        KeyValue::Number(number) => ScalarValue::Float64(Some(number.get())),
        KeyValue::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        KeyValue::Date(days) => ScalarValue::Date32(Some(*days)),
        KeyValue::Timestamp(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into())),
    }
}

fn value_scalar(value: Option<VettedValue>) -> ScalarValue {
    match value {
        None => ScalarValue::Null,
        Some(VettedValue::Count(count)) => ScalarValue::Int64(i64::try_from(count).ok()),
        Some(VettedValue::Decimal(number)) => ScalarValue::Float64(Some(number.get())),
    }
}

fn array(values: impl Iterator<Item = ScalarValue>, data_type: &DataType) -> EngineResult<ArrayRef> {
    let typed = |value: ScalarValue| match (value, data_type) {
        (ScalarValue::Null, _) => ScalarValue::try_from(data_type),
        // The sum of integers is an integer in SQL; rounding to significant digits may
        // leave a fraction only below 1. One that is too large has no value, like everything that would fail.
        (ScalarValue::Float64(Some(number)), DataType::Int64) => {
            ScalarValue::Float64(Some(number.round())).cast_to_with_options(data_type, &SAFE)
        }
        (value, _) => value.cast_to_with_options(data_type, &SAFE),
    };
    let typed: Vec<ScalarValue> = values.map(typed).collect::<EngineResult<_>>()?;
    if typed.is_empty() { Ok(new_null_array(data_type, 0)) } else { ScalarValue::iter_to_array(typed) }
}

/// A column in one of the seven types that leave; a measure that is no number is the mark.
fn plain(array: &ArrayRef, role: OutputRole) -> Result<ArrayRef, arrow::error::ArrowError> {
    let target = match array.data_type() {
        DataType::Boolean => DataType::Boolean,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => DataType::Int64,
        DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _) => DataType::Float64,
        DataType::Date32 => DataType::Date32,
        DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        other => return Err(arrow::error::ArrowError::CastError(format!("{other} does not leave"))),
    };
    let plain = cast(array, &target)?;
    if role == OutputRole::Measure && target == DataType::Float64 {
        let numbers = arrow::array::AsArray::as_primitive::<Float64Type>(&plain);
        let broken: arrow::array::BooleanArray =
            numbers.iter().map(|number| Some(number.is_some_and(|number| !number.is_finite()))).collect();
        return nullif(&plain, &broken);
    }
    Ok(plain)
}
