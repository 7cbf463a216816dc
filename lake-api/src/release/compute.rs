//! The seam to the query engine: what it is asked, and the files that a judged table becomes.

use std::sync::Arc;

use oscar_journal::ReleaseRecord;
use oscar_query::{CheckedQuery, FinishError, PinnedVersions, QueryJob, QueryLimits};
use oscar_vetting::VettedTable;

use super::error::ServiceError;
use super::findings::Outputs;
use crate::api::release::ContentFormat;
use crate::platform::Platform;
use crate::scope::Scope;

/// What the engine is asked: the statement on pinned versions, under the permit.
pub(crate) fn job(platform: &Platform, record: &ReleaseRecord, scope: &Scope, versions: &PinnedVersions) -> QueryJob {
    QueryJob {
        sql: record.submission().sql.clone(),
        catalog: Arc::clone(&scope.catalog),
        versions: versions.clone(),
        storage: platform.storage.clone(),
        limits: QueryLimits {
            memory_bytes: platform.limits.query_memory_bytes,
            deadline_seconds: platform.limits.query_seconds,
            ..QueryLimits::default()
        },
    }
}

/// The canonical files of a judged table.
pub(crate) async fn outputs(checked: &CheckedQuery, table: &VettedTable) -> Result<Outputs, ServiceError> {
    let finished = checked.finish(table).await.map_err(|error| match error {
        FinishError::ExecutionFailed => ServiceError::Arithmetic,
        FinishError::Shape => ServiceError::Internal("the judged table is not the statement's"),
    })?;
    let json = finished.to_json().map_err(|_| ServiceError::Internal("the result has no JSON form"))?;
    let parquet = finished.to_parquet().map_err(|_| ServiceError::Internal("the result has no Parquet form"))?;
    let mut outputs = Outputs::default();
    outputs.insert(ContentFormat::Csv, &finished.to_csv());
    outputs.insert(ContentFormat::Json, &json);
    outputs.insert(ContentFormat::Parquet, &parquet);
    Ok(outputs)
}
