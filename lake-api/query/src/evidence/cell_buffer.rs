//! One cell's rows, by person.
//!
//! Rows arrive as (person, which aggregates they carry, values), many at a time. They are kept as
//! they came and merged by person late: once a cell's columns have grown large and
//! at the end. Merging sorts by person and adds up what each person contributes, so a
//! cell never holds more than its persons plus one buffer.

use roaring::RoaringBitmap;

use super::exact_sum::{Scale, fraction, value};
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

/// Rows merged by person, in order of the persons.
#[derive(Debug, Clone, Default)]
struct Merged {
    persons: Vec<u32>,
    /// Bit mask of the aggregates to which the person contributes something not neutral.
    support: Vec<u32>,
    /// Per aggregate: each person's total.
    totals: Vec<Vec<i128>>,
    /// Rows that went in.
    rows: u64,
    facts: Vec<Facts>,
}

/// What is known of one aggregate without looking at persons.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    carrying: u64,
    range: Option<(f64, f64)>,
    /// Sum of the terms' sizes; it stops at its limit.
    magnitude: u128,
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

/// The rows of one cell in the order of their persons, seen by one aggregate.
struct Runs<'a> {
    aggregate: usize,
    rows: &'a [u64],
    stride: usize,
    order: &'a [u64],
    /// Where each person's rows end in `order`.
    ends: &'a [usize],
}

impl<'a> Runs<'a> {
    /// Each person's part of `order`.
    fn iter(&self) -> impl Iterator<Item = &'a [u64]> {
        let (order, mut start) = (self.order, 0usize);
        self.ends.iter().map(move |end| order.get(std::mem::replace(&mut start, *end)..*end).unwrap_or_default())
    }

    /// The numbers of a row that carries the aggregate.
    fn carrying(&self, entry: u64) -> Option<&'a [u64]> {
        let at = (entry & 0xFFFF_FFFF) as usize * self.stride;
        let (head, values) = self.rows.get(at..at + self.stride)?.split_first()?;
        (head >> self.aggregate & 1 == 1).then_some(values)
    }
}

impl Merged {
    /// Merges raw rows; every one carries the aggregates that are not `lacking`. Where one is, and where
    /// rows have numbers, they are in one part.
    fn of(parts: &[Vec<u64>], lacking: u32, shape: &RowShape, order: &mut PersonOrder) -> Result<Self, TooManyRows> {
        let stride = shape.stride();
        let rows = parts.first().map(Vec::as_slice).unwrap_or_default();
        let order = order.by_person(parts, stride).ok_or(TooManyRows)?;
        let mut merged = Self { rows: order.len() as u64, persons: Vec::with_capacity(order.len()), ..Self::default() };
        let mut ends: Vec<usize> = Vec::with_capacity(order.len());
        for (place, entry) in order.iter().enumerate() {
            let person = (entry >> 32) as u32;
            if merged.persons.last() == Some(&person) {
                if let Some(end) = ends.last_mut() {
                    *end = place + 1;
                }
            } else {
                merged.persons.push(person);
                ends.push(place + 1);
            }
        }
        merged.support = vec![0; merged.persons.len()];
        for (aggregate, how) in shape.adding.iter().enumerate() {
            let runs = Runs { aggregate, rows, stride, order, ends: &ends };
            match how {
                Adding::Rows | Adding::Persons if lacking >> aggregate & 1 == 0 => merged.add_rows(&runs),
                Adding::Rows | Adding::Persons => merged.add_carrying_rows(&runs),
                // Whole numbers are seen as floating-point ones where they are only compared.
                Adding::Integers(column) => merged.add_numbers(&runs, *column, |bits| {
                    let number = bits.cast_signed();
                    (i128::from(number), number as f64)
                }),
                // Rows whose number has no exact form do not carry the aggregate.
                Adding::Floats(column) => merged.add_numbers(&runs, *column, |bits| {
                    let number = f64::from_bits(bits);
                    (fraction(number).unwrap_or_default(), number)
                }),
            }
        }
        Ok(merged)
    }

    /// Each person's rows, where every row carries the aggregate.
    fn add_rows(&mut self, runs: &Runs<'_>) {
        let mut start = 0usize;
        let rows = |end: &usize| (end - std::mem::replace(&mut start, *end)) as i128;
        self.totals.push(runs.ends.iter().map(rows).collect());
        self.support.iter_mut().for_each(|support| *support |= 1 << runs.aggregate);
        self.facts.push(Facts { carrying: self.rows, ..Facts::default() });
    }

