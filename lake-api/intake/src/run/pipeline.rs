//! Threads and channels: one reader, workers in turn, blocks back in order.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::checked_block::{CheckedBlock, Worker};
use crate::package::ResourcePlan;
use crate::read::{Block, BlockSink, ReadError, read_resource};
use crate::{IntakeError, Refusal};

/// Blocks that wait on every way.
const WAITING: usize = 1;

type Raw = Result<Block, ReadError>;
type Checked = Result<CheckedBlock, IntakeError>;

/// Blocks of one resource, checked, in the order of their rows.
pub(crate) struct Pipeline {
    outputs: Vec<mpsc::Receiver<Checked>>,
    next: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts the threads; `worker` makes each worker.
    pub(crate) fn start(plan: &Arc<ResourcePlan>, workers: usize, mut worker: impl FnMut() -> Worker) -> Self {
        let mut inputs = Vec::with_capacity(workers);
        let mut outputs = Vec::with_capacity(workers);
        let mut threads = Vec::with_capacity(workers + 1);
        for _ in 0..workers.max(1) {
            let (input, blocks) = mpsc::channel(WAITING);
            let (results, output) = mpsc::channel(WAITING);
            let (worker, table) = (worker(), plan.table.clone());
            threads.push(tokio::task::spawn_blocking(move || work(worker, &table, blocks, &results)));
            inputs.push(input);
            outputs.push(output);
        }
        let plan = Arc::clone(plan);
        threads.push(tokio::task::spawn_blocking(move || {
            let mut dealer = Dealer { inputs, next: 0 };
            if let Err(error) = read_resource(&plan, &mut dealer) {
                dealer.deal(Err(error));
            }
        }));
        Self { outputs, next: 0, threads }
    }

    /// The next block; `None` after the last. A reader's error comes in its place.
    pub(crate) async fn next(&mut self) -> Option<Checked> {
        let turn = self.next % self.outputs.len().max(1);
        self.next += 1;
        self.outputs.get_mut(turn)?.recv().await
    }

    /// Waits until every thread has ended. Call it after the last block or to give up.
    pub(crate) async fn stop(self) -> Result<(), IntakeError> {
        let Self { outputs, next: _, threads } = self;
        // Threads that wait to hand something over notice that nobody wants it.
        drop(outputs);
        let mut ended = Ok(());
        for thread in threads {
            if thread.await.is_err() {
                ended = Err(IntakeError::Interrupted);
            }
        }
        ended
    }
}

/// Deals blocks to the workers in turn.
struct Dealer {
    inputs: Vec<mpsc::Sender<Raw>>,
    next: usize,
}

impl Dealer {
    fn deal(&mut self, block: Raw) -> bool {
        let turn = self.next % self.inputs.len().max(1);
        self.next += 1;
        self.inputs.get(turn).is_some_and(|input| input.blocking_send(block).is_ok())
    }
}

impl BlockSink for Dealer {
    fn send(&mut self, block: Block) -> Result<(), ReadError> {
        if self.deal(Ok(block)) { Ok(()) } else { Err(ReadError::Interrupted) }
    }
}

fn work(
    mut worker: Worker,
    table: &oscar_permit::TableName,
    mut blocks: mpsc::Receiver<Raw>,
    results: &mpsc::Sender<Checked>,
) {
    while let Some(block) = blocks.blocking_recv() {
        let result = match block {
            Ok(block) => worker.work(block),
            Err(source) => Err(Refusal::Read { table: table.clone(), source }.into()),
        };
        let failed = result.is_err();
        if results.blocking_send(result).is_err() || failed {
            return;
        }
    }
}
