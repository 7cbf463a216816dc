//! One table of a delivery: from its files to staged files in the lake.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::{Int32Type, SchemaRef};
use oscar_lake::{Lake, StagedTable, TableWriter, WriteMode, arrow_schema, person_index_from_storage};
use oscar_permit::{TableContract, TableRef};
use roaring::RoaringBitmap;

use super::checked_block::{CheckedBlock, Worker, mark};
use super::person_set::PersonSet;
use super::persons::PersonServices;
use super::pipeline::Pipeline;
use super::quarantine::{Quarantine, field_name};
use crate::check::{Fault, KeyHasher, KeySet, LeakCount, LeakJudgement, Rule};
use crate::package::{FieldsMatch, FileFormat, PersonPlan, ResourcePlan};
use crate::read::ReadError;
use crate::{IntakeError, Progress, Refusal, TableReport};

/// After so many bad rows, and when they are more than this share of all, the rest is not read.
const HOPELESS_ROWS: u64 = 1_000_000;
const HOPELESS_SHARE: f64 = 0.5;

/// A table whose files are complete and still invisible.
pub(crate) struct TakenIn {
    pub(crate) staged: StagedTable,
    pub(crate) quarantine: Option<StagedTable>,
    /// The keys that others refer to, by `ResourcePlan::provides`.
    pub(crate) provided: Vec<Arc<KeySet>>,
    pub(crate) persons: RoaringBitmap,
    pub(crate) report: TableReport,
}

/// What a table needs of its delivery.
pub(crate) struct TableContext<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) table: TableRef,
    pub(crate) contract: &'a TableContract,
    pub(crate) mode: WriteMode,
    /// The version that rows are added to.
    pub(crate) base_version: Option<u64>,
    pub(crate) quarantine_share: f64,
    pub(crate) services: &'a PersonServices,
    pub(crate) hasher: &'a KeyHasher,
    pub(crate) referenced: Vec<Arc<KeySet>>,
    pub(crate) workers: usize,
    pub(crate) progress: &'a dyn Progress,
}

/// Takes one table in.
pub(crate) async fn take_in(plan: &Arc<ResourcePlan>, context: &TableContext<'_>) -> Result<TakenIn, IntakeError> {
    let bytes = plan.files.iter().filter_map(|file| std::fs::metadata(&file.path).ok()).map(|file| file.len()).sum();
    context.progress.table(&plan.table, bytes);
    let cache = Arc::default();
    let mut pipeline = Pipeline::start(plan, context.workers, || {
        Worker::new(Arc::clone(plan), context.hasher.clone(), context.referenced.clone(), context.services, &cache)
    });
    let result = collect(plan, context, &mut pipeline).await;
    // The threads end whatever happened; their failure matters only when nothing else failed.
    let ended = pipeline.stop().await;
    let taken_in = result?;
    ended.map(|()| taken_in)
}

async fn collect(
    plan: &ResourcePlan,
    context: &TableContext<'_>,
    pipeline: &mut Pipeline,
) -> Result<TakenIn, IntakeError> {
    let mut table = Collector::start(plan, context).await?;
    while let Some(block) = pipeline.next().await {
        table.take(block?).await?;
    }
    table.finish().await
}

/// Everything that is counted and remembered over the blocks of one table.
struct Collector<'a> {
    plan: &'a ResourcePlan,
    context: &'a TableContext<'a>,
    schema: SchemaRef,
    writer: TableWriter,
    quarantine: Quarantine,
    keys: Vec<KeySet>,
    provided: Vec<KeySet>,
    leaks: Vec<LeakCount>,
    masked: Vec<u64>,
    seen: Vec<bool>,
    faults: BTreeMap<(Option<usize>, Rule), u64>,
    rows: u64,
    quarantined: u64,
    person_rows: u64,
    persons: PersonSet,
}

impl<'a> Collector<'a> {
    async fn start(plan: &'a ResourcePlan, context: &'a TableContext<'a>) -> Result<Self, IntakeError> {
        let schema = arrow_schema(context.contract);
        let (columns, base) = (Arc::clone(&schema), context.base_version);
        let writer = context.lake.table_writer(&context.table, columns, context.mode, base).await?;
        Ok(Self {
            plan,
            context,
            schema,
            writer,
            quarantine: Quarantine::of(&context.table)?,
            keys: plan.keys.iter().map(|_| KeySet::default()).collect(),
            provided: plan.provides.iter().map(|_| KeySet::default()).collect(),
            leaks: vec![LeakCount::default(); plan.fields.len()],
            masked: vec![0; plan.fields.len()],
            seen: vec![false; plan.fields.len()],
            faults: BTreeMap::new(),
            rows: 0,
            quarantined: 0,
            person_rows: 0,
            persons: PersonSet::default(),
        })
    }

