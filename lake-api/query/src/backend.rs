//! Who computes the evidence: this process, or a worker process of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use oscar_lake::{Lake, Storage, StorageConfig};
use oscar_permit::TableRef;
use oscar_vetting::Evidence;
use serde::{Deserialize, Serialize};

use crate::catalog::{PermittedCatalog, PinnedVersions};
use crate::evidence::{AccumulateError, Bounds, collect};
use crate::gate::{CheckedQuery, check};
use crate::limits::QueryLimits;

/// Everything a backend needs to compute one query's evidence. Plain data: it crosses the
/// pipe to the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryJob {
    /// The statement.
    pub sql: String,
    /// What it may see.
    pub catalog: Arc<PermittedCatalog>,
    /// The versions to read.
    pub versions: PinnedVersions,
    /// Where the lake is.
    pub storage: StorageConfig,
    /// What it may use.
    pub limits: QueryLimits,
}

/// Why there is no evidence. Neutral: whatever failed while rows were read looks the same,
/// because the difference could tell something about the rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "error", content = "detail")]
pub enum QueryError {
    /// The gate says no; the code is the gate's.
    #[error("the statement was refused by the gate: {0}")]
    Refused(String),
    /// The query failed on some row, or at all.
    #[error(
        "the query failed while it was computed; check divisions, casts and the size of numbers, guard them with CASE or TRY_CAST, and try again"
    )]
    ExecutionFailed,
    /// Too many cells, persons or bytes.
    #[error(
        "the query needs more memory or makes more cells than one query may; use coarser groups or fewer aggregates"
    )]
    TooLarge,
    /// The deadline has passed.
    #[error("the query took longer than it may; use fewer joins or a smaller table")]
    Deadline,
    /// A table cannot be read at its version.
    #[error("table {0} cannot be read at the version that was accepted; tell the operator")]
    TableUnavailable(TableRef),
    /// The lake or the worker is not there.
    #[error("the query worker or the lake is not available; try again later, and tell the operator if it stays")]
    Unavailable,
}

impl QueryError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::ExecutionFailed => "execution-failed",
            Self::TooLarge => "too-large",
            Self::Deadline => "deadline",
            Self::TableUnavailable(_) => "table-unavailable",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Computes evidence. Dropping the future stops the computation.
#[async_trait]
pub trait QueryBackend: Send + Sync {
    /// The evidence of one job.
    async fn evidence(&self, job: &QueryJob) -> Result<Evidence, QueryError>;
}

/// Computes in this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

#[async_trait]
impl QueryBackend for InProcess {
    async fn evidence(&self, job: &QueryJob) -> Result<Evidence, QueryError> {
        // The gate judges here again: a plan from outside is never trusted.
        let query = check(&job.sql, &job.catalog).map_err(|refusal| QueryError::Refused(refusal.code.to_string()))?;
        let storage = Storage::open(&job.storage).map_err(|error| private(&error, QueryError::Unavailable))?;
        let lake = Lake::new(storage.clone());
        let mut tables = BTreeMap::new();
        for table in &query.tables {
            let unavailable = || QueryError::TableUnavailable(table.clone());
            let version = job.versions.0.get(table).ok_or_else(unavailable)?;
            let provider = lake.provider(table, *version).await.map_err(|error| private(&error, unavailable()))?;
            tables.insert(table.clone(), provider);
        }
        let evidence = evidence_from_tables(&query, &job.catalog, &job.versions, &tables, &job.limits).await;
        match evidence {
            // Nothing that lies in the statement, and another time it may work.
            Err(_) if storage.has_failed_a_scan() => Err(QueryError::Unavailable),
            evidence => evidence,
        }
    }
}

/// The evidence of a checked query over tables that are already open. [`InProcess`] uses it
/// with tables of the lake.
///
/// # Errors
/// See [`QueryError`]; everything that fails on rows is [`QueryError::ExecutionFailed`].
pub async fn evidence_from_tables(
    query: &CheckedQuery,
    catalog: &PermittedCatalog,
    versions: &PinnedVersions,
    tables: &BTreeMap<TableRef, Arc<dyn TableProvider>>,
    limits: &QueryLimits,
) -> Result<Evidence, QueryError> {
    let state = limits.session().map_err(|error| private(&error, QueryError::Unavailable))?;
    let bounds = Bounds { max_cells: limits.max_cells, max_bytes: limits.share_bytes() };
    let collected = collect(query, catalog, versions, tables, &state, bounds);
    let deadline = Duration::from_secs(limits.deadline_seconds);
    match tokio::time::timeout(deadline, collected).await {
        Err(_) => Err(QueryError::Deadline),
        Ok(Ok(evidence)) => Ok(evidence),
        Ok(Err(error)) => Err(neutral(&error)),
    }
}

fn neutral(error: &AccumulateError) -> QueryError {
    let public = match error {
        AccumulateError::TooLarge => QueryError::TooLarge,
        AccumulateError::Engine(engine) if is_resources(engine) => QueryError::TooLarge,
        AccumulateError::Engine(_) | AccumulateError::Arrow(_) => QueryError::ExecutionFailed,
    };
    private(error, public)
}

fn is_resources(error: &datafusion::common::DataFusionError) -> bool {
    matches!(error.find_root(), datafusion::common::DataFusionError::ResourcesExhausted(_))
}

/// The private message goes to the log inside the workspace, the public error outside.
fn private(error: &dyn std::error::Error, public: QueryError) -> QueryError {
    tracing::warn!(target: "oscar_query::private", code = public.code(), error = %error, "a query failed");
    public
}
