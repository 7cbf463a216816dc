//! One partition's rows, grouped by cell.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch};
use arrow::datatypes::{Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::carry::AggregateInput;
use super::cell_buffer::{Adding, CellBuffer, RowShape, TooManyRows};
use super::exact_sum::has_fraction;
use super::person_order::PersonOrder;
use super::row_log::{FillWords, NoSuchCell, RowLog};
use crate::gate::{Boundary, Number, Statistic};

/// What all partitions of one job share.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) keys: usize,
    pub(crate) grouping_sets: Vec<Vec<bool>>,
    pub(crate) inputs: Vec<AggregateInput>,
    pub(crate) shape: RowShape,
    /// Aggregates that count distinct values, with the place of their argument.
    pub(crate) distinct: Vec<(usize, usize)>,
    /// For every value column the place of its argument and its kind.
    pub(crate) value_columns: Vec<(usize, Number)>,
    pub(crate) person: usize,
    pub(crate) schema: SchemaRef,
    pub(crate) max_cells: usize,
}

impl Layout {
    pub(crate) fn new(
        boundary: &Boundary,
        inputs: Vec<AggregateInput>,
        person: usize,
        schema: SchemaRef,
        max_cells: usize,
    ) -> Self {
        let (mut adding, mut distinct, mut value_columns) = (Vec::new(), Vec::new(), Vec::new());
        for (aggregate, (spec, input)) in boundary.aggregates.iter().zip(&inputs).enumerate() {
            let mut column = |number| {
                value_columns.push((input.argument.unwrap_or_default(), number));
                value_columns.len() - 1
            };
            adding.push(match &spec.statistic {
                Statistic::Rows | Statistic::NonNull(_) => Adding::Rows,
                Statistic::Persons(_) => Adding::Persons,
                Statistic::Distinct(_) => {
                    distinct.push((aggregate, input.argument.unwrap_or_default()));
                    Adding::Persons
                }
                Statistic::Sum(_, number) | Statistic::Avg(_, number) => match number {
                    Number::Integer => Adding::Integers(column(*number)),
                    Number::Float => Adding::Floats(column(*number)),
                },
            });
        }
        Self {
            keys: boundary.keys.len(),
            grouping_sets: boundary.grouping_sets.clone(),
            inputs,
            shape: RowShape { adding, value_columns: value_columns.len() },
            distinct,
            value_columns,
            person,
            schema,
            max_cells,
        }
    }

    fn key_schema(&self, set: &[bool]) -> SchemaRef {
        let used = self.schema.fields().iter().take(self.keys).zip(set).filter(|(_, used)| **used);
        let fields: Vec<Field> = used.map(|(field, _)| field.as_ref().clone().with_nullable(true)).collect();
        Arc::new(Schema::new(fields))
    }

    /// An empty interner for the keys of a grouping set; `None` when the set has no keys.
    pub(crate) fn interner(&self, set: &[bool]) -> Result<Option<Box<dyn GroupValues>>> {
        let schema = self.key_schema(set);
        if schema.fields().is_empty() { Ok(None) } else { interner(schema).map(Some) }
    }

    /// An empty interner for the values of a column that is counted distinctly.
    pub(crate) fn value_interner(&self, place: usize) -> Result<Box<dyn GroupValues>> {
        let field = self.schema.field(place).clone().with_nullable(true);
        interner(Arc::new(Schema::new(vec![field])))
    }
}

fn interner(schema: SchemaRef) -> Result<Box<dyn GroupValues>> {
    new_group_values(schema, &GroupOrdering::None)
}

/// The cells of one grouping set as one partition has seen them.
pub(crate) struct PartialTable {
    pub(crate) interner: Option<Box<dyn GroupValues>>,
    pub(crate) cells: Vec<CellBuffer>,
    /// Rows on their way to the cells.
    log: RowLog,
    /// Per distinct aggregate: (cell, value id) pairs.
    pub(crate) distinct: Vec<Vec<(u32, u32)>>,
}

/// Words of evidence that a partition takes in before it looks at the memory held: 16 MiB.
const WORDS_BETWEEN_LOOKS: usize = 1 << 21;

/// One partition's accumulator.
pub(crate) struct Accumulator {
    layout: Arc<Layout>,
    pub(crate) tables: Vec<PartialTable>,
    /// Per distinct aggregate: the values seen.
    pub(crate) values: Vec<Box<dyn GroupValues>>,
    groups: Vec<usize>,
    ids: Vec<usize>,
    /// Words since the last look at the memory held.
    pushed: usize,
}

/// The neutral reasons why accumulating stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccumulateError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
    /// Arrow failed.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// More cells or more memory than allowed.
    #[error("more cells or persons than one result may have")]
    TooLarge,
}

impl From<TooManyRows> for AccumulateError {
    fn from(_: TooManyRows) -> Self {
        Self::TooLarge
    }
}