    /// Judges a block and stores its good rows. Nothing of a block that refuses the
    /// delivery is stored.
    async fn take(&mut self, mut block: CheckedBlock) -> Result<(), IntakeError> {
        self.judge_leaks(&block.leaks)?;
        let mut bad = vec![false; block.rows];
        block.faults.iter().for_each(|fault| mark(&mut bad, fault.row));
        self.check_keys(&mut block, &mut bad)?;
        let bad_rows = bad.iter().filter(|bad| **bad).count() as u64;
        self.rows += block.rows as u64;
        self.quarantined += bad_rows;
        for fault in &block.faults {
            *self.faults.entry((fault.field, fault.rule)).or_default() += 1;
        }
        // With a declared number of rows there is no need to read on when too many are bad.
        self.judge_bad_rows(self.plan.rows.unwrap_or(u64::MAX))?;
        self.quarantine.write(self.context.lake, self.plan, block.first_row, &block.faults).await?;
        self.person_rows += block.persons;
        for (sum, masked) in self.masked.iter_mut().zip(&block.masked) {
            *sum += masked;
        }
        for (seen, also) in self.seen.iter_mut().zip(&block.seen) {
            *seen |= also;
        }
        let bytes = block.bytes_read;
        self.store(block.arrays, &bad, bad_rows).await?;
        self.context.progress.advance(self.rows, self.quarantined, bytes);
        Ok(())
    }

    fn judge_leaks(&mut self, leaks: &[LeakCount]) -> Result<(), IntakeError> {
        for ((field, sum), leak) in self.plan.fields.iter().zip(&mut self.leaks).zip(leaks) {
            sum.add(leak);
            let (table, field_name) = (self.plan.table.clone(), field.source.clone());
            let hint = match sum.judge(field) {
                LeakJudgement::Fine => continue,
                LeakJudgement::KeyKind => {
                    return Err(Refusal::PersonNumberAsIdentifier { table, field: field_name }.into());
                }
                LeakJudgement::Leak => ", or say with oscar.notPersonNumber why they are none",
                LeakJudgement::Unbelievable => {
                    "; too many look like person numbers for oscar.notPersonNumber to be believed"
                }
            };
            return Err(Refusal::PersonNumber { table, field: field_name, hint }.into());
        }
        Ok(())
    }

    /// Keys across rows. Only good rows count, so the second of two equal rows is bad and the first one stays;
    /// and a row that is bad for one of its keys leaves none behind.
    fn check_keys(&mut self, block: &mut CheckedBlock, bad: &mut [bool]) -> Result<(), IntakeError> {
        let full = || Refusal::TooManyKeys { table: self.plan.table.clone() };
        let rows = if self.plan.keys.is_empty() { 0 } else { bad.len() };
        for (row, bad) in (0u32..).zip(bad.iter_mut().take(rows)).filter(|(_, bad)| !**bad) {
            let hash_of = |hashes: &Vec<Option<u64>>| hashes.get(row as usize).copied().flatten();
            // How many keys were remembered before the first that is broken.
            let mut remembered = 0;
            for ((key, set), hashes) in self.plan.keys.iter().zip(&mut self.keys).zip(&block.keys) {
                let fine = match hash_of(hashes) {
                    None => !key.primary,
                    Some(hash) if *bad => !set.contains(hash),
                    Some(hash) => set.insert(hash).ok_or_else(full)?,
                };
                if !fine {
                    let rule = if key.primary { Rule::PrimaryKey } else { Rule::Unique };
                    block.faults.push(Fault { row, field: key.fields.first().copied(), rule });
                    *bad = true;
                }
                remembered += usize::from(!*bad);
            }
            if *bad {
                for (set, hashes) in self.keys.iter_mut().zip(&block.keys).take(remembered) {
                    if let Some(hash) = hash_of(hashes) {
                        set.remove(hash);
                    }
                }
            }
        }
        for (set, hashes) in self.provided.iter_mut().zip(&block.provided) {
            for (bad, hash) in bad.iter().zip(hashes) {
                if let (false, Some(hash)) = (bad, hash) {
                    set.insert(*hash).ok_or_else(full)?;
                }
            }
        }
        Ok(())
    }

