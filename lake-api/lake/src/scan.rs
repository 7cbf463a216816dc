//! A pinned version as a DataFusion table.
//!
//! The files of a version are plain Parquet, so they are read by DataFusion's own Parquet
//! source: the same speed as bare DataFusion, statistics pruning included, and no second
//! implementation that could filter differently. Writing through a query is impossible: the
//! provider has no insert.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::{ParquetFormat, transform_schema_to_view};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use object_store::ObjectStore;
use url::Url;

use crate::pseudonym::{is_stored_pseudonym, letters_of};
use crate::snapshot::TableSnapshot;
use crate::table_location::TableLocation;
use crate::{DataFile, TableError};

/// One version of one table.
#[derive(Debug)]
pub(crate) struct PinnedTable {
    /// What a query sees.
    schema: SchemaRef,
    /// What is in the files: pseudonyms as bytes.
    stored: SchemaRef,
    files: Vec<DataFile>,
    store: Arc<dyn ObjectStore>,
    url: Url,
}

impl PinnedTable {
    pub(crate) fn new(location: &TableLocation, snapshot: &TableSnapshot) -> Result<Self, TableError> {
        // Text as views: see `scan_type`.
        let stored = transform_schema_to_view(&snapshot.schema());
        Ok(Self {
            schema: Arc::new(with_letters(&stored)),
            stored: Arc::new(stored),
            files: snapshot.files(location)?,
            store: location.storage().scanned(),
            url: location.storage_url()?,
        })
    }

    fn row_statistics(&self) -> Statistics {
        let rows = self.files.iter().map(|file| file.rows).sum::<u64>();
        let rows = usize::try_from(rows).map_or(Precision::Absent, Precision::Exact);
        Statistics { num_rows: rows, ..Statistics::new_unknown(&self.schema) }
    }

    fn file_groups(&self, partitions: usize) -> Vec<FileGroup> {
        let files = self.files.iter().map(|file| PartitionedFile::new(file.path.to_string(), file.size)).collect();
        FileGroup::new(files).split_files(partitions.max(1))
    }
}

#[async_trait]
impl TableProvider for PinnedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.row_statistics())
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Filters may skip row groups; every row is still filtered above the scan.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        state.runtime_env().register_object_store(&self.url, Arc::clone(&self.store));
        let url = ObjectStoreUrl::parse(&self.url).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let source = Arc::new(ParquetSource::new(Arc::clone(&self.stored)));
        let config = FileScanConfigBuilder::new(url, source)
            .with_file_groups(self.file_groups(state.config().target_partitions()))
            .with_statistics(self.row_statistics())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        let format = ParquetFormat::default().with_options(state.table_options().parquet.clone());
        let scan = format.create_physical_plan(state, config).await?;
        make_letters(scan, &Arc::new(state.config_options().clone()))
    }
}

/// The schema of a table whose pseudonyms have become letters.
fn with_letters(stored: &Schema) -> Schema {
    let fields = stored.fields().iter().map(|field| {
        let read = field.as_ref().clone();
        if is_stored_pseudonym(field.data_type()) { read.with_data_type(DataType::Utf8View) } else { read }
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// Makes the letters of the pseudonyms that are read; a scan that reads none stays as it is.
fn make_letters(scan: Arc<dyn ExecutionPlan>, options: &Arc<ConfigOptions>) -> Result<Arc<dyn ExecutionPlan>> {
    let read = scan.schema();
    if !read.fields().iter().any(|field| is_stored_pseudonym(field.data_type())) {
        return Ok(scan);
    }
    let mut columns = Vec::with_capacity(read.fields().len());
    for (place, field) in read.fields().iter().enumerate() {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), place));
        let expr = if is_stored_pseudonym(field.data_type()) { letters_of(column, &read, options)? } else { column };
        columns.push(ProjectionExpr { expr, alias: field.name().clone() });
    }
    Ok(Arc::new(ProjectionExec::try_new(columns, scan)?))
}