impl Accumulator {
    pub(crate) fn new(layout: Arc<Layout>) -> Result<Self> {
        let tables = layout
            .grouping_sets
            .iter()
            .map(|set| {
                let interner = layout.interner(set)?;
                // A set without keys has one cell whether rows arrive or not.
                let cells = if interner.is_none() { vec![CellBuffer::default()] } else { Vec::new() };
                let log = RowLog::new(layout.shape.stride());
                Ok(PartialTable { interner, cells, log, distinct: vec![Vec::new(); layout.distinct.len()] })
            })
            .collect::<Result<_>>()?;
        let values = layout.distinct.iter().map(|(_, place)| layout.value_interner(*place)).collect::<Result<_>>()?;
        Ok(Self { layout, tables, values, groups: Vec::new(), ids: Vec::new(), pushed: 0 })
    }

    /// Takes in a batch. Returns the bytes held from time to time, for the memory limit.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<Option<usize>, AccumulateError> {
        let layout = Arc::clone(&self.layout);
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(None);
        }
        let persons = batch.column(layout.person).as_primitive::<Int32Type>();
        let carries = carried(batch, &layout);
        let values: Vec<ValueColumn<'_>> =
            layout.value_columns.iter().map(|(place, number)| ValueColumn::of(batch.column(*place), *number)).collect();
        let mut cells = 0;
        for (table, set) in self.tables.iter_mut().zip(&layout.grouping_sets) {
            match &mut table.interner {
                None => {
                    self.groups.clear();
                    self.groups.resize(rows, 0);
                }
                Some(interner) => {
                    let keys: Vec<ArrayRef> = set
                        .iter()
                        .zip(batch.columns())
                        .filter(|(used, _)| **used)
                        .map(|(_, key)| Arc::clone(key))
                        .collect();
                    interner.intern(&keys, &mut self.groups)?;
                    cells += interner.len();
                    if cells > layout.max_cells {
                        return Err(AccumulateError::TooLarge);
                    }
                    table.cells.resize_with(interner.len(), CellBuffer::default);
                }
            }
            table.push_rows(&self.groups, persons, &carries, &values, layout.shape.adding.len());
            if table.log.is_full(table.cells.len()) {
                table.deal()?;
            }
        }
        self.push_distinct(batch, &carries)?;
        // Every grouping set keeps its person, values and values counted distinctly of a row.
        let words = 1 + layout.value_columns.len() + layout.distinct.len();
        self.pushed += rows * words * layout.grouping_sets.len();
        if self.pushed < WORDS_BETWEEN_LOOKS {
            return Ok(None);
        }
        self.pushed = 0;
        self.settle().map(Some)
    }

    /// Values counted distinctly, as pairs of cell and value.
    fn push_distinct(&mut self, batch: &RecordBatch, carries: &[u32]) -> Result<(), AccumulateError> {
        if self.layout.distinct.is_empty() {
            return Ok(());
        }
        let layout = Arc::clone(&self.layout);
        for (table, set) in self.tables.iter_mut().zip(&layout.grouping_sets) {
            if let Some(interner) = &mut table.interner {
                let keys: Vec<ArrayRef> = set
                    .iter()
                    .zip(batch.columns())
                    .filter(|(used, _)| **used)
                    .map(|(_, key)| Arc::clone(key))
                    .collect();
                interner.intern(&keys, &mut self.groups)?;
            } else {
                self.groups.clear();
                self.groups.resize(batch.num_rows(), 0);
            }
            let columns = layout.distinct.iter().zip(&mut table.distinct).zip(&mut self.values);
            for (((aggregate, place), pairs), values) in columns {
                values.intern(&[Arc::clone(batch.column(*place))], &mut self.ids)?;
                for ((group, id), carries) in self.groups.iter().zip(&self.ids).zip(carries) {
                    if carries >> aggregate & 1 == 1 {
                        let (Ok(cell), Ok(id)) = (u32::try_from(*group), u32::try_from(*id)) else {
                            return Err(AccumulateError::TooLarge);
                        };
                        pairs.push((cell, id));
                    }
                }
            }
        }
        Ok(())
    }

    /// Call it after the last batch.
    pub(crate) fn finish(mut self) -> Result<Self, AccumulateError> {
        self.tables.iter_mut().try_for_each(PartialTable::deal)?;
        Ok(self)
    }

    /// Merges what pays and says how many bytes are held.
    fn settle(&mut self) -> Result<usize, AccumulateError> {
        let (mut bytes, mut order) = (0, PersonOrder::default());
        for table in &mut self.tables {
            table.deal()?;
            bytes += table.log.bytes();
            for cell in &mut table.cells {
                if cell.wants_merge() {
                    cell.merge(&self.layout.shape, &mut order)?;
                }
                bytes += cell.bytes();
            }
            for pairs in &mut table.distinct {
                pairs.sort_unstable();
                pairs.dedup();
                bytes += pairs.capacity() * 8;
            }
            bytes += table.interner.as_ref().map_or(0, |interner| interner.size());
        }
        Ok(bytes + self.values.iter().map(|values| values.size()).sum::<usize>())
    }
}

