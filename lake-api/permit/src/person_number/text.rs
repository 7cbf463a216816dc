//! Finding person numbers inside text, whoever wrote them and however.
//!
//! | found | example |
//! |---|---|
//! | ten characters in one piece; behind zeros that fill a field | `0201609995`, `000201609995` |
//! | the date and the rest, with one to three characters between that are no letters or digits | `020160-9995`, `020160 – 9995`, `020160/9995` |
//! | the date in pairs | `02.01.60-9995`, `02 01 60 9995` |
//! | ten digits in other groups, with the same sign between all of them | `0 2 0 1 6 0 9 9 9 5` |
//! | the year in four digits, when it is the one that the seventh digit says | `02011960-9995`, `020119609995` |
//!
//! More digits directly beside them make a longer number and do not count; nor do groups
//! that begin like a date with the year first, or go on behind the tenth digit.
//!
//! **Ambiguous traces.** Machines write digits by the million, and one ten-digit number in 27 names
//! a date by chance. So four shapes are evidence only when a column is full of them: digits in
//! a long hexadecimal word, in a UUID, behind a decimal point, and a whole cell of nine digits (a
//! leading zero may have been lost). They are reported with the digits, whether these name a
//! date or not, so that a column's share of dates can be told from chance.

use std::ops::Range;

use super::characters::{Characters, LETTER};
use super::number::{PersonNumber, PersonNumberKind};

/// Shorter hexadecimal words are written by people: `a0201609995`.
const SHORTEST_MACHINE_WORD: usize = 16;
/// Longest field that is filled up with zeros.
const LONGEST_FIELD: usize = 20;
/// Most characters between two groups of digits.
const WIDEST_GAP: usize = 3;

/// What was found at one place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonNumberTrace {
    /// A person number: its bytes in the text.
    Number(Range<usize>),
    /// Digits that are a person number or name a date by chance; the module docs say which.
    Ambiguous {
        /// Its bytes in the text.
        place: Range<usize>,
        /// The digits as a number.
        digits: u64,
        /// Whether they are a valid person number.
        is_number: bool,
    },
}