    /// Each person's rows that carry the aggregate.
    fn add_carrying_rows(&mut self, runs: &Runs<'_>) {
        let mut facts = Facts::default();
        let mut totals = Vec::with_capacity(self.persons.len());
        for (run, support) in runs.iter().zip(&mut self.support) {
            let carrying = run.iter().filter(|entry| runs.carrying(**entry).is_some()).count() as u64;
            *support |= u32::from(carrying > 0) << runs.aggregate;
            facts.carrying += carrying;
            totals.push(i128::from(carrying));
        }
        self.totals.push(totals);
        self.facts.push(facts);
    }

    /// Each person's sum. `read` makes of a number's bits the exact term and the number itself.
    fn add_numbers(&mut self, runs: &Runs<'_>, column: usize, read: impl Fn(u64) -> (i128, f64)) {
        let (mut carrying, mut magnitude) = (0u64, 0u128);
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut totals = Vec::with_capacity(self.persons.len());
        for (run, support) in runs.iter().zip(&mut self.support) {
            let (mut total, mut supports) = (0i128, false);
            for values in run.iter().filter_map(|entry| runs.carrying(*entry)) {
                let (term, number) = read(values.get(column).copied().unwrap_or_default());
                carrying += 1;
                // A zero adds nothing: under CASE or FILTER it is neutral, and whoever has
                // only zeros does not support a sum.
                supports |= number != 0.0;
                total = total.wrapping_add(term);
                magnitude = magnitude.saturating_add(term.unsigned_abs());
                (least, greatest) = (least.min(number), greatest.max(number));
            }
            *support |= u32::from(supports) << runs.aggregate;
            totals.push(total);
        }
        self.totals.push(totals);
        let range = (carrying > 0).then_some((least, greatest));
        self.facts.push(Facts { carrying, range, magnitude });
    }

    fn close(&mut self, person: u32, support: u32, totals: &mut [i128]) {
        self.persons.push(person);
        self.support.push(support);
        for (column, total) in self.totals.iter_mut().zip(totals) {
            column.push(std::mem::take(total));
        }
    }

    /// Joins two merged runs.
    fn join(self, other: Self, shape: &RowShape) -> Self {
        if self.persons.is_empty() {
            return other;
        }
        let mut joined = Self {
            totals: vec![Vec::new(); shape.adding.len()],
            rows: self.rows + other.rows,
            facts: self.facts.iter().zip(&other.facts).map(|(one, two)| one.join(*two)).collect(),
            ..Self::default()
        };
        let (mut left, mut right) = (0usize, 0usize);
        let mut totals = vec![0i128; shape.adding.len()];
        loop {
            let person = match (self.persons.get(left), other.persons.get(right)) {
                (None, None) => return joined,
                (Some(&one), None) => one,
                (None, Some(&two)) => two,
                (Some(&one), Some(&two)) => one.min(two),
            };
            let mut support = 0;
            for (run, place) in [(&self, &mut left), (&other, &mut right)] {
                if run.persons.get(*place) != Some(&person) {
                    continue;
                }
                support |= run.support.get(*place).copied().unwrap_or_default();
                for (total, column) in totals.iter_mut().zip(&run.totals) {
                    *total = total.wrapping_add(column.get(*place).copied().unwrap_or_default());
                }
                *place += 1;
            }
            joined.close(person, support, &mut totals);
        }
    }

    /// The persons that support an aggregate; `None` when all do.
    fn support_of(&self, aggregate: usize) -> Option<RoaringBitmap> {
        let supports = |mask: &u32| mask >> aggregate & 1 == 1;
        if self.support.iter().all(supports) {
            return None;
        }
        let persons = self.persons.iter().zip(&self.support).filter(|(_, mask)| supports(mask));
        Some(sorted_set(persons.map(|(&person, _)| person)))
    }
}

impl Facts {
    fn widen(&mut self, number: f64) {
        let (least, greatest) = self.range.unwrap_or((number, number));
        self.range = Some((least.min(number), greatest.max(number)));
    }

    fn join(mut self, other: Self) -> Self {
        self.carrying += other.carrying;
        self.magnitude = self.magnitude.saturating_add(other.magnitude);
        for end in other.range.iter().flat_map(|(least, greatest)| [*least, *greatest]) {
            self.widen(end);
        }
        self
    }
}

/// Persons in ascending order as a set.
fn sorted_set(persons: impl Iterator<Item = u32> + Clone) -> RoaringBitmap {
    // Merging yields ascending persons; if it ever did not, inserting is still right.
    RoaringBitmap::from_sorted_iter(persons.clone()).unwrap_or_else(|_| persons.collect())
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
