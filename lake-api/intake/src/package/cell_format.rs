//! How the text of a cell becomes a value of its field's type.
//!
//! Only what the descriptor says is accepted; nothing is guessed. A text that is not of the
//! type is a fault of its row.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use oscar_permit::LogicalType;

use super::descriptor::Field;
use super::error::ResourceError;

/// Days from 0001-01-01 to 1970-01-01, the zero of Arrow's `Date32`.
const EPOCH_DAYS: i32 = 719_163;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Boolean(bool),
    Integer(i64),
    Number(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 00:00 UTC.
    Datetime(i64),
}

/// How cells of one field are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CellFormat {
    Text,
    Integer {
        group: Option<u8>,
    },
    Number {
        decimal: u8,
        group: Option<u8>,
    },
    Boolean {
        yes: Vec<String>,
        no: Vec<String>,
    },
    /// ISO 8601 or a pattern of `strptime`.
    Date(Option<String>),
    /// ISO 8601 or a pattern of `strptime`; without an offset the time is UTC.
    Datetime(Option<String>),
}

impl CellFormat {
    /// The format that the descriptor gives a field.
    pub(crate) fn of(field: &Field) -> Result<Self, ResourceError> {
        let name = field.name.as_str();
        if field.bare_number == Some(false) {
            return Err(ResourceError::field(name, "bareNumber: false is not supported; deliver bare numbers"));
        }
        let group = single(field.group_char.as_ref(), name, "groupChar")?;
        let decimal = single(field.decimal_char.as_ref(), name, "decimalChar")?.unwrap_or(b'.');
        let format = field.format.as_deref().unwrap_or("default");
        let pattern = pattern(format, name);
        let plain = |made: Self| {
            let fine = format == "default";
            if fine {
                Ok(made)
            } else {
                Err(ResourceError::field(name, "only the default format is supported for its type"))
            }
        };
        match field.type_name.as_deref().unwrap_or("any") {
            "string" | "any" => plain(Self::Text),
            "integer" => plain(Self::Integer { group }),
            "year" => plain(Self::Integer { group: None }),
            "number" => plain(Self::Number { decimal, group }),
            "boolean" => plain(Self::Boolean {
                yes: field
                    .true_values
                    .clone()
                    .unwrap_or_else(|| ["true", "True", "TRUE", "1"].map(String::from).to_vec()),
                no: field
                    .false_values
                    .clone()
                    .unwrap_or_else(|| ["false", "False", "FALSE", "0"].map(String::from).to_vec()),
            }),
            "date" => Ok(Self::Date(pattern?)),
            "datetime" => Ok(Self::Datetime(pattern?)),
            other => Err(ResourceError::field(
                name,
                format!("type '{other}' is not supported; declare string, integer, number, boolean, date or datetime"),
            )),
        }
    }

    /// The type in the lake.
    pub(crate) const fn logical_type(&self) -> LogicalType {
        match self {
            Self::Text => LogicalType::String,
            Self::Integer { .. } => LogicalType::Integer,
            Self::Number { .. } => LogicalType::Number,
            Self::Boolean { .. } => LogicalType::Boolean,
            Self::Date(_) => LogicalType::Date,
            Self::Datetime(_) => LogicalType::Datetime,
        }
    }

    /// Reads a cell.
    pub(crate) fn parse<'a>(&self, text: &'a str) -> Option<Cell<'a>> {
        match self {
            Self::Text => Some(Cell::Text(text)),
            Self::Integer { group } => parse_integer(text, *group).map(Cell::Integer),
            Self::Number { decimal, group } => parse_number(text, *decimal, *group).map(Cell::Number),
            Self::Boolean { yes, no } => {
                let is = |words: &[String]| words.iter().any(|word| word == text);
                if is(yes) { Some(Cell::Boolean(true)) } else { is(no).then_some(Cell::Boolean(false)) }
            }
            Self::Date(None) => parse_iso_date(text).map(Cell::Date),
            Self::Date(Some(pattern)) => {
                NaiveDate::parse_from_str(text, pattern).ok().map(|date| Cell::Date(days(date)))
            }
            Self::Datetime(pattern) => parse_datetime(text, pattern.as_deref()).map(Cell::Datetime),
        }
    }
}

fn single(word: Option<&String>, field: &str, name: &str) -> Result<Option<u8>, ResourceError> {
    match word.map(String::as_bytes) {
        None => Ok(None),
        Some([one]) => Ok(Some(*one)),
        Some(_) => Err(ResourceError::field(field, format!("{name} must be one ASCII character"))),
    }
}

fn pattern(format: &str, field: &str) -> Result<Option<String>, ResourceError> {
    match format {
        "default" => Ok(None),
        pattern if pattern.contains('%') && StrftimeItems::new(pattern).all(|item| item != Item::Error) => {
            Ok(Some(pattern.to_owned()))
        }
        _ => Err(ResourceError::field(field, "format must be 'default' (ISO 8601) or a pattern such as %d-%m-%Y")),
    }
}

/// Days since 1970-01-01.
pub(crate) fn days(date: NaiveDate) -> i32 {
    chrono::Datelike::num_days_from_ce(&date) - EPOCH_DAYS
}

fn parse_integer(text: &str, group: Option<u8>) -> Option<i64> {
    // "+5" is a number for Rust and for nobody who counts; only digits and a minus are taken.
    if text.starts_with('+') {
        return None;
    }
    match group {
        Some(group) if text.as_bytes().contains(&group) => text.replace(char::from(group), "").parse().ok(),
        _ => text.parse().ok(),
    }
}

