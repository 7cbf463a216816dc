//! Finding person numbers inside text, whoever wrote them and however.
//!
//! | found | example |
//! |---|---|
//! | ten characters in one piece; behind zeros that fill a field | `0201609995`, `000201609995`, `000203291WQ3` |
//! | the date and the rest, with one to three characters between that are no letters or digits | `020160-9995`, `020160 – 9995`, `020160/9995` |
//! | the date in pairs | `02.01.60-9995`, `02 01 60 9995`, `02.03.29-1WQ3` |
//! | ten digits in other groups, with the same sign between all of them | `0 2 0 1 6 0 9 9 9 5` |
//! | the year in four digits, when it is the one that the seventh digit says | `02011960-9995`, `020119609995` |
//! | any of these with a sign that was escaped for the web (`gap`) | `020160&nbsp;9995`, `020160%2D9995` |
//!
//! More digits directly beside them make a longer number and do not count; nor do groups
//! that begin like a date with the year first, or go on behind the tenth digit.
//!
//! **Ambiguous traces.** Machines write digits by the million, and one ten-digit number in 27 names
//! a date by chance. So some shapes are evidence only when a column is full of them:
//!
//! | ambiguous | example |
//! |---|---|
//! | digits in a long hexadecimal word, in a UUID, behind a decimal point | `4f2e0201609995ab`, `1940.0201609995` |
//! | a whole cell of nine digits, in one piece or with a sign before the last four: a leading zero may have been lost | `201609995`, `20160-9995` |
//! | eleven to twenty digits of which the first ten may be the number | `02016099951234` |
//! | eighteen digits of which the last ten may be the number | `202401010201609995` |
//!
//! They are reported with the ten digits, whether these name a date or not, so that a column's share of
//! dates can be told from chance. Longer runs that begin with a year or with a day, a month and a year before a time
//! of day are timestamps and numbers of a year's documents: of those the first ten digits never count.

use std::ops::Range;

use super::characters::Characters;
use super::forms::{LONGEST_FIELD, digits_at, in_parts_without_zero, is_cpr, number_at, number_of};
use super::machine_text::Surroundings;
use super::number::PersonNumber;

/// What was found at one place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonNumberTrace {
    /// A person number: its bytes in the text.
    Number(Range<usize>),
    /// Digits that are a person number or name a date by chance; the module docs say which.
    Ambiguous {
        /// Its bytes in the text.
        place: Range<usize>,
        /// The digits that may be the number, as a number.
        digits: u64,
        /// Whether they are a valid person number.
        is_number: bool,
    },
}

/// Everything in a text that is, or might be, a person number, from left to right.
pub fn person_number_traces(text: &str) -> impl Iterator<Item = PersonNumberTrace> {
    let characters = Characters::of(text);
    let mut surroundings = Surroundings::default();
    let mut at = 0;
    std::iter::from_fn(move || {
        let (found, next) = next_trace(&characters.bytes, at, &mut surroundings)?;
        at = next;
        Some(match found {
            Found::Number(range) => PersonNumberTrace::Number(characters.place(&range)),
            Found::Ambiguous { range, digits, is_number } => {
                PersonNumberTrace::Ambiguous { place: characters.place(&range), digits, is_number }
            }
        })
    })
}

/// A trace in simple characters.
enum Found {
    Number(Range<usize>),
    Ambiguous { range: Range<usize>, digits: u64, is_number: bool },
}

