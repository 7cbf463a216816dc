//! One cell's rows, by person.
//!
//! Rows arrive as (person, which aggregates they carry, values), many at a time. They are kept as
//! they came and merged by person late: once a cell's columns have grown large and
//! at the end. Merging sorts by person and adds up what each person contributes, so a
//! cell never holds more than its persons plus one buffer.

use roaring::RoaringBitmap;

use super::exact_sum::{Scale, value};
use super::merged::{Merged, sorted_set};
use super::person_order::PersonOrder;

/// Rows a cell may hold unmerged before it looks whether merging pays.
const MERGE_ROWS: usize = 1 << 18;

/// Words from which on parts of a cell's rows no longer grow.
const LARGEST_PART: usize = 1 << 12;

/// How an aggregate adds up what a row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adding {
    /// One per row that carries it.
    Rows,
    /// Nothing: only who carries it matters.
    Persons,
    /// The row's integer, from this value column.
    Integers(usize),
    /// The row's floating-point number, from this value column.
    Floats(usize),
}

/// What the rows of a job look like.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowShape {
    /// How each aggregate adds up.
    pub(crate) adding: Vec<Adding>,
    /// How many numbers a row brings along.
    pub(crate) value_columns: usize,
}

impl RowShape {
    /// Words per row: the person with the mask, then the numbers.
    pub(crate) const fn stride(&self) -> usize {
        1 + self.value_columns
    }

    /// Whether one of the aggregates is among those that some rows do not carry.
    fn is_lacking(&self, lacking: u32) -> bool {
        (0..self.adding.len()).any(|aggregate| lacking >> aggregate & 1 == 1)
    }
}

/// More rows in one buffer than can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyRows;

/// A cell while rows arrive.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellBuffer {
    /// Row after row: person << 32 | bit mask of the aggregates the row carries, then the
    /// bits of its numbers. One column for all, so that a row touches one place in memory.
    ///
    /// In parts, each larger than the one before: what has arrived once is not moved again.
    parts: Vec<Vec<u64>>,
    /// Bit mask of the aggregates that some of these rows do not carry.
    lacking: u32,
    merged: Merged,
    /// Rows whose person is absent.
    nobody: u64,
    /// For each aggregate the rows of nobody that carry it.
    nobody_carrying: Vec<u64>,
}

/// A finished cell.
#[derive(Debug)]
pub(crate) struct FinishedCell {
    pub(crate) persons: RoaringBitmap,
    pub(crate) rows: u64,
    pub(crate) unattributed: u64,
    pub(crate) aggregates: Vec<FinishedAggregate>,
}

/// A finished aggregate of a cell.
#[derive(Debug)]
pub(crate) struct FinishedAggregate {
    pub(crate) support: Option<RoaringBitmap>,
    /// Rows that carry it, those of nobody included.
    pub(crate) carrying: u64,
    pub(crate) sum: f64,
    pub(crate) absolute_total: f64,
    pub(crate) largest: [f64; 2],
    pub(crate) range: Option<(f64, f64)>,
}

impl CellBuffer {
    /// Appends rows of `stride` words each.
    pub(crate) fn extend(&mut self, rows: &[u64], stride: usize) {
        let stride = stride.max(1);
        let heads = rows.iter().step_by(stride);
        let lacking = heads.fold(0, |lacking, head| lacking | !head) & 0xFFFF_FFFF;
        self.lacking |= u32::try_from(lacking).unwrap_or(u32::MAX);
        let (mut room, mut next) = (0, 0);
        if let Some(last) = self.parts.last() {
            room = (last.capacity() - last.len()) / stride * stride;
            next = (2 * last.capacity()).min(LARGEST_PART);
        }
        let (fitting, rest) = rows.split_at(room.min(rows.len()));
        if let Some(last) = self.parts.last_mut() {
            last.extend_from_slice(fitting);
        }
        if !rest.is_empty() {
            let mut part = Vec::with_capacity(next.max(rest.len()));
            part.extend_from_slice(rest);
            self.parts.push(part);
        }
    }

    /// Appends a row of nobody.
    pub(crate) fn push_nobody(&mut self, carries: u32, aggregates: usize) {
        self.nobody += 1;
        self.nobody_carrying.resize(aggregates, 0);
        for (aggregate, count) in self.nobody_carrying.iter_mut().enumerate() {
            *count += u64::from(carries >> aggregate & 1);
        }
    }

