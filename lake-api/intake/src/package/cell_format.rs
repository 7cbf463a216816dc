//! How the text of a cell becomes a value of its field's type.
//!
//! Only what the descriptor says is accepted; nothing is guessed. A text that is not of the
//! type is a fault of its row.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use oscar_permit::LogicalType;

use super::date_pattern::DatePattern;
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
    Date(Option<DatePattern>),
    /// ISO 8601 or a pattern of `strptime`; without an offset the time is UTC, without a time the day begins.
    Datetime(Option<DatePattern>),
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
        if group == Some(decimal) && field.type_name.as_deref() == Some("number") {
            return Err(ResourceError::field(
                name,
                "groupChar and decimalChar must differ (decimalChar is a point by default)",
            ));
        }
        let format = field.format.as_deref().unwrap_or("default");
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
            "date" => match pattern(format, name)? {
                Some(pattern) if !pattern.is_day() => {
                    Err(ResourceError::field(name, "a pattern with a time needs type datetime: a date would lose it"))
                }
                pattern => Ok(Self::Date(pattern)),
            },
            "datetime" => pattern(format, name).map(Self::Datetime),
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
            Self::Date(Some(pattern)) => pattern.date(text).map(Cell::Date),
            Self::Datetime(None) => parse_iso_datetime(text).map(Cell::Datetime),
            Self::Datetime(Some(pattern)) => pattern.datetime(text).map(Cell::Datetime),
        }
    }
}

fn single(word: Option<&String>, field: &str, name: &str) -> Result<Option<u8>, ResourceError> {
    match word.map(String::as_bytes) {
        None => Ok(None),
        Some([one]) if !one.is_ascii_alphanumeric() && !matches!(one, b'-' | b'+') => Ok(Some(*one)),
        Some(_) => {
            Err(ResourceError::field(field, format!("{name} must be one ASCII character that is no part of a number")))
        }
    }
}

fn pattern(format: &str, field: &str) -> Result<Option<DatePattern>, ResourceError> {
    let wrong = || {
        let problem = "format must be 'default' (ISO 8601) or a pattern of a whole date, such as %d-%m-%Y, or of a whole time, \
                       such as %d-%m-%Y %H:%M";
        ResourceError::field(field, problem)
    };
    if format == "default" { Ok(None) } else { DatePattern::of(format).map(Some).ok_or_else(wrong) }
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
        Some(group) if text.as_bytes().contains(&group) => ungrouped(text, group)?.parse().ok(),
        _ => text.parse().ok(),
    }
}

/// A whole number without its group signs, each of which stands before exactly three digits. Elsewhere the sign
/// would mean something else: `1.5` is not 15.
fn ungrouped(number: &str, group: u8) -> Option<String> {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let mut groups = digits.split(char::from(group));
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let fits = groups.next().is_some_and(|first| matches!(first.len(), 1..=3) && is_digits(first))
        && groups.all(|group| group.len() == 3 && is_digits(group));
    fits.then(|| number.replace(char::from(group), ""))
}

fn parse_number(text: &str, decimal: u8, group: Option<u8>) -> Option<f64> {
    let plain = decimal == b'.' && group.is_none_or(|group| !text.as_bytes().contains(&group));
    let number: f64 = if plain {
        text.parse().ok()?
    } else {
        let (whole, fraction) = text.split_once(char::from(decimal)).map_or((text, None), |(a, b)| (a, Some(b)));
        let mut rewritten = match group {
            Some(group) if whole.as_bytes().contains(&group) => ungrouped(whole, group)?,
            _ => whole.to_owned(),
        };
        if let Some(fraction) = fraction {
            rewritten.push('.');
            rewritten += fraction;
        }
        // With a decimal comma a point would silently become one thousand times as much; a second one is no number.
        if rewritten.bytes().filter(|byte| *byte == b'.').count() > usize::from(fraction.is_some()) {
            return None;
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

fn parse_iso_datetime(text: &str) -> Option<i64> {
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
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, "-12.345", Some(Cell::Integer(-12_345)))]
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, "1.5", None)]
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, "1.2345", None)]
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, "1234.567", None)]
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, ".123", None)]
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, "1..234", None)]
    #[case(r#"{"name":"a","type":"integer","groupChar":"."}"#, "123.", None)]
    #[case(r#"{"name":"a","type":"integer","groupChar":" "}"#, "1 234", Some(Cell::Integer(1_234)))]
    #[case(r#"{"name":"a","type":"integer","groupChar":" "}"#, " 1 234", None)]
    #[case(r#"{"name":"a","type":"number","decimalChar":",","groupChar":"."}"#, "1.5", None)]
    #[case(r#"{"name":"a","type":"number","decimalChar":",","groupChar":"."}"#, "1,500.250", None)]
    #[case(r#"{"name":"a","type":"number","decimalChar":",","groupChar":"."}"#, "1,5,5", None)]
    #[case(r#"{"name":"a","type":"number","decimalChar":",","groupChar":"."}"#, "-1.500", Some(Cell::Number(-1500.0)))]
    #[case(r#"{"name":"a","type":"number","decimalChar":",","groupChar":" "}"#, "1 500.25", None)]
    #[case(r#"{"name":"a","type":"number","groupChar":","}"#, "1,500.25", Some(Cell::Number(1500.25)))]
    #[case(r#"{"name":"a","type":"number","groupChar":","}"#, "1,50", None)]
    #[case(r#"{"name":"a","type":"number","groupChar":","}"#, "1.5,250", None)]
    #[case(r#"{"name":"a","type":"number","groupChar":","}"#, "1,500e3", None)]
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
    #[case(
        r#"{"name":"a","type":"datetime","format":"%d-%m-%Y %H:%M"}"#,
        "02-01-1970 00:01",
        Some(Cell::Datetime(86_460_000_000))
    )]
    #[case(r#"{"name":"a","type":"datetime","format":"%d-%m-%Y %H:%M"}"#, "02-01-1970", None)]
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
    #[case(r#"{"name":"a","type":"number","decimalChar":",","groupChar":","}"#)]
    #[case(r#"{"name":"a","type":"number","groupChar":"."}"#)]
    #[case(r#"{"name":"a","type":"integer","groupChar":"0"}"#)]
    #[case(r#"{"name":"a","type":"number","decimalChar":"e"}"#)]
    #[case(r#"{"name":"a","type":"date","format":"%d-%m"}"#)]
    #[case(r#"{"name":"a","type":"date","format":"%d-%m-%Y %H:%M"}"#)]
    #[case(r#"{"name":"a","type":"datetime","format":"%d-%m-%Y %H"}"#)]
    fn a_format_that_would_not_be_checked_is_refused(#[case] field: &str) {
        assert!(CellFormat::of(&serde_json::from_str(field).unwrap()).is_err());
    }
}