fn parse_number(text: &str, decimal: u8, group: Option<u8>) -> Option<f64> {
    let plain = decimal == b'.' && group.is_none_or(|group| !text.as_bytes().contains(&group));
    let number: f64 = if plain {
        text.parse().ok()?
    } else {
        let mut rewritten = String::with_capacity(text.len());
        for character in text.chars() {
            match u8::try_from(character) {
                Ok(byte) if Some(byte) == group => {}
                Ok(byte) if byte == decimal => rewritten.push('.'),
                // With a decimal comma a point would silently become one thousand times as much.
                Ok(b'.') => return None,
                _ => rewritten.push(character),
            }
        }
        rewritten.parse().ok()?
    };
    number.is_finite().then_some(number)
}

fn parse_iso_date(text: &str) -> Option<i32> {
    match text.as_bytes() {
        [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] => {
            let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
            if !digits.iter().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            let number = |digits: &[&u8]| digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(**digit - b'0'));
            let year = i32::try_from(number(&[y1, y2, y3, y4])).ok()?;
            NaiveDate::from_ymd_opt(year, number(&[m1, m2]), number(&[d1, d2])).map(days)
        }
        _ => None,
    }
}

fn parse_datetime(text: &str, pattern: Option<&str>) -> Option<i64> {
    if let Some(pattern) = pattern {
        let zoned = DateTime::parse_from_str(text, pattern).map(|time| time.timestamp_micros());
        let local = || NaiveDateTime::parse_from_str(text, pattern).map(|time| time.and_utc().timestamp_micros());
        let day = || NaiveDate::parse_from_str(text, pattern).ok()?.and_hms_opt(0, 0, 0);
        return zoned.or_else(|_| local()).ok().or_else(|| Some(day()?.and_utc().timestamp_micros()));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn format(json: serde_json::Value) -> CellFormat {
        CellFormat::of(&serde_json::from_value(json).unwrap()).unwrap()
    }

    #[rstest]
    #[case(r#"{"name":"a","type":"integer"}"#, "-12", Some(Cell::Integer(-12)))]
    #[case(r#"{"name":"a","type":"integer"}"#, "1.0", None)]
    #[case(r#"{"name":"a","type":"integer"}"#, "+1", None)]
    #[case(r#"{"name":"a","type":"integer"}"#, " 1", None)]
    #[case(r#"{"name":"a","type":"integer"}"#, "9223372036854775808", None)]
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, "1.234.567", Some(Cell::Integer(1_234_567)))]
    #[case(r#"{"name":"a","type":"number"}"#, "1940.2559890486", Some(Cell::Number(1_940.255_989_048_6)))]
    #[case(r#"{"name":"a","type":"number"}"#, "NaN", None)]
    #[case(r#"{"name":"a","type":"number"}"#, "inf", None)]
    #[case(r#"{"name":"a","type":"number"}"#, "1,5", None)]
    #[case(r#"{"name":"a","type":"number","decimalChar":","}"#, "-1,5", Some(Cell::Number(-1.5)))]
    #[case(r#"{"name":"a","type":"number","decimalChar":","}"#, "1.500", None)]
    #[case(
        r#"{"name":"a","type":"number","decimalChar":",","groupChar":"."}"#,
        "1.500,25",
        Some(Cell::Number(1500.25))
    )]
    #[case(r#"{"name":"a","type":"boolean"}"#, "TRUE", Some(Cell::Boolean(true)))]
    #[case(
        r#"{"name":"a","type":"boolean","trueValues":["ja"],"falseValues":["nej"]}"#,
        "nej",
        Some(Cell::Boolean(false))
    )]
    #[case(r#"{"name":"a","type":"boolean","trueValues":["ja"],"falseValues":["nej"]}"#, "1", None)]
    #[case(r#"{"name":"a","type":"date"}"#, "1970-01-02", Some(Cell::Date(1)))]
    #[case(r#"{"name":"a","type":"date"}"#, "2023-02-31", None)]
    #[case(r#"{"name":"a","type":"date"}"#, "2023-2-3", None)]
    #[case(r#"{"name":"a","type":"date","format":"%d-%m-%Y"}"#, "01-02-1970", Some(Cell::Date(31)))]
    #[case(r#"{"name":"a","type":"datetime"}"#, "1970-01-01T01:00:00+01:00", Some(Cell::Datetime(0)))]
    #[case(r#"{"name":"a","type":"datetime"}"#, "1970-01-01T00:00:01.5", Some(Cell::Datetime(1_500_000)))]
    #[case(r#"{"name":"a","type":"datetime","format":"%Y-%m-%d"}"#, "1970-01-02", Some(Cell::Datetime(86_400_000_000)))]
    #[case(r#"{"name":"a","type":"year"}"#, "1970", Some(Cell::Integer(1970)))]
    fn a_cell_is_read_by_its_format(#[case] field: &str, #[case] text: &str, #[case] expected: Option<Cell<'static>>) {
        assert_eq!(format(serde_json::from_str(field).unwrap()).parse(text), expected);
    }

    #[rstest]
    #[case(r#"{"name":"a","type":"geopoint"}"#)]
    #[case(r#"{"name":"a","type":"date","format":"any"}"#)]
    #[case(r#"{"name":"a","type":"date","format":"%Q"}"#)]
    #[case(r#"{"name":"a","type":"string","format":"email"}"#)]
    #[case(r#"{"name":"a","type":"number","decimalChar":"::"}"#)]
    #[case(r#"{"name":"a","type":"number","bareNumber":false}"#)]
    fn a_format_that_would_not_be_checked_is_refused(#[case] field: &str) {
        assert!(CellFormat::of(&serde_json::from_str(field).unwrap()).is_err());
    }
}
