//! The constraints of single fields, column by column.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use oscar_permit::LogicalType;

use super::fault::{Fault, Rule};
use crate::fast_hash::FastSet;
use crate::package::number_bits;
use crate::package::{AnyOf, Bounds, Checks, FieldPlan};
use crate::read::Columns;

/// Texts of a block that are remembered to match their pattern: codes recur.
const MOST_MATCHED: usize = 1024;

/// Checks every field; appends what is wrong to the block's faults. A cell that has a fault
/// already (it was not of its type) is null and gets no second one.
pub(crate) fn check_fields(fields: &[FieldPlan], columns: &mut Columns) {
    let Columns { arrays, rows, faults } = columns;
    let known = faults.len();
    let mut explained = None;
    for (index, (field, array)) in fields.iter().zip(arrays.iter()).enumerate() {
        if field.checks.required && array.null_count() > 0 {
            let explained =
                explained.get_or_insert_with(|| Explained::by(faults.get(..known).unwrap_or_default(), *rows));
            let unexplained =
                (0u32..).take(array.len()).filter(|row| array.is_null(*row as usize) && !explained.is(*row, index));
            faults.extend(unexplained.map(|row| Fault { row, field: Some(index), rule: Rule::Required }));
        }
        let mut fault = |row: u32, rule| faults.push(Fault { row, field: Some(index), rule });
        check_values(field, array.as_ref(), &mut fault);
    }
}

/// Cells that are null because they have a fault already.
struct Explained {
    rows: Vec<bool>,
    cells: FastSet<(u32, usize)>,
}

impl Explained {
    fn by(faults: &[Fault], rows: usize) -> Self {
        let mut explained = Self { rows: vec![false; rows], cells: FastSet::default() };
        for fault in faults {
            match (fault.field, explained.rows.get_mut(fault.row as usize)) {
                (Some(field), _) => drop(explained.cells.insert((fault.row, field))),
                (None, Some(row)) => *row = true,
                (None, None) => {}
            }
        }
        explained
    }

    fn is(&self, row: u32, field: usize) -> bool {
        self.rows.get(row as usize).copied().unwrap_or(false) || self.cells.contains(&(row, field))
    }
}

fn check_values(field: &FieldPlan, array: &dyn Array, fault: &mut impl FnMut(u32, Rule)) {
    let checks = &field.checks;
    match field.format.logical_type() {
        LogicalType::String => check_text(checks, array, fault),
        LogicalType::Number => {
            for (row, number) in values(array.as_primitive::<Float64Type>()) {
                let listed = match &checks.any_of {
                    Some(AnyOf::Number(numbers)) => numbers.contains(&number_bits(number)),
                    Some(AnyOf::Text(_) | AnyOf::Integer(_)) => false,
                    None => true,
                };
                if !listed {
                    fault(row, Rule::Enum);
                }
                if !checks.bounds.admits_number(number) {
                    fault(row, Rule::Range);
                }
            }
        }
        LogicalType::Integer => check_integers(checks, values(array.as_primitive::<Int64Type>()), fault),
        LogicalType::Date => {
            let days = values(array.as_primitive::<Date32Type>()).map(|(row, day)| (row, i64::from(day)));
            check_integers(checks, days, fault);
        }
        LogicalType::Datetime => {
            check_integers(checks, values(array.as_primitive::<TimestampMicrosecondType>()), fault);
        }
        LogicalType::Boolean => {
            let flags = (0u32..).zip(array.as_boolean()).filter_map(|(row, flag)| Some((row, i64::from(flag?))));
            check_integers(checks, flags, fault);
        }
    }
}

/// The present values with their rows.
fn values<T: arrow::datatypes::ArrowPrimitiveType>(
    array: &arrow::array::PrimitiveArray<T>,
) -> impl Iterator<Item = (u32, T::Native)> {
    (0u32..).zip(array).filter_map(|(row, value)| Some((row, value?)))
}

fn check_integers(checks: &Checks, values: impl Iterator<Item = (u32, i64)>, fault: &mut impl FnMut(u32, Rule)) {
    if checks.any_of.is_none() && checks.bounds == Bounds::None && checks.plausible == Bounds::None {
        return;
    }
    for (row, value) in values {
        let listed = match &checks.any_of {
            Some(AnyOf::Integer(integers)) => integers.contains(&value),
            Some(AnyOf::Text(_) | AnyOf::Number(_)) => false,
            None => true,
        };
        if !listed {
            fault(row, Rule::Enum);
        }
        if !checks.bounds.admits_integer(value) {
            fault(row, Rule::Range);
        }
        if !checks.plausible.admits_integer(value) {
            fault(row, Rule::PlausibleDate);
        }
    }
}

fn check_text(checks: &Checks, array: &dyn Array, fault: &mut impl FnMut(u32, Rule)) {
    let (shortest, longest) = checks.length;
    let any_length = shortest == 0 && longest == usize::MAX;
    if checks.any_of.is_none() && checks.pattern.is_none() && any_length {
        return;
    }
    let mut matched = FastSet::default();
    for (row, text) in (0u32..).zip(array.as_string::<i32>()) {
        let Some(text) = text else { continue };
        let listed = match &checks.any_of {
            Some(AnyOf::Text(texts)) => texts.contains(text),
            Some(AnyOf::Integer(_) | AnyOf::Number(_)) => false,
            None => true,
        };
        if !listed {
            fault(row, Rule::Enum);
        }
        if let Some(pattern) = &checks.pattern
            && !matched.contains(text)
        {
            if !pattern.is_match(text) {
                fault(row, Rule::Pattern);
            } else if matched.len() < MOST_MATCHED {
                matched.insert(text);
            }
        }
        if !any_length && !(shortest..=longest).contains(&text.chars().count()) {
            fault(row, Rule::Length);
        }
    }
}