    /// Whether merging now would probably free memory.
    pub(crate) fn wants_merge(&self) -> bool {
        self.words() >= MERGE_ROWS.max(2 * self.merged.persons.len())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let merged = &self.merged;
        self.parts.iter().map(|part| part.capacity() * 8).sum::<usize>()
            + merged.persons.len() * (8 + 16 * merged.totals.len())
    }

    /// Takes in another buffer of the same cell.
    pub(crate) fn absorb(&mut self, other: Self, shape: &RowShape) {
        self.parts.extend(other.parts);
        self.lacking |= other.lacking;
        self.nobody += other.nobody;
        self.nobody_carrying.resize(self.nobody_carrying.len().max(other.nobody_carrying.len()), 0);
        for (mine, theirs) in self.nobody_carrying.iter_mut().zip(other.nobody_carrying) {
            *mine += theirs;
        }
        if !other.merged.persons.is_empty() {
            self.merged = std::mem::take(&mut self.merged).join(other.merged, shape);
        }
    }

    fn words(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }

    /// Merges what has arrived since the last merge.
    pub(crate) fn merge(&mut self, shape: &RowShape, order: &mut PersonOrder) -> Result<(), TooManyRows> {
        let mut parts = std::mem::take(&mut self.parts);
        if parts.is_empty() {
            return Ok(());
        }
        let lacking = std::mem::take(&mut self.lacking);
        // Rows are looked at again only for what they carry.
        if parts.len() > 1 && (shape.value_columns > 0 || shape.is_lacking(lacking)) {
            parts = vec![parts.concat()];
        }
        let fresh = Merged::of(&parts, lacking, shape, order)?;
        self.merged = std::mem::take(&mut self.merged).join(fresh, shape);
        Ok(())
    }

    /// Everything the rules need to know about the cell.
    pub(crate) fn finish(mut self, shape: &RowShape, order: &mut PersonOrder) -> Result<FinishedCell, TooManyRows> {
        self.merge(shape, order)?;
        let Self { merged, nobody, nobody_carrying, .. } = self;
        let persons = sorted_set(merged.persons.iter().copied());
        let mut aggregates = Vec::with_capacity(shape.adding.len());
        for (aggregate, how) in shape.adding.iter().enumerate() {
            let facts = merged.facts.get(aggregate).copied().unwrap_or_default();
            let without_person = nobody_carrying.get(aggregate).copied().unwrap_or_default();
            let totals = merged.totals.get(aggregate).map(Vec::as_slice).unwrap_or_default();
            // No sum of these terms, in whatever order, is greater than their sizes together.
            let has_sum = i128::try_from(facts.magnitude).is_ok();
            let total = if has_sum { totalled(totals, *how) } else { DOMINATED };
            aggregates.push(FinishedAggregate {
                support: merged.support_of(aggregate),
                carrying: facts.carrying + without_person,
                range: facts.range,
                ..total
            });
        }
        Ok(FinishedCell { persons, rows: merged.rows + nobody, unattributed: nobody, aggregates })
    }
}

/// What stands for a sum beyond 128 bits: one person contributes all, which hides it.
const DOMINATED: FinishedAggregate =
    FinishedAggregate { support: None, carrying: 0, sum: 1.0, absolute_total: 1.0, largest: [1.0, 0.0], range: None };

