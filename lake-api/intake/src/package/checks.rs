//! The constraints of a field, compiled.

use oscar_permit::LogicalType;
use regex::Regex;
use serde_json::Value as Json;

use super::cell_format::{Cell, CellFormat};
use super::descriptor::{Constraints, Field};
use super::error::ResourceError;
use crate::fast_hash::FastSet;

/// 1850-01-01 in days since 1970: nobody in a register was born much earlier.
const EARLIEST_DAY: i64 = -43_829;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What every cell of a field must satisfy.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    pub(crate) required: bool,
    pub(crate) any_of: Option<AnyOf>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) bounds: Bounds,
    /// Least and greatest number of characters.
    pub(crate) length: (usize, usize),
    /// Bounds that follow from common sense where the holder has set none (dates).
    pub(crate) plausible: Bounds,
}

/// The values a cell may have.
#[derive(Debug, Clone)]
pub(crate) enum AnyOf {
    Text(FastSet<String>),
    /// Booleans, integers, days, microseconds.
    Integer(FastSet<i64>),
    /// The bits of the numbers.
    Number(FastSet<u64>),
}

/// Inclusive or exclusive limits; integers, days and microseconds always inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bounds {
    None,
    Integer { min: i64, max: i64 },
    Number { min: f64, min_excluded: bool, max: f64, max_excluded: bool },
}

impl Bounds {
    pub(crate) fn admits_integer(self, value: i64) -> bool {
        match self {
            Self::None => true,
            Self::Integer { min, max } => (min..=max).contains(&value),
            Self::Number { .. } => self.admits_number(value as f64),
        }
    }

    pub(crate) fn admits_number(self, value: f64) -> bool {
        match self {
            Self::None => true,
            Self::Integer { min, max } => value >= min as f64 && value <= max as f64,
            Self::Number { min, min_excluded, max, max_excluded } => {
                (value > min || (!min_excluded && value >= min)) && (value < max || (!max_excluded && value <= max))
            }
        }
    }
}

/// Zero has two bit patterns and is one number.
pub(crate) fn number_bits(value: f64) -> u64 {
    if value == 0.0 { 0 } else { value.to_bits() }
}

impl Checks {
    /// Compiles a field's constraints; `today` is the last day that any date can plausibly name, less one.
    pub(crate) fn of(
        field: &Field,
        format: &CellFormat,
        codes: Option<&[String]>,
        today: i32,
    ) -> Result<Self, ResourceError> {
        let Constraints {
            required,
            unique: _, // checked across rows, see `KeyPlan`
            any_of,
            pattern,
            minimum,
            maximum,
            exclusive_minimum,
            exclusive_maximum,
            min_length,
            max_length,
        } = &field.constraints;
        let text_only = pattern.is_some() || min_length.is_some() || max_length.is_some();
        if text_only && format.logical_type() != LogicalType::String {
            return Err(ResourceError::field(&field.name, "pattern, minLength and maxLength need type string"));
        }
        let mut lists: Vec<AnyOf> = Vec::new();
        if let Some(values) = any_of {
            lists.push(any_of_values(field, format, values.iter())?);
        }
        if let Some(codes) = codes {
            let values: Vec<Json> = codes.iter().map(|code| Json::String(code.clone())).collect();
            lists.push(any_of_values(field, format, values.iter())?);
        }
        let minimum = (minimum.as_ref(), exclusive_minimum.as_ref());
        let maximum = (maximum.as_ref(), exclusive_maximum.as_ref());
        Ok(Self {
            required: *required,
            any_of: lists.into_iter().reduce(intersection),
            pattern: pattern.as_ref().map(|pattern| compile(field, pattern)).transpose()?,
            bounds: bounds(field, format, minimum, maximum)?,
            length: (min_length.unwrap_or(0), max_length.unwrap_or(usize::MAX)),
            plausible: plausible(format, is_set(minimum), is_set(maximum), today),
        })
    }
}

