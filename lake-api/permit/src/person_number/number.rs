//! The number itself: read from a cell or from an integer, with the birth date it states.

use std::fmt;
use std::ops::Range;

use chrono::NaiveDate;

use super::text::{PersonNumberTrace, person_number_traces};

/// A valid person number in its normal form: ten characters, no dash, upper case.
/// It never shows itself in `Debug`, so it cannot reach a log by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PersonNumber {
    characters: [u8; 10],
    birth_date: NaiveDate,
    kind: PersonNumberKind,
}

/// Who issued a person number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersonNumberKind {
    /// The civil registration system.
    Cpr,
    /// The national register of replacement numbers (X-eCPR).
    NationalReplacement,
    /// A region, hospital or practice (D-eCPR): unique only there.
    LocalReplacement,
}

impl PersonNumber {
    /// Reads a whole cell: `DDMMYYSSSS`, `DDMMYY-SSSS` or `DDMMYY SSSS`, surrounded by
    /// white space at most. `None` when it is not a valid person number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_bytes(text.trim_ascii().as_bytes())
    }

    /// As [`PersonNumber::parse`], for bytes that need not be text; white space is not trimmed.
    #[must_use]
    pub fn parse_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [head @ .., a, b, c, d] if head.len() == 6 => Self::from_parts(head, [*a, *b, *c, *d]),
            [head @ .., b'-' | b' ', a, b, c, d] if head.len() == 6 => Self::from_parts(head, [*a, *b, *c, *d]),
            _ => None,
        }
    }

    /// Reads a number that a spreadsheet or an integer column has made a whole number of;
    /// a leading zero may be lost. Replacement numbers have letters and are never integers.
    #[must_use]
    pub fn parse_integer(number: i64) -> Option<Self> {
        // Below nine digits the day would be missing.
        if !(100_000_000..=9_999_999_999).contains(&number) {
            return None;
        }
        let mut digits = [b'0'; 10];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).ok()?;
            rest /= 10;
        }
        Self::parse_bytes(&digits)
    }

    /// The first person number inside longer text, in bytes of the text.
    #[must_use]
    pub fn find_in(text: &str) -> Option<Range<usize>> {
        person_number_traces(text).find_map(|trace| match trace {
            PersonNumberTrace::Number(place) => Some(place),
            PersonNumberTrace::Ambiguous { .. } => None,
        })
    }

    /// Whether the text holds a person number anywhere.
    #[must_use]
    pub fn occurs_in(text: &str) -> bool {
        Self::find_in(text).is_some()
    }

    /// Replaces every person number in the text, and what might be one; `None` when there is none.
    #[must_use]
    pub fn mask(text: &str, mask: &str) -> Option<String> {
        let mut masked = String::new();
        let mut copied = 0;
        for trace in person_number_traces(text) {
            let place = match trace {
                PersonNumberTrace::Number(place)
                | PersonNumberTrace::Ambiguous { place, is_number: true, digits: _ } => place,
                PersonNumberTrace::Ambiguous { is_number: false, .. } => continue,
            };
            masked.push_str(text.get(copied..place.start).unwrap_or_default());
            masked.push_str(mask);
            copied = place.end;
        }
        if copied == 0 {
            return None;
        }
        masked.push_str(text.get(copied..).unwrap_or_default());
        Some(masked)
    }

    /// The normal form that keyed hashing uses: ten ASCII characters, no dash, upper case.
    #[must_use]
    pub const fn normal_form(&self) -> &[u8; 10] {
        &self.characters
    }

    /// The birth date the number states. In replacement numbers of unknown persons it is
    /// the day the number was made.
    #[must_use]
    pub const fn birth_date(&self) -> NaiveDate {
        self.birth_date
    }

    /// Who issued it.
    #[must_use]
    pub const fn kind(&self) -> PersonNumberKind {
        self.kind
    }

    fn from_parts(date: &[u8], serial: [u8; 4]) -> Option<Self> {
        let (day, month, year) = (two_digits(date, 0)?, two_digits(date, 2)?, two_digits(date, 4)?);
        let [century, first, second, last] = serial.map(|byte| byte.to_ascii_uppercase());
        if !century.is_ascii_digit() || !last.is_ascii_digit() {
            return None;
        }
        let (kind, birth_year) = if first.is_ascii_digit() && second.is_ascii_digit() {
            (PersonNumberKind::Cpr, cpr_year(century - b'0', year))
        } else if first.is_ascii_uppercase() && second.is_ascii_uppercase() {
            replacement_year(century - b'0', year)?
        } else {
            return None;
        };
        let birth_date = NaiveDate::from_ymd_opt(birth_year, u32::from(month), u32::from(day))?;
        let mut characters = [0; 10];
        for (to, from) in characters.iter_mut().zip(date.iter().chain(&[century, first, second, last])) {
            *to = *from;
        }
        Some(Self { characters, birth_date, kind })
    }
}

impl fmt::Debug for PersonNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonNumber(hidden)")
    }
}

/// The CPR office's table of the seventh digit and the two-digit year.
fn cpr_year(seventh: u8, year: u8) -> i32 {
    let century = match (seventh, year) {
        (4 | 9, 0..=36) | (5..=8, 0..=57) => 2000,
        (5..=8, _) => 1800,
        _ => 1900,
    };
    century + i32::from(year)
}

