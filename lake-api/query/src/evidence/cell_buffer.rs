//! One cell's rows, by person.
//!
//! Rows arrive as (person, which aggregates they carry, values). They are appended to
//! compact columns and merged by person late: once a cell's columns have grown large and
//! at the end. Merging sorts by person and adds up what each person contributes, so a
//! cell never holds more than its persons plus one buffer.

use roaring::RoaringBitmap;

use super::exact_sum::{OutOfRange, Scale, add, fraction, value};

/// Rows a cell may hold unmerged before it looks whether merging pays.
const MERGE_ROWS: usize = 1 << 18;

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

/// A cell while rows arrive.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellBuffer {
    /// person << 32 | bit mask of the aggregates the row carries.
    rows: Vec<u64>,
    /// One per value column, parallel to `rows`: the bits of the number.
    values: Vec<Vec<u64>>,
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
    /// Appends a row of a person. `values` holds the bits of one number per value column.
    pub(crate) fn push(&mut self, person: u32, carries: u32) {
        self.rows.push(u64::from(person) << 32 | u64::from(carries));
    }

    /// Appends the row's number to a value column; to be called for every column after [`Self::push`].
    pub(crate) fn push_value(&mut self, column: usize, bits: u64) {
        if self.values.len() <= column {
            self.values.resize_with(column + 1, Vec::new);
        }
        if let Some(values) = self.values.get_mut(column) {
            values.push(bits);
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
        self.rows.len() >= MERGE_ROWS.max(2 * self.merged.persons.len())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let merged = self.merged.persons.len() * (8 + 16 * self.merged.totals.len());
        self.rows.capacity() * 8 * (1 + self.values.len()) + merged
    }

    /// Takes in another buffer of the same cell.
    pub(crate) fn absorb(&mut self, mut other: Self, adding: &[Adding]) -> Result<(), OutOfRange> {
        self.rows.append(&mut other.rows);
        if self.values.len() < other.values.len() {
            self.values.resize_with(other.values.len(), Vec::new);
        }
        for (mine, theirs) in self.values.iter_mut().zip(&mut other.values) {
            mine.append(theirs);
        }
        self.nobody += other.nobody;
        self.nobody_carrying.resize(self.nobody_carrying.len().max(other.nobody_carrying.len()), 0);
        for (mine, theirs) in self.nobody_carrying.iter_mut().zip(other.nobody_carrying) {
            *mine += theirs;
        }
        if !other.merged.persons.is_empty() {
            self.merged = std::mem::take(&mut self.merged).join(other.merged, adding)?;
        }
        Ok(())
    }

    /// Merges what has arrived since the last merge.
    pub(crate) fn merge(&mut self, adding: &[Adding]) -> Result<(), OutOfRange> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let values = std::mem::take(&mut self.values);
        let fresh = Merged::of(&rows, &values, adding)?;
        self.merged = std::mem::take(&mut self.merged).join(fresh, adding)?;
        Ok(())
    }

    /// Everything the rules need to know about the cell.
    pub(crate) fn finish(mut self, adding: &[Adding]) -> Result<FinishedCell, OutOfRange> {
        self.merge(adding)?;
        let Self { rows: _, values: _, merged, nobody, nobody_carrying } = self;
        let persons = sorted_set(merged.persons.iter().copied());
        let mut aggregates = Vec::with_capacity(adding.len());
        for (aggregate, how) in adding.iter().enumerate() {
            let facts = merged.facts.get(aggregate).copied().unwrap_or_default();
            let without_person = nobody_carrying.get(aggregate).copied().unwrap_or_default();
            let totals = merged.totals.get(aggregate).map(Vec::as_slice).unwrap_or_default();
            aggregates.push(FinishedAggregate {
                support: merged.support_of(aggregate),
                carrying: facts.carrying + without_person,
                ..totalled(totals, *how)?
            });
            if let Some(finished) = aggregates.last_mut() {
                finished.range = facts.range;
            }
        }
        Ok(FinishedCell { persons, rows: merged.rows + nobody, unattributed: nobody, aggregates })
    }
}

/// Sum, absolute total and the two largest contributions.
fn totalled(totals: &[i128], how: Adding) -> Result<FinishedAggregate, OutOfRange> {
    let scale = match how {
        Adding::Floats(_) => Scale::Fraction,
        Adding::Rows | Adding::Persons | Adding::Integers(_) => Scale::Whole,
    };
    let (mut sum, mut absolute, mut largest) = (0i128, 0i128, [0i128; 2]);
    for &total in totals {
        let size = total.checked_abs().ok_or(OutOfRange)?;
        sum = add(sum, total)?;
        absolute = add(absolute, size)?;
        let [first, second] = largest;
        largest = if size > first {
            [size, first]
        } else if size > second {
            [first, size]
        } else {
            largest
        };
    }
    Ok(FinishedAggregate {
        support: None,
        carrying: 0,
        sum: value(sum, scale),
        absolute_total: value(absolute, scale),
        largest: largest.map(|size| value(size, scale)),
        range: None,
    })
}