    fn judge_bad_rows(&self, rows: u64) -> Result<(), IntakeError> {
        let allowed = rows as f64 * self.context.quarantine_share;
        // A small compressed file can hold billions of bad rows: nobody reads on to the last of them.
        let hopeless = self.quarantined > HOPELESS_ROWS
            && self.quarantined as f64 > self.rows as f64 * self.context.quarantine_share.max(HOPELESS_SHARE);
        if self.quarantined as f64 <= allowed && !hopeless {
            return Ok(());
        }
        let most = self.faults.iter().max_by_key(|(_, count)| **count);
        let most_often = most.map_or_else(String::new, |((field, rule), _)| self.fault_name(*field, *rule));
        Err(Refusal::TooManyBadRows {
            table: self.plan.table.clone(),
            quarantined: self.quarantined,
            rows: self.rows,
            limit_percent: self.context.quarantine_share * 100.0,
            most_often,
        }
        .into())
    }

    fn fault_name(&self, field: Option<usize>, rule: Rule) -> String {
        let fault = Fault { row: 0, field, rule };
        format!("{}: {rule}", field_name(self.plan, &fault).unwrap_or("row"))
    }

    async fn store(&mut self, arrays: Vec<ArrayRef>, bad: &[bool], bad_rows: u64) -> Result<(), IntakeError> {
        let arrays = if bad_rows == 0 {
            arrays
        } else {
            let good: BooleanArray = bad.iter().map(|bad| Some(!bad)).collect();
            let kept = arrays.iter().map(|array| filter(array.as_ref(), &good)).collect::<Result<_, _>>();
            kept.map_err(|_| IntakeError::Interrupted)?
        };
        if let (PersonPlan::Field { .. } | PersonPlan::Rows { .. }, Some(indexes)) = (&self.plan.person, arrays.last())
        {
            let stored = indexes.as_primitive::<Int32Type>().iter().flatten();
            stored.for_each(|stored| self.persons.insert(person_index_from_storage(stored)));
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|_| IntakeError::Interrupted)?;
        if batch.num_rows() > 0 {
            self.writer.write(batch).await?;
        }
        Ok(())
    }

    async fn finish(self) -> Result<TakenIn, IntakeError> {
        self.judge_missing_fields()?;
        self.judge_bad_rows(self.rows)?;
        let named = matches!(self.plan.person, PersonPlan::Field { .. });
        if named && self.rows > 0 && self.person_rows == 0 {
            return Err(Refusal::EmptyPersonKey { table: self.plan.table.clone() }.into());
        }
        let report = self.report();
        let staged = self.writer.finish().await?;
        Ok(TakenIn {
            staged,
            quarantine: self.quarantine.finish().await?,
            provided: self.provided.into_iter().map(Arc::new).collect(),
            persons: self.persons.finish(),
            report,
        })
    }

    /// JSON has no header: a field that never occurred is missing.
    fn judge_missing_fields(&self) -> Result<(), IntakeError> {
        let may_miss = match self.plan.matching {
            FieldsMatch::Exact | FieldsMatch::Equal | FieldsMatch::Subset => false,
            FieldsMatch::Superset | FieldsMatch::Partial => true,
        };
        if self.plan.format != FileFormat::NdJson || may_miss || self.rows == 0 {
            return Ok(());
        }
        let missing = self.plan.fields.iter().zip(&self.seen).find(|(_, seen)| !**seen);
        missing.map_or(Ok(()), |(field, _)| {
            let source = ReadError::MissingColumn { file: 1, field: field.source.clone() };
            Err(Refusal::Read { table: self.plan.table.clone(), source }.into())
        })
    }

    fn report(&self) -> TableReport {
        let fields = &self.plan.fields;
        let masked = fields.iter().zip(&self.masked).filter(|(_, count)| **count > 0);
        TableReport {
            version: 0,
            rows: self.rows - self.quarantined,
            quarantined: self.quarantined,
            quarantine_version: None,
            files: self.plan.files.len() as u64,
            faults: self.faults.iter().map(|((field, rule), count)| (self.fault_name(*field, *rule), *count)).collect(),
            dropped: fields.iter().filter(|field| !field.is_stored()).map(|field| field.source.clone()).collect(),
            masked: masked.map(|(field, count)| (field.source.clone(), *count)).collect(),
        }
    }
}
