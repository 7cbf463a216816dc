//! What one query may use.

use std::num::NonZero;
use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use serde::{Deserialize, Serialize};

/// Limits of one query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryLimits {
    /// Cells of all grouping sets. The profile's own limit is stricter; this one bounds memory.
    pub max_cells: usize,
    /// Bytes of the process that computes the query: three eighths are the engine's, as many the evidence's, one
    /// eighth the answer's, and the rest is for stacks and for pages on their way from the store.
    pub memory_bytes: usize,
    /// Bytes of scratch files for sorts and joins that do not fit.
    pub scratch_bytes: u64,
    /// Seconds until the query is stopped.
    pub deadline_seconds: u64,
    /// Threads; 0 means one per processor.
    pub threads: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { max_cells: 100_000, memory_bytes: 6 << 30, scratch_bytes: 20 << 30, deadline_seconds: 600, threads: 0 }
    }
}

impl QueryLimits {
    /// What the engine may hold, and what the evidence may.
    pub(crate) const fn share_bytes(&self) -> usize {
        self.memory_bytes / 8 * 3
    }

    /// Longest answer. Whoever waits for it holds the text and what it is read into.
    pub(crate) const fn answer_bytes(&self) -> u64 {
        (self.memory_bytes / 8) as u64
    }

    /// An engine session with these limits and nothing else in it.
    pub(crate) fn session(&self) -> datafusion::common::Result<SessionState> {
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        };
        let scratch = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::OsTmpDirectory)
            .with_max_temp_directory_size(self.scratch_bytes);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.share_bytes())))
            .with_disk_manager_builder(scratch)
            .build()?;
        let config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
        Ok(SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::new(runtime))
            .with_default_features()
            .build())
    }
}
