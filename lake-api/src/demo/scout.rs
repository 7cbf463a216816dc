//! The demo's author looks at the lake beforehand, to choose questions that show something.
//! This is no way into the product: it reads the files of the data directory, as whoever
//! owns the machine can, and the product is told nothing of what it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider as _};
use datafusion::prelude::SessionContext;
use oscar_lake::{Lake, Storage, StorageConfig};
use oscar_permit::TableRef;

use super::scenario::{Group, Shape};
use crate::cli::CliError;

/// A table with more groups than this is none that a person would read.
const MOST_GROUPS: u64 = 300;

/// Reads the lake of a data directory.
pub(super) struct Scout(SessionContext);

impl Scout {
    /// Opens the delivered tables at their delivered versions.
    pub(super) async fn open(directory: &Path, versions: &BTreeMap<TableRef, u64>) -> Result<Self, CliError> {
        let storage = Storage::open(&StorageConfig::Local { root: directory.join("tenant") }).map_err(failed)?;
        let (lake, session) = (Lake::new(storage), SessionContext::new());
        let catalog = session.catalog("datafusion").ok_or_else(|| failed("no catalog"))?;
        let datasets: BTreeSet<_> = versions.keys().map(|table| table.dataset.as_str()).collect();
        for dataset in datasets {
            let schema = Arc::new(MemorySchemaProvider::new());
            for (table, version) in versions.iter().filter(|(table, _)| table.dataset.as_str() == dataset) {
                let provider = lake.provider(table, *version).await.map_err(failed)?;
                schema.register_table(table.table.to_string(), provider).map_err(failed)?;
            }
            catalog.register_schema(dataset, schema).map_err(failed)?;
        }
        Ok(Self(session))
    }

    /// The groups of every shape, or nothing for one that has too many.
    pub(super) async fn all_groups(&self, shapes: &[Shape]) -> Result<Vec<Option<Vec<Group>>>, CliError> {
        let mut all = Vec::with_capacity(shapes.len());
        for shape in shapes {
            all.push(self.groups(shape).await?);
        }
        Ok(all)
    }

    async fn groups(&self, shape: &Shape) -> Result<Option<Vec<Group>>, CliError> {
        let counted = self.rows(&shape.group_count_sql()).await?;
        if counted.iter().any(|group| group.persons > MOST_GROUPS) {
            return Ok(None);
        }
        Ok(Some(self.rows(&shape.sql()).await?))
    }

    /// Rows of key columns and, last, a number.
    async fn rows(&self, sql: &str) -> Result<Vec<Group>, CliError> {
        let batches = self.0.sql(sql).await.map_err(failed)?.collect().await.map_err(failed)?;
        let mut groups = Vec::new();
        for batch in &batches {
            let Some((numbers, keys)) = batch.columns().split_last() else { continue };
            let numbers = numbers.as_primitive_opt::<Int64Type>().ok_or_else(|| failed("not a number"))?;
            for (row, number) in numbers.iter().enumerate() {
                let absent = keys.iter().any(|key| key.is_null(row));
                let key: Result<Vec<String>, _> = keys.iter().map(|key| array_value_to_string(key, row)).collect();
                let persons = number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
                groups.push(Group { key: (!absent).then_some(key.map_err(failed)?), persons });
            }
        }
        Ok(groups)
    }
}

/// The private message may hold values: it goes to the log, not to the screen.
fn failed(error: impl std::fmt::Display) -> CliError {
    tracing::debug!(%error, "looking at the lake failed");
    CliError::Failed("the demo could not look at the lake it has just filled".into())
}
