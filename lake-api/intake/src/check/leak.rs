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
//! identifiers. With a reason given, any number passes.
//!
//! The judgement is made after every block and before the block is stored, so not even an
//! abandoned file contains what refused the delivery.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringBuilder};
use arrow::datatypes::{Float64Type, Int64Type};
use oscar_permit::{LogicalType, PersonNumber};

use crate::package::{Fate, FieldPlan};

/// What stands where a person number was.
const MASK: &str = "[masked]";
/// The share of values that may look like a person number by chance.
const CHANCE: f64 = 0.25;

/// What one field's cells look like so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeakCount {
    /// Text: present cells. Numbers: values of nine or ten digits.
    pub(crate) candidates: u64,
    /// Those that are or hold a person number.
    pub(crate) person_numbers: u64,
}

/// Whether a column may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeakJudgement {
    Fine,
    /// Refuse the column.
    Leak,
    /// Refuse the column although the holder says that it has no person numbers.
    Unbelievable,
}

impl LeakCount {
    pub(crate) fn add(&mut self, other: Self) {
        self.candidates += other.candidates;
        self.person_numbers += other.person_numbers;
    }

    pub(crate) fn judge(self, field: &FieldPlan) -> LeakJudgement {
        let often = self.person_numbers as f64 > self.candidates as f64 * CHANCE;
        match (field.format.logical_type(), field.not_person_number) {
            _ if self.person_numbers == 0 => LeakJudgement::Fine,
            (LogicalType::String, false) => LeakJudgement::Leak,
            (LogicalType::String, true) if often => LeakJudgement::Unbelievable,
            (LogicalType::Integer | LogicalType::Number, false) if often => LeakJudgement::Leak,
            (
                LogicalType::String
                | LogicalType::Integer
                | LogicalType::Number
                | LogicalType::Boolean
                | LogicalType::Date
                | LogicalType::Datetime,
                _,
            ) => LeakJudgement::Fine,
        }
    }
}

/// Counts a block's cells. Fields that are masked, dropped or pseudonymised leak nothing.
pub(crate) fn count_leaks(field: &FieldPlan, array: &dyn Array) -> LeakCount {
    match field.fate {
        Fate::Keep => {}
        Fate::Mask | Fate::PersonKey | Fate::Drop => return LeakCount::default(),
    }
    match field.format.logical_type() {
        LogicalType::String => {
            let texts = array.as_string::<i32>();
            let found = texts.iter().flatten().filter(|text| holds_person_number(text)).count();
            LeakCount { candidates: (texts.len() - texts.null_count()) as u64, person_numbers: found as u64 }
        }
        LogicalType::Integer => count_numbers(array.as_primitive::<Int64Type>().iter().flatten()),
        LogicalType::Number => count_numbers(array.as_primitive::<Float64Type>().iter().flatten().filter_map(whole)),
        LogicalType::Boolean | LogicalType::Date | LogicalType::Datetime => LeakCount::default(),
    }
}

/// Most cells are short codes: no look is needed below ten characters.
fn holds_person_number(text: &str) -> bool {
    text.len() >= 10 && PersonNumber::occurs_in(text)
}

fn count_numbers(numbers: impl Iterator<Item = i64>) -> LeakCount {
    let mut count = LeakCount::default();
    for number in numbers.filter(|number| (100_000_000..=9_999_999_999).contains(number)) {
        count.candidates += 1;
        count.person_numbers += u64::from(PersonNumber::parse_integer(number).is_some());
    }
    count
}

/// A whole number below 2^53 as an integer.
fn whole(number: f64) -> Option<i64> {
    let small = (0.0..=9_999_999_999.0).contains(&number) && number.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most ten digits")]
    small.then_some(number as i64)
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
                    Some(text) if text.len() >= 10 => match PersonNumber::mask(text, MASK) {
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
                .map(|number| number.filter(|number| keep(PersonNumber::parse_integer(*number).is_none(), &mut masked)))
                .collect();
            Arc::new(kept)
        }
        LogicalType::Number => {
            let numbers = array.as_primitive::<Float64Type>();
            let kept: Float64Array = numbers
                .iter()
                .map(|number| {
                    number.filter(|number| {
                        keep(whole(*number).and_then(PersonNumber::parse_integer).is_none(), &mut masked)
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