/// Sum, absolute total and the two largest contributions.
fn totalled(totals: &[i128], how: Adding) -> FinishedAggregate {
    let scale = match how {
        Adding::Floats(_) => Scale::Fraction,
        Adding::Rows | Adding::Persons | Adding::Integers(_) => Scale::Whole,
    };
    let (mut sum, mut absolute, mut largest) = (0i128, 0i128, [0i128; 2]);
    for &total in totals {
        let size = total.wrapping_abs();
        sum = sum.wrapping_add(total);
        absolute = absolute.wrapping_add(size);
        let [first, second] = largest;
        largest = if size > first {
            [size, first]
        } else if size > second {
            [first, size]
        } else {
            largest
        };
    }
    FinishedAggregate {
        support: None,
        carrying: 0,
        sum: value(sum, scale),
        absolute_total: value(absolute, scale),
        largest: largest.map(|size| value(size, scale)),
        range: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> RowShape {
        RowShape { adding: vec![Adding::Rows, Adding::Integers(0), Adding::Floats(1)], value_columns: 2 }
    }

    fn buffer(rows: &[(u32, u32, i64, f64)]) -> CellBuffer {
        let mut buffer = CellBuffer::default();
        for &(person, carries, integer, float) in rows {
            let head = u64::from(person) << 32 | u64::from(carries);
            buffer.extend(&[head, integer.cast_unsigned(), float.to_bits()], 3);
        }
        buffer
    }

    #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
    #[test]
    fn a_person_with_many_rows_counts_once_and_contributes_one_total() {
        let cell = buffer(&[(7, 0b111, 2, 0.5), (7, 0b111, 3, 0.5), (9, 0b111, -4, 1.0)])
            .finish(&shape(), &mut PersonOrder::default())
            .unwrap();
        assert_eq!(cell.persons.iter().collect::<Vec<_>>(), [7, 9]);
        assert_eq!(cell.rows, 3);
        let sum = &cell.aggregates[1];
        assert_eq!((sum.sum, sum.absolute_total, sum.largest), (1.0, 9.0, [5.0, 4.0]));
        assert_eq!(sum.range, Some((-4.0, 3.0)));
        assert_eq!(cell.aggregates[0].largest, [2.0, 1.0]);
        assert_eq!(cell.aggregates[2].sum, 2.0);
    }

    #[test]
    fn whoever_has_only_zeros_or_nulls_does_not_support_a_sum() {
        let cell = buffer(&[(1, 0b111, 0, 1.0), (2, 0b001, 5, 1.0), (3, 0b111, 4, 1.0)])
            .finish(&shape(), &mut PersonOrder::default())
            .unwrap();
        assert_eq!(cell.persons.len(), 3);
        assert_eq!(cell.aggregates[1].support.as_ref().unwrap().iter().collect::<Vec<_>>(), [3]);
        assert_eq!(cell.aggregates[1].carrying, 2);
        assert!(cell.aggregates[0].support.is_none());
    }

    #[test]
    fn merging_in_between_and_absorbing_change_nothing() {
        let rows: Vec<(u32, u32, i64, f64)> = (0u32..500)
            .map(|n| (n * 7919 % 97, 0b111 & (n % 5 + 3), i64::from(n % 11) - 5, f64::from(n) / 7.0))
            .collect();
        let whole = buffer(&rows).finish(&shape(), &mut PersonOrder::default()).unwrap();
        let mut first = buffer(&rows[..100]);
        first.merge(&shape(), &mut PersonOrder::default()).unwrap();
        let mut second = buffer(&rows[100..300]);
        second.merge(&shape(), &mut PersonOrder::default()).unwrap();
        first.absorb(second, &shape());
        first.absorb(buffer(&rows[300..]), &shape());
        assert_eq!(format!("{whole:?}"), format!("{:?}", first.finish(&shape(), &mut PersonOrder::default()).unwrap()));
    }

    #[test]
    fn rows_of_nobody_are_counted_apart() {
        let mut cell = buffer(&[(1, 0b111, 1, 1.0)]);
        cell.push_nobody(0b001, 3);
        let cell = cell.finish(&shape(), &mut PersonOrder::default()).unwrap();
        assert_eq!((cell.rows, cell.unattributed, cell.persons.len()), (2, 1, 1));
        assert_eq!(cell.aggregates[0].carrying, 2);
        assert_eq!(cell.aggregates[1].carrying, 1);
    }

    #[expect(clippy::float_cmp, reason = "the constants themselves")]
    #[test]
    fn a_sum_beyond_its_limits_is_one_persons_in_whatever_order_it_comes() {
        let huge = 2f64.powi(61);
        let rows =
            [1, 2, 3, 4, 5].map(|person| (person, 0b100, 0, [huge, huge, -huge, 1.0, huge][person as usize - 1]));
        let mut turned = rows;
        turned.swap(1, 3);
        for rows in [rows, turned] {
            let mut first = buffer(&rows[..2]);
            first.merge(&shape(), &mut PersonOrder::default()).unwrap();
            first.absorb(buffer(&rows[2..]), &shape());
            let sum = &first.finish(&shape(), &mut PersonOrder::default()).unwrap().aggregates[2];
            assert_eq!((sum.sum, sum.absolute_total, sum.largest), (1.0, 1.0, [1.0, 0.0]));
        }
        let fits = buffer(&rows[2..4]).finish(&shape(), &mut PersonOrder::default()).unwrap();
        assert_eq!(fits.aggregates[2].largest, [huge, 1.0]);
    }
}
