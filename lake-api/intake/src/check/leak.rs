//! Person numbers where they must not be.
//!
//! **Text.** One cell that holds a person number, alone or inside longer text, refuses the
//! delivery, unless the field is masked. A holder who knows that a column's values only
//! look like person numbers (article numbers, SNOMED codes) says so with a reason
//! (`oscar.notPersonNumber`); then up to a quarter of the cells may look like one. One ten-digit
//! number in 27 names a date by chance, a column of person numbers names one always.
//!
//! **Numbers.** Integers of nine or ten digits name a date by chance more often (a lost
//! leading zero), so one is no proof: the column is refused when more than a quarter of its
//! nine- and ten-digit values are person numbers. That catches a column of person numbers
//! and a few of them among smaller values; it cannot tell a few among many ten-digit
//! identifiers. The sign does not matter, and four decimals may be the last four digits.
//!
//! **Ambiguous digits.** What a single cell cannot prove, a column can: nine digits in text, digits in
//! hashes and UUIDs, decimals. When more than a quarter of a column's different values
//! name dates, it is refused, whatever reason was given.
//!
//! **Person keys** are pseudonymised and leak nothing, but one that is declared an identifier and
//! holds person numbers would hide the same person from every other register, and so
//! from the ledger.
//!
//! The judgement is made after every block and before the block is stored, so the block that
//! refuses a delivery is in no file. Where a share decides, blocks before it hold a part of the
//! column, and a file that was complete by then (one of 128 MiB) stays in the lake, named by no
//! version of the table: intake may not delete. Whoever looks after the store removes it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, StringBuilder};
use arrow::datatypes::{Float64Type, Int64Type};
use oscar_permit::{LogicalType, PersonNumber, PersonNumberTrace, person_number_traces};

use super::distinct_sample::{CHANCE, DistinctSample};
use crate::package::{Fate, FieldPlan};

/// What stands where a person number was.
const MASK: &str = "[masked]";
/// Most cells are short codes: no look is needed below nine characters.
const SHORTEST: usize = 9;

/// What one field's cells look like so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeakCount {
    /// Text: present cells. Numbers: values of nine or ten digits.
    candidates: u64,
    /// Those that are or hold a person number.
    person_numbers: u64,
    /// Values that prove nothing one by one.
    ambiguous: DistinctSample,
}

/// Whether a column may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeakJudgement {
    Fine,
    /// Refuse the column.
    Leak,
    /// Refuse the column although the holder says that it has no person numbers.
    Unbelievable,
    /// The person key is no identifier of the holder's own.
    KeyKind,
}

impl LeakCount {
    pub(crate) fn add(&mut self, other: &Self) {
        self.candidates += other.candidates;
        self.person_numbers += other.person_numbers;
        self.ambiguous.merge(&other.ambiguous);
    }

    pub(crate) fn judge(&self, field: &FieldPlan) -> LeakJudgement {
        if field.fate == Fate::PersonKey {
            let full = self.ambiguous.is_full_of_numbers();
            return if full { LeakJudgement::KeyKind } else { LeakJudgement::Fine };
        }
        let often = self.person_numbers as f64 > self.candidates as f64 * CHANCE;
        let leaks = match (field.format.logical_type(), field.not_person_number) {
            (LogicalType::String, false) => self.person_numbers > 0,
            // With a reason only different values count: a code that is delivered often proves nothing.
            (LogicalType::Integer | LogicalType::Number, true)
            | (LogicalType::Boolean | LogicalType::Date | LogicalType::Datetime, _) => false,
            (LogicalType::String, true) | (LogicalType::Integer | LogicalType::Number, false) => often,
        };
        match (leaks || self.ambiguous.is_full_of_numbers(), field.not_person_number) {
            (false, _) => LeakJudgement::Fine,
            (true, false) => LeakJudgement::Leak,
            (true, true) => LeakJudgement::Unbelievable,
        }
    }
}

/// Counts a block's cells. Fields that are masked or dropped leak nothing; of the person key only
/// the holder's own identifiers (`is_identifier`) are looked at.
pub(crate) fn count_leaks(field: &FieldPlan, array: &dyn Array, is_identifier: bool) -> LeakCount {
    let logical_type = field.format.logical_type();
    match (field.fate, logical_type) {
        (Fate::PersonKey, LogicalType::String) if is_identifier => {
            let texts = array.as_string::<i32>().iter().flatten();
            count_keys(texts.map(|text| (text, PersonNumber::parse(text).is_some())))
        }
        (Fate::PersonKey, LogicalType::Integer) if is_identifier => {
            let numbers = array.as_primitive::<Int64Type>().iter().flatten();
            count_keys(numbers.map(|number| (number, PersonNumber::parse_integer(number).is_some())))
        }
        (Fate::Keep, LogicalType::String) => count_texts(array.as_string::<i32>()),
        (Fate::Keep, LogicalType::Integer) => {
            let mut count = LeakCount::default();
            array.as_primitive::<Int64Type>().iter().flatten().for_each(|number| count_number(&mut count, number));
            count
        }
        (Fate::Keep, LogicalType::Number) => {
            let mut count = LeakCount::default();
            array.as_primitive::<Float64Type>().iter().flatten().for_each(|number| count_decimal(&mut count, number));
            count
        }
        (Fate::Mask | Fate::Drop | Fate::PersonKey, _)
        | (Fate::Keep, LogicalType::Boolean | LogicalType::Date | LogicalType::Datetime) => LeakCount::default(),
    }
}