/// Everything in a text that is, or might be, a person number, from left to right.
pub fn person_number_traces(text: &str) -> impl Iterator<Item = PersonNumberTrace> {
    let characters = Characters::of(text);
    let mut at = 0;
    std::iter::from_fn(move || {
        let (found, next) = next_trace(&characters.bytes, at)?;
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
fn next_trace(bytes: &[u8], from: usize) -> Option<(Found, usize)> {
    let mut at = from;
    while let Some(offset) = bytes.get(at..)?.iter().position(u8::is_ascii_digit) {
        let start = at + offset;
        let length = digits_at(bytes, start);
        at = start + length;
        if let Some(range) = number_at(bytes, start, length) {
            let next = range.end.max(at);
            let found = if is_machine_text(bytes, &range) {
                let digits = number_of(bytes.get(range.clone()).unwrap_or_default());
                Found::Ambiguous { range, digits, is_number: true }
            } else {
                Found::Number(range)
            };
            return Some((found, next));
        }
        let run = start..at;
        let lost_a_zero = length == 9 && bytes.trim_ascii().len() == 9;
        if lost_a_zero || (length == 10 && is_machine_text(bytes, &run)) {
            let digits = number_of(bytes.get(run.clone()).unwrap_or_default());
            let is_number = i64::try_from(digits).ok().and_then(PersonNumber::parse_integer).is_some();
            return Some((Found::Ambiguous { range: run, digits, is_number }, at));
        }
    }
    None
}

/// The person number that begins with the run of `length` digits at `start`.
fn number_at(bytes: &[u8], start: usize, length: usize) -> Option<Range<usize>> {
    let whole = match length {
        10 => is_cpr(bytes.get(start..start + 10)?).then_some(start + 10),
        7 => replacement(bytes, start, start + 6),
        12 if with_century(bytes.get(start..start + 12)?) => Some(start + 12),
        11..=LONGEST_FIELD => {
            let (zeros, number) = bytes.get(start..start + length)?.split_at_checked(length - 10)?;
            (zeros.iter().all(|byte| *byte == b'0') && is_cpr(number)).then_some(start + length)
        }
        _ => None,
    };
    let end = whole.or_else(|| two_parts(bytes, start, length)).or_else(|| groups(bytes, start))?;
    Some(start..end)
}

/// Whether ten digits are a CPR number.
fn is_cpr(digits: &[u8]) -> bool {
    PersonNumber::parse_bytes(digits).is_some_and(|number| number.kind() == PersonNumberKind::Cpr)
}

/// A replacement number whose date begins at `date` and whose last four characters at `rest`; its end.
fn replacement(bytes: &[u8], date: usize, rest: usize) -> Option<usize> {
    let mut characters = [0; 10];
    let parts = bytes.get(date..date + 6)?.iter().chain(bytes.get(rest..rest + 4)?);
    characters.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    let number = PersonNumber::parse_bytes(&characters)?;
    let follows = bytes.get(rest + 4).copied().unwrap_or(b' ');
    let ends = !follows.is_ascii_alphanumeric() && follows != LETTER;
    (number.kind() != PersonNumberKind::Cpr && ends).then_some(rest + 4)
}

/// `DDMMYYYYSSSS` where the four-digit year is the one that the number itself means.
fn with_century(digits: &[u8]) -> bool {
    let (Some(day_month), Some(century), Some(rest)) = (digits.get(..4), digits.get(4..6), digits.get(6..12)) else {
        return false;
    };
    let Some(number) = PersonNumber::parse_bytes(&[day_month, rest].concat()) else { return false };
    let year = u64::try_from(chrono::Datelike::year(&number.birth_date())).unwrap_or_default();
    number.kind() == PersonNumberKind::Cpr && year / 100 == number_of(century)
}

/// The date in one piece, a gap, and the rest; the end.
fn two_parts(bytes: &[u8], start: usize, length: usize) -> Option<usize> {
    if length != 6 && length != 8 {
        return None;
    }
    let gap = gap_at(bytes, start + length)?;
    let rest = gap.end;
    let end = match (length, digits_at(bytes, rest)) {
        (6, 4) => {
            let digits = [bytes.get(start..start + 6)?, bytes.get(rest..rest + 4)?].concat();
            is_cpr(&digits).then_some(rest + 4)
        }
        (8, 4) => {
            let digits = [bytes.get(start..start + 8)?, bytes.get(rest..rest + 4)?].concat();
            with_century(&digits).then_some(rest + 4)
        }
        (6, 1) => replacement(bytes, start, rest),
        _ => None,
    }?;
    (!is_dotted_chain(bytes, start, &gap, end)).then_some(end)
}

/// A point between two groups of a longer chain of points: a version, an object identifier, decimals.
fn is_dotted_chain(bytes: &[u8], start: usize, gap: &Range<usize>, end: usize) -> bool {
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let is_point = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b'.');
    let before = is_point(start.checked_sub(1)) && is_digit(start.checked_sub(2));
    let after = is_point(Some(end)) && is_digit(Some(end + 1));
    gap.len() == 1 && is_point(Some(gap.start)) && (before || after)
}

/// Ten or twelve digits in groups; the end.
fn groups(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut digits, mut bounds, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    let mut end = start;
    loop {
        let length = digits_at(bytes, end);
        digits.extend_from_slice(bytes.get(end..end + length)?);
        end += length;
        // Pairs with a year of four digits have twelve.
        if digits.len() >= if bounds == [2, 4, 8] { 12 } else { 10 } {
            break;
        }
        let gap = gap_at(bytes, end)?;
        bounds.push(digits.len());
        end = gap.end;
        gaps.push(bytes.get(gap)?);
    }
    let same = gaps.windows(2).all(|pair| pair.first() == pair.last());
    let chained = same && gaps.first().is_some_and(|gap| goes_on(bytes, start, end, gap));
    let is_number = match (digits.len(), bounds.as_slice()) {
        (10, [2, 4, 6]) => in_pairs(&gaps, same) && is_cpr(&digits),
        (12, [2, 4, 8]) => in_pairs(&gaps, same) && with_century(&digits),
        (10, [_, ..]) => same && is_evenly_set(&digits, &bounds, gaps.first()?) && is_cpr(&digits),
        _ => false,
    };
    (is_number && !chained).then_some(end)
}

/// Whether more digits stand behind or before with the same gap: a list, a version, a phone number.
fn goes_on(bytes: &[u8], start: usize, end: usize, gap: &[u8]) -> bool {
    let behind = bytes.get(end..).and_then(|rest| rest.strip_prefix(gap)).and_then(<[u8]>::first);
    let before = bytes.get(..start).and_then(|rest| rest.strip_suffix(gap)).and_then(<[u8]>::last);
    [behind, before].into_iter().flatten().any(u8::is_ascii_digit)
}

/// Day, month and year with one sign between them; a date and a time differ from a person
/// number in the last gap only: it is a dash, or the same as the others.
fn in_pairs(gaps: &[&[u8]], same: bool) -> bool {
    let [first, second, last] = gaps else { return false };
    same || (first == second && last.contains(&b'-'))
}

/// Groups that are no date, time or reference number: one plain sign between all of them, no
/// year in front.
fn is_evenly_set(digits: &[u8], bounds: &[usize], gap: &[u8]) -> bool {
    let [sign @ (b' ' | b'-' | b'.' | b'/' | b'_')] = gap else { return false };
    let with_spaces_only = bounds == [2, 4, 6, 8] || bounds.len() == 9;
    let year_first = bounds.first() == Some(&4) && (digits.starts_with(b"19") || digits.starts_with(b"20"));
    // Six and four is the business of `two_parts`; eight and two is a date and an hour.
    let other = bounds == [6] || bounds == [8];
    !year_first && !other && (*sign == b' ' || !with_spaces_only)
}

/// How many digits stand at `start`.
fn digits_at(bytes: &[u8], start: usize) -> usize {
    bytes.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count()
}

/// One to three characters that are neither letters nor digits, and a digit behind them.
fn gap_at(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is_gap = |byte: &&u8| !byte.is_ascii_alphanumeric() && **byte != LETTER;
    let length = bytes.iter().skip(start).take(WIDEST_GAP + 1).take_while(is_gap).count();
    let end = start + length;
    let fits = (1..=WIDEST_GAP).contains(&length) && bytes.get(end).is_some_and(u8::is_ascii_digit);
    fits.then_some(start..end)
}

/// The digits of a text as a number; never more than twenty.
fn number_of(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

fn is_machine_text(bytes: &[u8], found: &Range<usize>) -> bool {
    is_hexadecimal_word(bytes, found) || is_inside_uuid(bytes, found) || is_decimals(bytes, found)
}

/// Letters directly beside the number, and the whole word long and hexadecimal.
fn is_hexadecimal_word(bytes: &[u8], found: &Range<usize>) -> bool {
    let word = widen(bytes, found, |byte| byte.is_ascii_alphanumeric() || *byte == LETTER);
    let long = word.len() >= SHORTEST_MACHINE_WORD && word.len() > found.len();
    long && bytes.get(word).is_some_and(|word| word.iter().all(u8::is_ascii_hexdigit))
}

fn is_inside_uuid(bytes: &[u8], found: &Range<usize>) -> bool {
    let word = widen(bytes, found, |byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let Some(word) = bytes.get(word).filter(|word| word.len() == 36) else { return false };
    let dashes = [8, 13, 18, 23];
    word.iter().enumerate().all(|(at, byte)| (*byte == b'-') == dashes.contains(&at))
}

/// One to nine digits and a point before the number: `1940.2559890486`. Ten digits
/// before it would be a person number of their own.
fn is_decimals(bytes: &[u8], found: &Range<usize>) -> bool {
    let Some(before) = bytes.get(..found.start).and_then(|before| before.strip_suffix(b".")) else { return false };
    (1..=9).contains(&before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count())
}

fn widen(bytes: &[u8], found: &Range<usize>, belongs: impl Fn(&u8) -> bool) -> Range<usize> {
    let before = bytes.iter().take(found.start).rev().take_while(|byte| belongs(byte)).count();
    let after = bytes.iter().skip(found.end).take_while(|byte| belongs(byte)).count();
    found.start - before..found.end + after
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
            text in "[0-9A-Za-z .æø-]{0,60}|[0-9 -]{0,40}|[0-9٠-٩ ./\u{200b}–-]{0,40}|\\PC{0,40}",
        ) {
            if let Some(masked) = PersonNumber::mask(&text, "[masked]") {
                prop_assert!(!PersonNumber::occurs_in(&masked), "{}", masked);
            } else {
                prop_assert!(!PersonNumber::occurs_in(&text));
            }
        }
    }
}