enum ValueColumn<'a> {
    Integers(&'a [i64]),
    Floats(&'a [f64]),
}

impl<'a> ValueColumn<'a> {
    fn of(array: &'a ArrayRef, number: Number) -> Self {
        match number {
            Number::Integer => Self::Integers(array.as_primitive::<Int64Type>().values()),
            Number::Float => Self::Floats(array.as_primitive::<Float64Type>().values()),
        }
    }
}

impl FillWords for ValueColumn<'_> {
    fn fill<'w>(&self, words: impl Iterator<Item = &'w mut u64>) {
        match self {
            Self::Integers(values) => words.zip(*values).for_each(|(word, value)| *word = value.cast_unsigned()),
            Self::Floats(values) => words.zip(*values).for_each(|(word, value)| *word = value.to_bits()),
        }
    }

    fn bits(&self, row: usize) -> u64 {
        match self {
            Self::Integers(values) => values.get(row).copied().unwrap_or_default().cast_unsigned(),
            Self::Floats(values) => values.get(row).copied().unwrap_or_default().to_bits(),
        }
    }
}

impl PartialTable {
    fn push_rows(
        &mut self,
        groups: &[usize],
        persons: &Int32Array,
        carries: &[u32],
        values: &[ValueColumn<'_>],
        aggregates: usize,
    ) {
        // The lake stores the unsigned index bit for bit in a signed column.
        let heads = persons.values().iter().zip(carries);
        let heads = heads.map(|(person, carries)| u64::from(person.cast_unsigned()) << 32 | u64::from(*carries));
        if persons.null_count() == 0 {
            self.log.extend(groups, heads, values);
            return;
        }
        for (row, ((group, carries), head)) in groups.iter().zip(carries).zip(heads).enumerate() {
            if persons.is_valid(row) {
                self.log.push(*group, head, values.iter().map(|column| column.bits(row)));
            } else if let Some(cell) = self.cells.get_mut(*group) {
                cell.push_nobody(*carries, aggregates);
            }
        }
    }

    fn deal(&mut self) -> Result<(), AccumulateError> {
        let lost = |NoSuchCell| AccumulateError::Engine(DataFusionError::Internal("a row has no cell".to_owned()));
        self.log.deal(&mut self.cells).map_err(lost)
    }
}

/// For every row the bit mask of the aggregates it carries: argument present, FILTER true.
fn carried(batch: &RecordBatch, layout: &Layout) -> Vec<u32> {
    let all = if layout.inputs.len() >= 32 { u32::MAX } else { (1u32 << layout.inputs.len()) - 1 };
    let mut masks = vec![all; batch.num_rows()];
    for (aggregate, (input, adding)) in layout.inputs.iter().zip(&layout.shape.adding).enumerate() {
        let AggregateInput { argument, filter } = *input;
        let masks = masks.as_mut_slice();
        if let Some(place) = argument {
            let column = batch.column(place);
            let is_distinct = layout.distinct.iter().any(|(distinct, _)| *distinct == aggregate);
            match (adding, column.as_any().downcast_ref::<BooleanArray>()) {
                // What has no exact form is no number.
                (Adding::Floats(_), _) if !is_distinct => {
                    let numbers = column.as_primitive::<Float64Type>();
                    for (mask, number) in masks.iter_mut().zip(numbers.values()) {
                        *mask &= !(u32::from(!has_fraction(*number)) << aggregate);
                    }
                    if column.null_count() > 0 {
                        keep(masks, aggregate, |row| numbers.is_valid(row));
                    }
                }
                // These two arrive as "argument IS NOT NULL".
                (Adding::Rows | Adding::Persons, Some(present)) if !is_distinct => {
                    keep(masks, aggregate, |row| present.is_valid(row) && present.value(row));
                }
                _ if column.null_count() == 0 => {}
                _ => keep(masks, aggregate, |row| column.is_valid(row)),
            }
        }
        if let Some(place) = filter {
            if let Some(passes) = batch.column(place).as_any().downcast_ref::<BooleanArray>() {
                keep(masks, aggregate, |row| passes.is_valid(row) && passes.value(row));
            } else {
                // FILTER (WHERE NULL): nobody passes.
                keep(masks, aggregate, |_| false);
            }
        }
    }
    masks
}

/// Takes an aggregate from the rows that do not carry it.
fn keep(masks: &mut [u32], aggregate: usize, carries: impl Fn(usize) -> bool) {
    for (row, mask) in masks.iter_mut().enumerate() {
        *mask &= !(u32::from(!carries(row)) << aggregate);
    }
}