fn count_keys<T: std::hash::Hash>(keys: impl Iterator<Item = (T, bool)>) -> LeakCount {
    let mut count = LeakCount::default();
    keys.for_each(|(key, is_number)| count.ambiguous.insert(key, is_number));
    count
}

fn count_texts(texts: &StringArray) -> LeakCount {
    let mut count = LeakCount { candidates: (texts.len() - texts.null_count()) as u64, ..LeakCount::default() };
    // All lengths at once: a column of short codes is done with before any of them is looked at.
    let ends = texts.value_offsets().iter().skip(1);
    let longest = texts.value_offsets().iter().zip(ends).map(|(start, end)| end - start).max();
    if longest.is_none_or(|longest| usize::try_from(longest).is_ok_and(|longest| longest < SHORTEST)) {
        return count;
    }
    for text in texts.iter().flatten().filter(|text| text.len() >= SHORTEST) {
        for trace in person_number_traces(text) {
            match trace {
                PersonNumberTrace::Number(_) => {
                    count.person_numbers += 1;
                    break;
                }
                PersonNumberTrace::Ambiguous { digits, is_number, place: _ } => {
                    count.ambiguous.insert(digits, is_number);
                }
            }
        }
    }
    count
}

fn count_number(count: &mut LeakCount, number: i64) {
    let digits = number.unsigned_abs();
    if (100_000_000..=9_999_999_999).contains(&digits) {
        let is_number = is_person_number(digits);
        count.candidates += 1;
        count.person_numbers += u64::from(is_number);
        count.ambiguous.insert(digits, is_number);
    }
}

fn count_decimal(count: &mut LeakCount, number: f64) {
    match whole(number) {
        Some(whole) => count_number(count, whole),
        None => {
            if let Some(digits) = without_point(number) {
                count.ambiguous.insert(digits, is_person_number(digits));
            }
        }
    }
}

fn is_person_number(digits: u64) -> bool {
    i64::try_from(digits).ok().and_then(PersonNumber::parse_integer).is_some()
}

/// Ten digits.
const LARGEST: f64 = 9_999_999_999.0;

/// A whole number of at most ten digits as an integer.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates; beyond ten digits it is not used")]
    let whole = number as i64;
    #[expect(clippy::float_cmp, reason = "whether it is the very same number")]
    (number.abs() <= LARGEST && whole as f64 == number).then_some(whole)
}

/// `20160.9995`, a date and four more digits that were read as a number, as the ten digits it
/// stands for. Money has two decimals and is left alone.
fn without_point(number: f64) -> Option<u64> {
    let scaled = number.abs() * 10_000.0;
    // Most numbers are smaller, and that is the cheapest thing to see.
    if !(99_999_999.0..=LARGEST + 1.0).contains(&scaled) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, at most ten digits")]
    let digits = (scaled + 0.5) as u64;
    let exact = (digits as f64 / 10_000.0 - number.abs()).abs() < 1e-7 && !digits.is_multiple_of(100);
    (exact && (100_000_000..=9_999_999_999).contains(&digits)).then_some(digits)
}

/// The column with person numbers taken out, and how many cells changed.
pub(crate) fn mask(field: &FieldPlan, array: &ArrayRef) -> (ArrayRef, u64) {
    let mut masked = 0;
    let array: ArrayRef = match field.format.logical_type() {
        LogicalType::String => {
            let texts = array.as_string::<i32>();
            let mut builder = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
            for text in texts {
                match text {
                    Some(text) if text.len() >= SHORTEST => match PersonNumber::mask(text, MASK) {
                        Some(replaced) => {
                            masked += 1;
                            builder.append_value(replaced);
                        }
                        None => builder.append_value(text),
                    },
                    other => builder.append_option(other),
                }
            }
            Arc::new(builder.finish())
        }
        LogicalType::Integer => {
            let numbers = array.as_primitive::<Int64Type>();
            let kept: Int64Array = numbers
                .iter()
                .map(|number| number.filter(|number| keep(!is_person_number(number.unsigned_abs()), &mut masked)))
                .collect();
            Arc::new(kept)
        }
        LogicalType::Number => {
            let numbers = array.as_primitive::<Float64Type>();
            let kept: Float64Array = numbers
                .iter()
                .map(|number| {
                    number.filter(|number| {
                        let digits = whole(*number).map(i64::unsigned_abs).or_else(|| without_point(*number));
                        keep(!digits.is_some_and(is_person_number), &mut masked)
                    })
                })
                .collect();
            Arc::new(kept)
        }
        LogicalType::Boolean | LogicalType::Date | LogicalType::Datetime => Arc::clone(array),
    };
    (array, masked)
}

fn keep(harmless: bool, masked: &mut u64) -> bool {
    *masked += u64::from(!harmless);
    harmless
}
