//! Rows of one cell, merged by person.
//!
//! Sorted by person, a person's rows are neighbours; what they contribute is added up, and two
//! merged runs are joined in the order of their persons.

use roaring::RoaringBitmap;

use super::cell_buffer::{Adding, RowShape, TooManyRows};
use super::exact_sum::fraction;
use super::person_order::PersonOrder;

/// Rows merged by person, in order of the persons.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged {
    pub(super) persons: Vec<u32>,
    /// Bit mask of the aggregates to which the person contributes something not neutral.
    support: Vec<u32>,
    /// Per aggregate: each person's total.
    pub(super) totals: Vec<Vec<i128>>,
    /// Rows that went in.
    pub(super) rows: u64,
    pub(super) facts: Vec<Facts>,
}

/// What is known of one aggregate without looking at persons.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    pub(super) carrying: u64,
    pub(super) range: Option<(f64, f64)>,
    /// Sum of the terms' sizes; it stops at its limit.
    pub(super) magnitude: u128,
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
    pub(super) fn of(
        parts: &[Vec<u64>],
        lacking: u32,
        shape: &RowShape,
        order: &mut PersonOrder,
    ) -> Result<Self, TooManyRows> {
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
    pub(super) fn join(self, other: Self, shape: &RowShape) -> Self {
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
    pub(super) fn support_of(&self, aggregate: usize) -> Option<RoaringBitmap> {
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
pub(super) fn sorted_set(persons: impl Iterator<Item = u32> + Clone) -> RoaringBitmap {
    // Merging yields ascending persons; if it ever did not, inserting is still right.
    RoaringBitmap::from_sorted_iter(persons.clone()).unwrap_or_else(|_| persons.collect())
}