fn replacement_year(seventh: u8, year: u8) -> Option<(PersonNumberKind, i32)> {
    let (kind, century) = match seventh {
        1 => (PersonNumberKind::NationalReplacement, 1900),
        7 => (PersonNumberKind::NationalReplacement, 2000),
        0 => (PersonNumberKind::LocalReplacement, 1900),
        5 => (PersonNumberKind::LocalReplacement, 1800),
        6 => (PersonNumberKind::LocalReplacement, 2000),
        _ => return None,
    };
    Some((kind, century + i32::from(year)))
}

fn two_digits(bytes: &[u8], at: usize) -> Option<u8> {
    match bytes.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + ones - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn date(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn every_official_test_patient_is_recognised_with_the_birth_date_it_has() {
        let folder = std::env::var("OSCAR_TEST_DATA")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned());
        let Ok(text) = std::fs::read_to_string(format!("{folder}/dk/medcom_test_patients.json")) else {
            oscar_peers::skipped("dk/medcom_test_patients.json is not in the test data folder (OSCAR_TEST_DATA)");
            return;
        };
        let patients: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mut seen = 0;
        for patient in &patients {
            let number = PersonNumber::parse(patient["identifier"].as_str().unwrap())
                .unwrap_or_else(|| panic!("test patient {} is not recognised", patient["id"]));
            if let Some(birth) = patient["birth_date"].as_str() {
                assert_eq!(number.birth_date().to_string(), birth, "test patient {}", patient["id"]);
            }
            seen += 1;
        }
        assert!(seen >= 70, "only {seen} test patients were read");
    }

    #[rstest]
    #[case("0201609995", 1960, 1, 2)]
    #[case("020160-9995", 1960, 1, 2)]
    #[case(" 020160 9995\t", 1960, 1, 2)]
    #[case("0101000001", 1900, 1, 1)]
    #[case("0101364001", 2036, 1, 1)]
    #[case("0101374001", 1937, 1, 1)]
    #[case("0101575001", 2057, 1, 1)]
    #[case("0101588001", 1858, 1, 1)]
    #[case("0101369001", 2036, 1, 1)]
    #[case("0101379001", 1937, 1, 1)]
    #[case("2902004001", 2000, 2, 29)]
    fn the_seventh_digit_and_the_year_give_the_century(
        #[case] text: &str,
        #[case] year: i32,
        #[case] month: u32,
        #[case] day: u32,
    ) {
        assert_eq!(PersonNumber::parse(text).unwrap().birth_date(), date(year, month, day));
    }

    #[rstest]
    #[case("3102609995")] // 31 February
    #[case("2902000001")] // 1900 was no leap year
    #[case("0013609995")]
    #[case("0200609995")]
    #[case("020160999")]
    #[case("02016099955")]
    #[case("02016-09995")]
    #[case("020160--995")]
    #[case("020160-999A")]
    #[case("0201602AB1")] // 2 is no century of a replacement number
    #[case("0201601A21")]
    #[case("0201601AB-")]
    #[case("")]
    #[case("æøåæøåæøåæ")]
    fn what_is_not_a_person_number_is_refused(#[case] text: &str) {
        assert_eq!(PersonNumber::parse(text), None);
    }

    #[rstest]
    #[case("0203291WQ3", PersonNumberKind::NationalReplacement, 1929)]
    #[case("310105-7jc9", PersonNumberKind::NationalReplacement, 2005)]
    #[case("0203290WQ3", PersonNumberKind::LocalReplacement, 1929)]
    #[case("0203295WQ3", PersonNumberKind::LocalReplacement, 1829)]
    #[case("0203296WQ3", PersonNumberKind::LocalReplacement, 2029)]
    fn both_replacement_forms_are_recognised(#[case] text: &str, #[case] kind: PersonNumberKind, #[case] year: i32) {
        let number = PersonNumber::parse(text).unwrap();
        assert_eq!((number.kind(), chrono::Datelike::year(&number.birth_date())), (kind, year));
        assert_eq!(PersonNumber::parse(std::str::from_utf8(number.normal_form()).unwrap()), Some(number));
    }

    #[test]
    fn an_integer_that_lost_its_leading_zero_is_recognised() {
        assert_eq!(PersonNumber::parse_integer(201_609_995), PersonNumber::parse("0201609995"));
        assert_eq!(PersonNumber::parse_integer(3_112_609_995), PersonNumber::parse("3112609995"));
        assert_eq!(PersonNumber::parse_integer(3_102_609_995), None);
        assert_eq!(PersonNumber::parse_integer(12_345_678), None);
        assert_eq!(PersonNumber::parse_integer(-201_609_995), None);
        assert_eq!(PersonNumber::parse_integer(i64::MIN), None);
        assert_eq!(PersonNumber::parse_integer(i64::MAX), None);
    }

    #[test]
    fn debug_output_never_shows_the_number() {
        let number = PersonNumber::parse("0201609995").unwrap();
        assert_eq!(format!("{number:?}"), "PersonNumber(hidden)");
    }

    proptest! {
        #[test]
        fn every_existing_date_with_any_serial_is_a_person_number(day in 0u32..60_000, serial in 0u32..10_000) {
            let date = date(1858, 1, 1) + chrono::Days::new(u64::from(day));
            let text = format!("{}{serial:04}", date.format("%d%m%y"));
            // The century of the serial may turn 29 February into a date that never was.
            prop_assume!(!text.starts_with("2902"));
            let number = PersonNumber::parse(&text).unwrap();
            prop_assert_eq!(number.birth_date().format("%d%m%y").to_string(), &text[..6]);
        }
    }
}
