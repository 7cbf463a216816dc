//! Where bad rows are remembered: which row, which field, which rule, and never the value.
//!
//! The table `<table>__quarantine` lies beside its table and is not in the contract, so no
//! query can reach it; the data holder learns from it what to mend.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use oscar_lake::{Lake, StagedTable, TableWriter, WriteMode};
use oscar_permit::{TableName, TableRef};

use crate::IntakeError;
use crate::check::Fault;
use crate::package::{QUARANTINE, ResourcePlan};

/// The quarantine of one table; its files begin with the first bad row.
pub(crate) struct Quarantine {
    table: TableRef,
    schema: SchemaRef,
    writer: Option<TableWriter>,
}

impl Quarantine {
    pub(crate) fn of(table: &TableRef) -> Result<Self, IntakeError> {
        let name = TableName::new(format!("{}{QUARANTINE}", table.table)).map_err(|_| IntakeError::Interrupted)?;
        let schema = Schema::new(vec![
            Field::new("row_number", DataType::Int64, false),
            Field::new("field", DataType::Utf8, true),
            Field::new("rule", DataType::Utf8, false),
        ]);
        Ok(Self { table: TableRef::new(table.dataset.clone(), name), schema: Arc::new(schema), writer: None })
    }

    /// Appends the faults of a block.
    pub(crate) async fn write(
        &mut self,
        lake: &Lake,
        plan: &ResourcePlan,
        first_row: u64,
        faults: &[Fault],
    ) -> Result<(), IntakeError> {
        if faults.is_empty() {
            return Ok(());
        }
        let batch = self.batch(plan, first_row, faults)?;
        let writer = if let Some(writer) = &mut self.writer {
            writer
        } else {
            let schema = Arc::clone(&self.schema);
            let writer = lake.table_writer(&self.table, schema, WriteMode::Replace, None).await?;
            self.writer.insert(writer)
        };
        Ok(writer.write(batch).await?)
    }

    fn batch(&self, plan: &ResourcePlan, first_row: u64, faults: &[Fault]) -> Result<RecordBatch, IntakeError> {
        let mut rows = Int64Builder::with_capacity(faults.len());
        let mut fields = StringBuilder::new();
        let mut rules = StringBuilder::new();
        for fault in faults {
            let row = first_row + u64::from(fault.row);
            rows.append_value(i64::try_from(row).map_err(|_| IntakeError::Interrupted)?);
            fields.append_option(field_name(plan, fault));
            rules.append_value(fault.rule.as_str());
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(rows.finish()), Arc::new(fields.finish()), Arc::new(rules.finish())];
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|_| IntakeError::Interrupted)
    }

    /// Completes the files, when there are any.
    pub(crate) async fn finish(self) -> Result<Option<StagedTable>, IntakeError> {
        match self.writer {
            Some(writer) => Ok(Some(writer.finish().await?)),
            None => Ok(None),
        }
    }
}

/// The field's name in the file.
pub(crate) fn field_name<'a>(plan: &'a ResourcePlan, fault: &Fault) -> Option<&'a str> {
    plan.fields.get(fault.field?).map(|field| field.source.as_str())
}
