//! Runs the carried plan and collects evidence, one accumulator per partition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::catalog::TableProvider;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use oscar_permit::TableRef;
use oscar_vetting::Evidence;
use tokio::task::JoinSet;

use super::accumulate::{AccumulateError, Accumulator, Layout};
use super::assemble::assemble;
use super::carry::{Sources, carry};
use crate::catalog::{PermittedCatalog, PinnedVersions};
use crate::gate::CheckedQuery;
use crate::scan::BarrierExec;

/// What one collection may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) max_cells: usize,
    pub(crate) max_bytes: usize,
}

/// Collects the evidence of a checked query over the given tables.
pub(crate) async fn collect(
    query: &CheckedQuery,
    catalog: &PermittedCatalog,
    versions: &PinnedVersions,
    providers: &BTreeMap<TableRef, Arc<dyn TableProvider>>,
    state: &SessionState,
    bounds: Bounds,
) -> Result<Evidence, AccumulateError> {
    let carried = carry(&query.boundary, &Sources { catalog, providers })?;
    let schema = Arc::new(carried.plan.schema().as_arrow().clone());
    let layout = Arc::new(Layout::new(&query.boundary, carried.inputs, carried.person, schema, bounds.max_cells));
    let physical = state.create_physical_plan(&carried.plan).await?;
    // A root that gains from partitions makes the engine split files between threads, as
    // it does below an aggregation.
    let root: Arc<dyn ExecutionPlan> = Arc::new(BarrierExec::new(physical));
    let root = EnsureRequirements::new().optimize(root, state.config().options())?;
    let partitions = run(&root, &state.task_ctx(), &layout, bounds.max_bytes).await?;
    let (query, catalog, versions) = (query.clone(), catalog.clone(), versions.clone());
    let assembled =
        tokio::task::spawn_blocking(move || assemble(&query, &catalog, &versions, &layout, partitions)).await;
    assembled.unwrap_or_else(|_| Err(stopped()))
}

/// Runs every partition as a task; dropping the future stops them all.
async fn run(
    root: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    layout: &Arc<Layout>,
    max_bytes: usize,
) -> Result<Vec<Accumulator>, AccumulateError> {
    let held = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for partition in 0..root.output_partitioning().partition_count() {
        let mut batches = root.execute(partition, Arc::clone(context))?;
        let mut accumulator = Accumulator::new(Arc::clone(layout))?;
        let held = Arc::clone(&held);
        tasks.spawn(async move {
            let mut mine = 0usize;
            while let Some(batch) = batches.next().await {
                let Some(bytes) = accumulator.push(&batch?)? else { continue };
                let before = held.fetch_add(bytes, Ordering::Relaxed);
                held.fetch_sub(mine, Ordering::Relaxed);
                if before.saturating_sub(mine) + bytes > max_bytes {
                    return Err(AccumulateError::TooLarge);
                }
                mine = bytes;
            }
            Ok((partition, accumulator.finish()?))
        });
    }
    let mut finished = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        finished.push(joined.unwrap_or_else(|_| Err(stopped()))?);
    }
    finished.sort_by_key(|(partition, _)| *partition);
    Ok(finished.into_iter().map(|(_, accumulator)| accumulator).collect())
}

fn stopped() -> AccumulateError {
    AccumulateError::Engine(datafusion::common::DataFusionError::Execution("a task was stopped".to_owned()))
}
