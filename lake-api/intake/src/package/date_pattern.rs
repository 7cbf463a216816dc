//! Patterns of `strptime` by which a cell is a whole date, or a whole time.
//!
//! A pattern that leaves the year out, or has hours of a half day and no word for which, would leave every
//! cell without a value, or with one that nobody wrote. So a pattern is tried before it is
//! used: samples are written by it and must be the same when they are read again.

use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};

use super::cell_format::days;

/// A pattern that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatePattern {
    pattern: String,
    gives: Gives,
}

/// What a pattern gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// A day, without a time.
    Day,
    /// A time without an offset, taken for UTC.
    Time,
    /// A time with an offset, or seconds since 1970.
    Instant,
}

impl DatePattern {
    /// The pattern, if it is one and gives a whole date or time.
    pub(super) fn of(pattern: &str) -> Option<Self> {
        if !pattern.contains('%') || StrftimeItems::new(pattern).any(|item| item == Item::Error) {
            return None;
        }
        let samples = [(2013, 11, 29, 23, 47), (2004, 2, 3, 4, 5)].map(|(year, month, day, hour, minute)| {
            let time = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(hour, minute, 0)?;
            time.and_local_timezone(FixedOffset::east_opt(3_600)?).single()
        });
        let fits =
            |gives: &Gives| samples.iter().all(|sample| sample.is_some_and(|sample| gives.back(pattern, sample)));
        let gives = [Gives::Day, Gives::Instant, Gives::Time].into_iter().find(fits)?;
        Some(Self { pattern: pattern.to_owned(), gives })
    }

    /// Whether cells have no time.
    pub(super) const fn is_day(&self) -> bool {
        matches!(self.gives, Gives::Day)
    }

    /// Days since 1970-01-01.
    pub(super) fn date(&self, text: &str) -> Option<i32> {
        NaiveDate::parse_from_str(text, &self.pattern).ok().map(days)
    }

    /// Microseconds since 1970-01-01 00:00 UTC.
    pub(super) fn datetime(&self, text: &str) -> Option<i64> {
        let pattern = &self.pattern;
        let time = match self.gives {
            Gives::Day => NaiveDate::parse_from_str(text, pattern).ok()?.and_hms_opt(0, 0, 0)?.and_utc(),
            Gives::Time => NaiveDateTime::parse_from_str(text, pattern).ok()?.and_utc(),
            Gives::Instant => DateTime::parse_from_str(text, pattern).ok()?.to_utc(),
        };
        Some(time.timestamp_micros())
    }
}

impl Gives {
    /// Whether a sample that is written by a pattern comes back. A day cannot be written by a pattern that
    /// has something of a time.
    fn back(self, pattern: &str, sample: DateTime<FixedOffset>) -> bool {
        let local = sample.naive_local();
        let mut text = String::new();
        let written = match self {
            Self::Day => write!(text, "{}", local.date().format(pattern)),
            Self::Time | Self::Instant => write!(text, "{}", sample.format(pattern)),
        };
        written.is_ok()
            && match self {
                Self::Day => NaiveDate::parse_from_str(&text, pattern) == Ok(local.date()),
                Self::Time => NaiveDateTime::parse_from_str(&text, pattern) == Ok(local),
                Self::Instant => DateTime::parse_from_str(&text, pattern) == Ok(sample),
            }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("%d-%m-%Y", Some(Gives::Day))]
    #[case("%d%m%y", Some(Gives::Day))]
    #[case("%Y-%j", Some(Gives::Day))]
    #[case("%e. %B %Y", Some(Gives::Day))]
    #[case("%d-%m-%Y %H:%M", Some(Gives::Time))]
    #[case("%d-%m-%Y %I:%M %p", Some(Gives::Time))]
    #[case("%Y%m%d%H%M%S%.f", Some(Gives::Time))]
    #[case("%Y-%m-%d %H:%M:%S%z", Some(Gives::Instant))]
    #[case("%s", Some(Gives::Instant))]
    #[case("%d-%m", None)]
    #[case("%m/%Y", None)]
    #[case("%d-%m-%Y %H", None)]
    #[case("%d-%m-%Y %I:%M", None)]
    #[case("%d-%m-%Y %M", None)]
    #[case("%H:%M", None)]
    #[case("%-d%-m%Y", None)]
    #[case("%Q", None)]
    #[case("dd-mm-yyyy", None)]
    fn a_pattern_that_gives_no_whole_date_or_time_is_none(#[case] pattern: &str, #[case] gives: Option<Gives>) {
        assert_eq!(DatePattern::of(pattern).map(|pattern| pattern.gives), gives);
    }

    #[test]
    fn an_offset_that_cannot_be_read_is_never_left_out() {
        let pattern = DatePattern::of("%Y-%m-%d %H:%M%z").unwrap();
        assert_eq!(pattern.datetime("1970-01-01 01:00+0100"), Some(0));
        assert_eq!(pattern.datetime("1970-01-01 01:00+9900"), None);
        assert_eq!(pattern.datetime("1970-01-01 01:00"), None);
    }
}