impl Merged {
    /// Merges raw rows.
    fn of(rows: &[u64], values: &[Vec<u64>], adding: &[Adding]) -> Result<Self, OutOfRange> {
        let mut merged = Self {
            totals: vec![Vec::new(); adding.len()],
            facts: vec![Facts::default(); adding.len()],
            rows: rows.len() as u64,
            ..Self::default()
        };
        let order = by_person(rows);
        let mut current = None;
        let mut totals = vec![0i128; adding.len()];
        let mut support = 0u32;
        for &(row, place) in &order {
            let person = (row >> 32) as u32;
            if current != Some(person) {
                if let Some(done) = current {
                    merged.close(done, support, &mut totals);
                }
                current = Some(person);
                support = 0;
            }
            for (aggregate, how) in adding.iter().enumerate() {
                if row >> aggregate & 1 == 0 {
                    continue;
                }
                let bits = |column: usize| values.get(column).and_then(|v| v.get(place as usize)).copied();
                let (term, shown) = match how {
                    Adding::Rows | Adding::Persons => (1, None),
                    Adding::Integers(column) => {
                        let number = bits(*column).ok_or(OutOfRange)?.cast_signed();
                        (i128::from(number), Some(number as f64))
                    }
                    Adding::Floats(column) => {
                        let number = f64::from_bits(bits(*column).ok_or(OutOfRange)?);
                        (fraction(number)?, Some(number))
                    }
                };
                // A zero adds nothing: under CASE or FILTER it is neutral, and whoever has
                // only zeros does not support a sum.
                let neutral = shown.is_some_and(|number| number == 0.0);
                if !neutral {
                    support |= 1 << aggregate;
                }
                if let Some(total) = totals.get_mut(aggregate) {
                    *total = add(*total, term)?;
                }
                if let Some(facts) = merged.facts.get_mut(aggregate) {
                    facts.carrying += 1;
                    facts.range = widen(facts.range, shown.map(|number| (number, number)));
                }
            }
        }
        if let Some(done) = current {
            merged.close(done, support, &mut totals);
        }
        Ok(merged)
    }

    fn close(&mut self, person: u32, support: u32, totals: &mut [i128]) {
        self.persons.push(person);
        self.support.push(support);
        for (column, total) in self.totals.iter_mut().zip(totals) {
            column.push(std::mem::take(total));
        }
    }

    /// Joins two merged runs.
    fn join(self, other: Self, adding: &[Adding]) -> Result<Self, OutOfRange> {
        if self.persons.is_empty() {
            return Ok(other);
        }
        let mut joined = Self {
            totals: vec![Vec::new(); adding.len()],
            rows: self.rows + other.rows,
            facts: self.facts.iter().zip(&other.facts).map(|(one, two)| one.join(*two)).collect(),
            ..Self::default()
        };
        let (mut left, mut right) = (0usize, 0usize);
        let mut totals = vec![0i128; adding.len()];
        loop {
            let person = match (self.persons.get(left), other.persons.get(right)) {
                (None, None) => return Ok(joined),
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
                    *total = add(*total, column.get(*place).copied().unwrap_or_default())?;
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
    fn join(self, other: Self) -> Self {
        Self { carrying: self.carrying + other.carrying, range: widen(self.range, other.range) }
    }
}

fn widen(one: Option<(f64, f64)>, other: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (one, other) {
        (Some((least, greatest)), Some((low, high))) => Some((least.min(low), greatest.max(high))),
        (range, None) | (None, range) => range,
    }
}

fn sorted_set(persons: impl Iterator<Item = u32>) -> RoaringBitmap {
    // The persons come in ascending order; if they ever did not, inserting is still right.
    let mut set = RoaringBitmap::new();
    for person in persons {
        set.insert(person);
    }
    set
}

/// Rows with their places, ordered by person. Within a person the order does not matter:
/// sums are exact.
fn by_person(rows: &[u64]) -> Vec<(u64, u32)> {
    let mut order: Vec<(u64, u32)> = rows.iter().copied().zip(0u32..).collect();
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDING: [Adding; 3] = [Adding::Rows, Adding::Integers(0), Adding::Floats(1)];

    fn buffer(rows: &[(u32, u32, i64, f64)]) -> CellBuffer {
        let mut buffer = CellBuffer::default();
        for &(person, carries, integer, float) in rows {
            buffer.push(person, carries);
            buffer.push_value(0, integer.cast_unsigned());
            buffer.push_value(1, float.to_bits());
        }
        buffer
    }

    #[test]
    fn a_person_with_many_rows_counts_once_and_contributes_one_total() {
        let cell = buffer(&[(7, 0b111, 2, 0.5), (7, 0b111, 3, 0.5), (9, 0b111, -4, 1.0)]).finish(&ADDING).unwrap();
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
        let cell = buffer(&[(1, 0b111, 0, 1.0), (2, 0b001, 5, 1.0), (3, 0b111, 4, 1.0)]).finish(&ADDING).unwrap();
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
        let whole = buffer(&rows).finish(&ADDING).unwrap();
        let mut first = buffer(&rows[..100]);
        first.merge(&ADDING).unwrap();
        let mut second = buffer(&rows[100..300]);
        second.merge(&ADDING).unwrap();
        first.absorb(second, &ADDING).unwrap();
        first.absorb(buffer(&rows[300..]), &ADDING).unwrap();
        assert_eq!(format!("{whole:?}"), format!("{:?}", first.finish(&ADDING).unwrap()));
    }

    #[test]
    fn rows_of_nobody_are_counted_apart() {
        let mut cell = buffer(&[(1, 0b111, 1, 1.0)]);
        cell.push_nobody(0b001, 3);
        let cell = cell.finish(&ADDING).unwrap();
        assert_eq!((cell.rows, cell.unattributed, cell.persons.len()), (2, 1, 1));
        assert_eq!(cell.aggregates[0].carrying, 2);
        assert_eq!(cell.aggregates[1].carrying, 1);
    }

    #[test]
    fn a_number_that_is_not_finite_ends_the_query() {
        assert_eq!(buffer(&[(1, 0b111, 1, f64::NAN)]).finish(&ADDING).unwrap_err(), OutOfRange);
    }
}
