//! Values of grouping keys, with a total order and one canonical text.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A floating-point number with a total order, so that it can be sorted and be a key.
/// `-0.0` is stored as `0.0`. Text formats carry it as text: JSON readers may lose the
/// last bit of a number and cannot carry infinities.
#[derive(Debug, Clone, Copy)]
pub struct OrderedF64(f64);

impl OrderedF64 {
    /// Wraps a number.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self(if value == 0.0 { 0.0 } else { value })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for OrderedF64 {
    fn from(value: f64) -> Self {
        Self::new(value)
    }
}

impl PartialEq for OrderedF64 {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for OrderedF64 {}

impl PartialOrd for OrderedF64 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedF64 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl std::hash::Hash for OrderedF64 {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for OrderedF64 {
    /// The shortest decimal that reads back as the same number, never with an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for OrderedF64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_f64(self.0) }
    }
}

impl<'de> Deserialize<'de> for OrderedF64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            f64::from_str(&text).map(Self::new).map_err(|_| serde::de::Error::custom("a number written as text"))
        } else {
            f64::deserialize(deserializer).map(Self::new)
        }
    }
}

/// The value of one grouping key in one cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyValue {
    /// Absent, or the key is not part of the cell's grouping set.
    Null,
    /// true or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Number(OrderedF64),
    /// Text or a code.
    Text(String),
    /// A day, counted from 1970-01-01.
    Date(i32),
    /// A point in time in UTC, microseconds from 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl KeyValue {
    /// The canonical text, `None` for an absent value: days as `2024-01-31`, times as
    /// `2024-01-31T12:00:00.000000Z`, numbers as the shortest decimal without exponent.
    #[must_use]
    pub fn canonical(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some(value.to_string()),
            Self::Integer(value) => Some(value.to_string()),
            Self::Number(value) => Some(value.to_string()),
            Self::Text(value) => Some(value.clone()),
            Self::Date(days) => Some(date_text(*days)),
            Self::Timestamp(micros) => Some(
                DateTime::from_timestamp_micros(*micros)
                    .map_or_else(|| micros.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            ),
        }
    }

    /// The value as JSON: `null`, booleans and whole numbers as themselves, decimal
    /// numbers as numbers where JSON can carry them, everything else as canonical text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Number(value) => serde_json::Number::from_f64(value.get())
                .map_or_else(|| value.to_string().into(), serde_json::Value::Number),
            Self::Text(_) | Self::Date(_) | Self::Timestamp(_) => self.canonical().into(),
        }
    }
}

/// A day as ISO 8601; a count outside the calendar's range stays a count.
fn date_text(days: i32) -> String {
    let epoch = NaiveDate::default();
    let distance = Days::new(u64::from(days.unsigned_abs()));
    let day = if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) };
    day.map_or_else(|| days.to_string(), |day| day.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_one_canonical_text() {
        assert_eq!(KeyValue::Null.canonical(), None);
        assert_eq!(KeyValue::Date(-1).canonical().unwrap(), "1969-12-31");
        assert_eq!(KeyValue::Date(19_753).canonical().unwrap(), "2024-01-31");
        assert_eq!(KeyValue::Timestamp(1_500_000).canonical().unwrap(), "1970-01-01T00:00:01.500000Z");
        assert_eq!(KeyValue::Number((-0.0).into()).canonical().unwrap(), "0");
        assert_eq!(KeyValue::Number(1e21.into()).canonical().unwrap(), "1000000000000000000000");
    }

    #[test]
    fn numbers_survive_json_to_the_last_bit_and_infinities_too() {
        for value in [0.1 + 0.2, f64::MIN_POSITIVE, f64::INFINITY, -1.0 / 3.0] {
            let text = serde_json::to_string(&KeyValue::Number(value.into())).unwrap();
            assert_eq!(serde_json::from_str::<KeyValue>(&text).unwrap(), KeyValue::Number(value.into()));
        }
    }
}