/// The first trace at or after `from`, and where to go on. Every run of digits is looked at once.
fn next_trace(bytes: &[u8], from: usize, surroundings: &mut Surroundings) -> Option<(Found, usize)> {
    let mut at = from;
    while let Some(offset) = bytes.get(at..)?.iter().position(u8::is_ascii_digit) {
        let start = at + offset;
        let length = digits_at(bytes, start);
        at = start + length;
        if let Some(range) = number_at(bytes, start, length, surroundings.have_escapes(bytes)) {
            let next = range.end.max(at);
            let found = if surroundings.are_machine_text(bytes, &range) {
                let digits = number_of(bytes.get(range.clone()).unwrap_or_default());
                Found::Ambiguous { range, digits, is_number: true }
            } else {
                Found::Number(range)
            };
            return Some((found, next));
        }
        let run = start..at;
        let digits = bytes.get(run.clone()).unwrap_or_default();
        let ambiguous = match length {
            5 => in_parts_without_zero(bytes, start).filter(|(whole, _)| surroundings.whole(bytes) == *whole),
            9 if surroundings.whole(bytes) == run => Some((run, number_of(digits))),
            10 if surroundings.are_machine_text(bytes, &run) => Some((run, number_of(digits))),
            11..=LONGEST_FIELD => {
                let (digits, is_number) = inside_run(digits);
                return Some((Found::Ambiguous { range: run, digits, is_number }, at));
            }
            _ => None,
        };
        if let Some((range, digits)) = ambiguous {
            let is_number = i64::try_from(digits).ok().and_then(PersonNumber::parse_integer).is_some();
            let next = range.end;
            return Some((Found::Ambiguous { range, digits, is_number }, next));
        }
    }
    None
}

/// The ten digits of a longer run that may be a person number, and whether they are one.
fn inside_run(run: &[u8]) -> (u64, bool) {
    let first = run.get(..10).unwrap_or_default();
    if is_cpr(first) && !begins_like_a_year(run) && !is_day_first_timestamp(run) {
        return (number_of(first), true);
    }
    match run.get(8..) {
        Some(last) if run.len() == 18 && is_cpr(last) => (number_of(last), true),
        _ => (number_of(first), false),
    }
}

/// `2010…`: timestamps, and documents that are numbered within their year.
fn begins_like_a_year(run: &[u8]) -> bool {
    run.starts_with(b"19") || run.starts_with(b"20")
}