const fn is_set(limit: (Option<&Json>, Option<&Json>)) -> bool {
    limit.0.is_some() || limit.1.is_some()
}

/// A pattern must match the whole cell, as in XML Schema.
fn compile(field: &Field, pattern: &str) -> Result<Regex, ResourceError> {
    Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|_| ResourceError::field(&field.name, "the pattern is not a regular expression of the supported kind"))
}

/// A value of the descriptor in the field's type; JSON numbers never use the field's own signs.
pub(crate) fn constant<'a>(format: &CellFormat, value: &'a Json, buffer: &'a mut String) -> Option<Cell<'a>> {
    match value {
        Json::String(text) => match format.parse(text) {
            None => plain(format).parse(text),
            cell => cell,
        },
        Json::Bool(flag) if matches!(format, CellFormat::Boolean { .. }) => Some(Cell::Boolean(*flag)),
        Json::Number(number) => {
            *buffer = number.to_string();
            plain(format).parse(buffer)
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn plain(format: &CellFormat) -> CellFormat {
    match format {
        CellFormat::Text => CellFormat::Text,
        CellFormat::Integer { .. } => CellFormat::Integer { group: None },
        CellFormat::Number { .. } => CellFormat::Number { decimal: b'.', group: None },
        CellFormat::Boolean { yes, no } => CellFormat::Boolean { yes: yes.clone(), no: no.clone() },
        CellFormat::Date(_) => CellFormat::Date(None),
        CellFormat::Datetime(_) => CellFormat::Datetime(None),
    }
}

fn any_of_values<'a>(
    field: &Field,
    format: &CellFormat,
    values: impl Iterator<Item = &'a Json>,
) -> Result<AnyOf, ResourceError> {
    let wrong = || ResourceError::field(&field.name, "a value of enum, categories or codes is not of the field's type");
    let mut texts = FastSet::default();
    let mut integers = FastSet::default();
    let mut numbers = FastSet::default();
    for value in values {
        let mut buffer = String::new();
        match constant(format, value, &mut buffer).ok_or_else(wrong)? {
            Cell::Text(text) => drop(texts.insert(text.to_owned())),
            Cell::Boolean(flag) => drop(integers.insert(i64::from(flag))),
            Cell::Integer(number) | Cell::Datetime(number) => drop(integers.insert(number)),
            Cell::Date(day) => drop(integers.insert(i64::from(day))),
            Cell::Number(number) => drop(numbers.insert(number_bits(number))),
        }
    }
    Ok(match format.logical_type() {
        LogicalType::String => AnyOf::Text(texts),
        LogicalType::Number => AnyOf::Number(numbers),
        LogicalType::Boolean | LogicalType::Integer | LogicalType::Date | LogicalType::Datetime => {
            AnyOf::Integer(integers)
        }
    })
}

fn intersection(left: AnyOf, right: AnyOf) -> AnyOf {
    match (left, right) {
        (AnyOf::Text(a), AnyOf::Text(b)) => AnyOf::Text(a.intersection(&b).cloned().collect()),
        (AnyOf::Number(a), AnyOf::Number(b)) => AnyOf::Number(a.intersection(&b).copied().collect()),
        (AnyOf::Integer(a), AnyOf::Integer(b)) => AnyOf::Integer(a.intersection(&b).copied().collect()),
        // Both lists were made for one field, so their kinds are the same; nothing else may pass.
        (AnyOf::Text(_) | AnyOf::Number(_) | AnyOf::Integer(_), _) => AnyOf::Integer(FastSet::default()),
    }
}

type Limit<'a> = (Option<&'a Json>, Option<&'a Json>);

fn bounds(field: &Field, format: &CellFormat, minimum: Limit<'_>, maximum: Limit<'_>) -> Result<Bounds, ResourceError> {
    if !is_set(minimum) && !is_set(maximum) {
        return Ok(Bounds::None);
    }
    if (minimum.0.is_some() && minimum.1.is_some()) || (maximum.0.is_some() && maximum.1.is_some()) {
        return Err(ResourceError::field(&field.name, "give a limit either inclusive or exclusive, not both"));
    }
    let wrong = || ResourceError::field(&field.name, "a minimum or maximum is not of the field's type");
    match format.logical_type() {
        LogicalType::String | LogicalType::Boolean => {
            Err(ResourceError::field(&field.name, "minimum and maximum need a number or a date"))
        }
        LogicalType::Number => {
            let number = |json: &Json| match constant(format, json, &mut String::new()) {
                Some(Cell::Number(number)) => Ok(number),
                _ => Err(wrong()),
            };
            Ok(Bounds::Number {
                min: minimum.0.or(minimum.1).map_or(Ok(f64::NEG_INFINITY), number)?,
                min_excluded: minimum.1.is_some(),
                max: maximum.0.or(maximum.1).map_or(Ok(f64::INFINITY), number)?,
                max_excluded: maximum.1.is_some(),
            })
        }
        LogicalType::Integer | LogicalType::Date | LogicalType::Datetime => {
            let integer = |json: &Json| match constant(format, json, &mut String::new()) {
                Some(Cell::Integer(number) | Cell::Datetime(number)) => Ok(number),
                Some(Cell::Date(day)) => Ok(i64::from(day)),
                _ => Err(wrong()),
            };
            let min = minimum.0.or(minimum.1).map_or(Ok(i64::MIN), integer)?;
            let max = maximum.0.or(maximum.1).map_or(Ok(i64::MAX), integer)?;
            Ok(Bounds::Integer {
                min: min.saturating_add(i64::from(minimum.1.is_some())),
                max: max.saturating_sub(i64::from(maximum.1.is_some())),
            })
        }
    }
}

/// From 1850 to the day after the delivery, on the sides where the holder sets no limit.
fn plausible(format: &CellFormat, has_minimum: bool, has_maximum: bool, today: i32) -> Bounds {
    let unit = match format.logical_type() {
        LogicalType::Date => 1,
        LogicalType::Datetime => MICROS_PER_DAY,
        LogicalType::Boolean | LogicalType::Integer | LogicalType::Number | LogicalType::String => return Bounds::None,
    };
    let min = if has_minimum { i64::MIN } else { EARLIEST_DAY * unit };
    let max = if has_maximum { i64::MAX } else { (i64::from(today) + 2) * unit - 1 };
    Bounds::Integer { min, max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_plausible_day_is_the_first_of_1850() {
        let day = chrono::NaiveDate::from_ymd_opt(1850, 1, 1).unwrap();
        assert_eq!(i64::from(super::super::cell_format::days(day)), EARLIEST_DAY);
    }

    #[test]
    fn tomorrow_is_plausible_and_the_day_after_is_not() {
        let bounds = plausible(&CellFormat::Date(None), false, false, 100);
        assert!(bounds.admits_integer(101));
        assert!(!bounds.admits_integer(102));
        let bounds = plausible(&CellFormat::Datetime(None), false, false, 100);
        assert!(bounds.admits_integer(102 * MICROS_PER_DAY - 1));
        assert!(!bounds.admits_integer(102 * MICROS_PER_DAY));
    }

    #[test]
    fn exclusive_limits_exclude_the_limit_itself() {
        let field: Field =
            serde_json::from_str(r#"{"name":"a","type":"number","constraints":{"exclusiveMinimum":0,"maximum":1.5}}"#)
                .unwrap();
        let checks = Checks::of(&field, &CellFormat::of(&field).unwrap(), None, 0).unwrap();
        assert!(!checks.bounds.admits_number(0.0));
        assert!(checks.bounds.admits_number(1e-9));
        assert!(checks.bounds.admits_number(1.5));
        assert!(!checks.bounds.admits_number(1.6));
        assert!(!checks.bounds.admits_number(f64::NAN));
    }
}