/// `DDMMYYYYhhmm…`, whose first ten digits always name a date.
fn is_day_first_timestamp(run: &[u8]) -> bool {
    let pair = |at: usize| run.get(at..at + 2).map(number_of);
    let begins_time =
        |at: usize| pair(at).is_some_and(|hour| hour < 24) && pair(at + 2).is_some_and(|minute| minute < 60);
    matches!(pair(4), Some(19 | 20)) && begins_time(8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("cpr 0201609995.")]
    #[case("CPR0201609995")]
    #[case("pt. 020160-9995, indlagt")]
    #[case("020160 9995")]
    #[case("tlf 12345678, 020160-7AB1!")]
    #[case("(0203291wq3)")]
    #[case("1,0201609995")]
    #[case("0201609995.0201609996")]
    #[case("0201609995.0")]
    #[case("id_0201609995_x")]
    #[case("a0201609995")]
    #[case("0201609995E")]
    #[case("020160 - 9995")]
    #[case("020160/9995")]
    #[case("020160.9995")]
    #[case("020160\t9995")]
    #[case("020160\n9995")]
    #[case("020160\"9995")]
    #[case("02.01.60-9995")]
    #[case("02-01-60-9995")]
    #[case("02/01/60 - 9995")]
    #[case("02 01 60 9995")]
    #[case("02-01-1960-9995")]
    #[case("02011960-9995")]
    #[case("020119609995")]
    #[case("0 2 0 1 6 0 9 9 9 5")]
    #[case("02 01 60 99 95")]
    #[case("0201 609995")]
    #[case("02 01 609995")]
    #[case("00201609995")]
    #[case("00000201609995")]
    #[case("020160–9995")]
    #[case("020160\u{a0}9995")]
    #[case("020160\u{200b}9995")]
    #[case("020160\u{ad}-9995")]
    #[case("0\u{301}201609995")]
    #[case("０２０１６０９９９５")]
    #[case("٠٢٠١٦٠-٩٩٩٥")]
    #[case("⁰²⁰¹⁶⁰9995")]
    #[case("æ 020160‑9995 ø")]
    #[case("020329–1WQ3")]
    #[case("0203291ＷＱ3")]
    #[case("2.020160-9995")]
    #[case("12.020160 9995")]
    #[case("02.03.29-1WQ3")]
    #[case("02 03 29 1WQ3")]
    #[case("02/03/29 - 1wq3.")]
    #[case("000203291WQ3")]
    #[case("020160&nbsp;9995")]
    #[case("020160&#160;9995")]
    #[case("020160&amp;nbsp;9995")]
    #[case("020160%2D9995")]
    #[case("020160%209995")]
    #[case("020160%9995")]
    #[case("020160&9995")]
    #[case("020160%20%E2%80%93%209995")]
    #[case("02011960%2D9995")]
    #[case("020329%2D1WQ3")]
    #[case("02.01.60&nbsp;-&nbsp;9995")]
    #[case("02%2E01%2E60%2D9995")]
    #[case("02&nbsp;03&nbsp;29&nbsp;1WQ3")]
    fn a_number_is_found_in_every_writing(#[case] text: &str) {
        let found = PersonNumber::find_in(text);
        assert!(found.is_some(), "{text}");
        let masked = PersonNumber::mask(text, "[masked]").unwrap();
        assert!(masked.contains("[masked]") && !PersonNumber::occurs_in(&masked), "{masked}");
    }

    #[rstest]
    #[case("02016099951")]
    #[case("20240102016099")]
    #[case("3102609995")]
    #[case("310260-9995")]
    #[case("1940.0201609995")]
    #[case("4f2e0201609995ab")]
    #[case("001f4a87-70d0-435c-a4b9-b0201609995f")]
    #[case("001f4a87-70d0-435c-a4b9-1425f6928d33")]
    #[case("0203291WQ34")]
    #[case("0203291WQ3æ")]
    #[case("02011860-9995")] // 9995 with the year 60 means 1960
    #[case("01.02.2023 12:30")]
    #[case("01.02.23 1230")]
    #[case("01-02-23 kl. 1230")]
    #[case("2012-10-11 1213")]
    #[case("20121011 1213")]
    #[case("20121011-12")]
    #[case("2010-123456")]
    #[case("2012-10-1234")]
    #[case("12:01:02.1234")]
    #[case("1.2.10.11.12.1345")]
    #[case("10.11.12.1345.6")]
    #[case("1.120160.9995")]
    #[case("120160.9995.3")]
    #[case("0-1-0-1-0-0-1-1-0-0")]
    #[case("20 11 33 44, 20 11 33 45")]
    #[case("20 11 33 44 20 11 33 45")]
    #[case("020160    9995")]
    #[case("201609995")]
    #[case("01%2E02%2E23%201230")]
    #[case("01.02.23&nbsp;1230")]
    #[case("02.03.29-1WQ34")]
    #[case("100203291WQ3")]
    #[case("20160-9995")]
    #[case("")]
    fn what_is_something_else_is_left_alone(#[case] text: &str) {
        assert_eq!(PersonNumber::find_in(text), None, "{text}");
    }

    #[rstest]
    #[case("4f2e0201609995ab", 201_609_995, true)]
    #[case("4f2e9901609995ab", 9_901_609_995, false)]
    #[case("001f4a87-70d0-435c-a4b9-b0201609995f", 201_609_995, true)]
    #[case("00000000-0000-0000-0000-000201609995", 201_609_995, true)]
    #[case("1940.0201609995", 201_609_995, true)]
    #[case("201609995", 201_609_995, true)]
    #[case(" 201609995\n", 201_609_995, true)]
    #[case("299909995", 299_909_995, false)]
    #[case("20160-9995", 201_609_995, true)]
    #[case(" 20160 9995 ", 201_609_995, true)]
    #[case("20160&nbsp;9995", 201_609_995, true)]
    #[case("20160%2D9995", 201_609_995, true)]
    #[case("29990-9995", 299_909_995, false)]
    #[case("02016099951", 201_609_995, true)]
    #[case("id 02016099951234567890.", 201_609_995, true)]
    #[case("99016099951", 9_901_609_995, false)]
    #[case("202401010201609995", 201_609_995, true)]
    #[case("202401013102609995", 2_024_010_131, false)]
    #[case("201001011234", 2_010_010_112, false)]
    #[case("20100101123456", 2_010_010_112, false)]
    #[case("010220101234", 102_201_012, false)]
    fn digits_of_machines_are_told_with_whether_they_name_a_date(
        #[case] text: &str,
        #[case] number: u64,
        #[case] date: bool,
    ) {
        let found: Vec<PersonNumberTrace> = person_number_traces(text).collect();
        assert!(
            matches!(found.as_slice(), [PersonNumberTrace::Ambiguous { digits, is_number, .. }] if (*digits, *is_number) == (number, date)),
            "{found:?}"
        );
    }

    #[rstest]
    #[case("a number that is cut off 20160-9995")]
    #[case("20160-9995, 20160-9996")]
    #[case("020160999512345678901")]
    fn digits_that_may_be_too_much_are_not_told(#[case] text: &str) {
        assert_eq!(person_number_traces(text).next(), None, "{text}");
    }

    /// Minutes if every run of digits looked at its whole word again.
    #[test]
    fn a_huge_word_is_looked_at_in_no_time() {
        for piece in ["9901609995a", "9901609995-", "a01609995 ", "1 ", "201609995 ", "20160-9995 ", "020160%2D999x"] {
            let text = piece.repeat(200_000);
            let traces = person_number_traces(&text).count();
            assert!(traces <= 200_000, "{piece}");
        }
        let white = " ".repeat(1_000_000);
        assert_eq!(person_number_traces(&format!("{white}{}", "201609995 ".repeat(100_000))).count(), 0);
    }

    #[test]
    fn masking_replaces_every_number_and_keeps_the_rest() {
        let text = "æ 020160-9995 ø 0201609996;0203291WQ3 å 02.01.60 ９995";
        assert_eq!(PersonNumber::mask(text, "[masked]").unwrap(), "æ [masked] ø [masked];[masked] å 02.01.60 ９995");
        assert_eq!(PersonNumber::mask("02.01.60–９995!", "[masked]").unwrap(), "[masked]!");
        assert_eq!(PersonNumber::mask("201609995", "[masked]").unwrap(), "[masked]");
        assert_eq!(PersonNumber::mask("nothing here", "[masked]"), None);
    }

    proptest! {
        #[test]
        fn every_person_number_is_found_in_the_middle_of_text(day in 0u32..60_000, serial in 0u32..10_000) {
            let date = chrono::NaiveDate::from_ymd_opt(1858, 1, 1).unwrap() + chrono::Days::new(u64::from(day));
            let number = format!("{}{serial:04}", date.format("%d%m%y"));
            // The century of the serial may turn 29 February into a date that never was.
            prop_assume!(!number.starts_with("2902"));
            let (date, rest) = number.split_at(6);
            for written in [number.clone(), format!("{date}-{rest}"), format!("{date} / {rest}"), format!("00{number}")] {
                let found = PersonNumber::find_in(&format!("x {written} y"));
                prop_assert_eq!(found, Some(2..2 + written.len()));
            }
        }

        #[test]
        fn any_text_is_survived_and_a_mask_leaves_nothing_to_find(
            text in "[0-9A-Za-z .æø-]{0,60}|[0-9 -]{0,40}|[0-9٠-٩ ./\u{200b}–-]{0,40}|\\PC{0,40}|([0-9]{1,6}|%2D|&nbsp;|%20|[.1WQ-]){0,12}",
        ) {
            if let Some(masked) = PersonNumber::mask(&text, "[masked]") {
                prop_assert!(!PersonNumber::occurs_in(&masked), "{}", masked);
            } else {
                prop_assert!(!PersonNumber::occurs_in(&text));
            }
        }
    }
}
