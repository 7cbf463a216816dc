//! The forms that a person number has in text, and where one ends that begins at a place.

use std::ops::Range;

use super::characters::LETTER;
use super::gap::{Reading, gap_at, is_dash};
use super::number::{PersonNumber, PersonNumberKind};

/// Longest field that is filled up with zeros.
pub(super) const LONGEST_FIELD: usize = 20;
/// Most digits in groups: the number with its year in four digits.
const MOST_DIGITS: usize = 12;

/// The person number that begins with the run of `length` digits at `start`; where the text has escapes, they
/// are read as well.
pub(super) fn number_at(bytes: &[u8], start: usize, length: usize, has_escapes: bool) -> Option<Range<usize>> {
    let whole = match length {
        10 => is_cpr(bytes.get(start..start + 10)?).then_some(start + 10),
        12 if with_century(bytes.get(start..start + 12)?) => Some(start + 12),
        11..=LONGEST_FIELD => {
            let (zeros, number) = bytes.get(start..start + length)?.split_at_checked(length - 10)?;
            (is_filling(zeros) && is_cpr(number)).then_some(start + length)
        }
        _ => None,
    };
    let parts = |reading| {
        let groups = || if length < 10 { groups(bytes, start, reading) } else { None };
        two_parts(bytes, start, length, reading).or_else(groups)
    };
    let end = whole
        .or_else(|| replacement_in_one_piece(bytes, start, length))
        .or_else(|| parts(Reading::AsWritten))
        .or_else(|| has_escapes.then(|| parts(Reading::Unescaped)).flatten())?;
    Some(start..end)
}

/// Whether ten digits are a CPR number.
pub(super) fn is_cpr(digits: &[u8]) -> bool {
    PersonNumber::parse_bytes(digits).is_some_and(|number| number.kind() == PersonNumberKind::Cpr)
}

fn is_filling(zeros: &[u8]) -> bool {
    zeros.iter().all(|byte| *byte == b'0')
}

/// The end of a replacement number with this date whose last four characters are at `rest`.
fn replacement(bytes: &[u8], date: &[u8], rest: usize) -> Option<usize> {
    let four = bytes.get(rest..rest + 4)?;
    // Nearly everything is told by its second letter, without a copy.
    if !four.get(1).is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let follows = bytes.get(rest + 4).copied().unwrap_or(b' ');
    let ends = !follows.is_ascii_alphanumeric() && follows != LETTER;
    let number = PersonNumber::parse_bytes(&[date, four].concat())?;
    (number.kind() != PersonNumberKind::Cpr && ends).then_some(rest + 4)
}

/// A replacement number whose seven digits end a run that is filled up with zeros.
fn replacement_in_one_piece(bytes: &[u8], start: usize, length: usize) -> Option<usize> {
    let zeros = length.checked_sub(7).filter(|_| length < LONGEST_FIELD)?;
    let (zeros, date) = bytes.get(start..start + length - 1)?.split_at_checked(zeros)?;
    is_filling(zeros).then(|| replacement(bytes, date, start + length - 1)).flatten()
}

/// `DDMMYYYYSSSS` where the four-digit year is the one that the number itself means.
fn with_century(digits: &[u8]) -> bool {
    let (Some(day_month), Some(century), Some(rest)) = (digits.get(..4), digits.get(4..6), digits.get(6..12)) else {
        return false;
    };
    let Some(number) = PersonNumber::parse_bytes(&[day_month, rest].concat()) else { return false };
    let year = u64::try_from(chrono::Datelike::year(&number.birth_date())).unwrap_or_default();
    year / 100 == number_of(century)
}

/// The date in one piece, a gap, and the rest; the end.
fn two_parts(bytes: &[u8], start: usize, length: usize, reading: Reading) -> Option<usize> {
    if length != 6 && length != 8 {
        return None;
    }
    let gap = gap_at(bytes, start + length, reading)?;
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
        (6, 1) => replacement(bytes, bytes.get(start..start + 6)?, rest),
        _ => None,
    }?;
    (!is_dotted_chain(bytes, start, &gap, end)).then_some(end)
}

/// Five digits, a gap and four digits: a number in two parts that has lost its first zero, and its digits.
pub(super) fn in_parts_without_zero(bytes: &[u8], start: usize) -> Option<(Range<usize>, u64)> {
    let with_gap = |reading| {
        let gap = gap_at(bytes, start + 5, reading)?;
        let end = gap.end + 4;
        let digits = number_of(bytes.get(start..gap.start)?) * 10_000 + number_of(bytes.get(gap.end..end)?);
        (digits_at(bytes, gap.end) == 4).then_some((start..end, digits))
    };
    with_gap(Reading::AsWritten).or_else(|| with_gap(Reading::Unescaped))
}

/// A point between two groups of a longer chain of points: a version, an object identifier, decimals.
fn is_dotted_chain(bytes: &[u8], start: usize, gap: &Range<usize>, end: usize) -> bool {
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let is_point = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b'.');
    let before = is_point(start.checked_sub(1)) && is_digit(start.checked_sub(2));
    let after = is_point(Some(end)) && is_digit(Some(end + 1));
    gap.len() == 1 && is_point(Some(gap.start)) && (before || after)
}

/// Digits in groups with gaps between them, as far as they have been read.
#[derive(Default)]
struct Groups<'a> {
    digits: [u8; MOST_DIGITS],
    /// How many digits stand before every gap.
    bounds: [usize; MOST_DIGITS],
    gaps: [&'a [u8]; MOST_DIGITS],
    /// Digits and gaps so far.
    length: usize,
    count: usize,
}

impl<'a> Groups<'a> {
    /// Takes a group; `None` when it has too many digits.
    fn push(&mut self, group: &[u8]) -> Option<()> {
        let end = self.length + group.len();
        self.digits.get_mut(self.length..end)?.copy_from_slice(group);
        self.length = end;
        Some(())
    }

    fn push_gap(&mut self, gap: &'a [u8]) -> Option<()> {
        *self.bounds.get_mut(self.count)? = self.length;
        *self.gaps.get_mut(self.count)? = gap;
        self.count += 1;
        Some(())
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    fn bounds(&self) -> &[usize] {
        self.bounds.get(..self.count).unwrap_or_default()
    }

    fn gaps(&self) -> &[&'a [u8]] {
        self.gaps.get(..self.count).unwrap_or_default()
    }
}

/// Ten or twelve digits in groups, or the date of a replacement number in pairs; the end.
fn groups(bytes: &[u8], start: usize, reading: Reading) -> Option<usize> {
    let mut groups = Groups::default();
    let mut end = start;
    loop {
        let length = digits_at(bytes, end);
        let after_pairs = length == 1 && groups.bounds() == [2, 4, 6] && in_pairs(groups.gaps());
        if after_pairs && let Some(end) = replacement(bytes, groups.digits(), end) {
            return Some(end);
        }
        groups.push(bytes.get(end..end + length)?)?;
        end += length;
        // Pairs with a year of four digits have twelve.
        if groups.length >= if groups.bounds() == [2, 4, 8] { 12 } else { 10 } {
            break;
        }
        let gap = gap_at(bytes, end, reading)?;
        end = gap.end;
        groups.push_gap(bytes.get(gap)?)?;
    }
    let (digits, gaps) = (groups.digits(), groups.gaps());
    let same = are_same(gaps);
    let chained = same && gaps.first().is_some_and(|gap| goes_on(bytes, start, end, gap));
    let is_number = match (digits.len(), groups.bounds()) {
        (10, [2, 4, 6]) => in_pairs(gaps) && is_cpr(digits),
        (12, [2, 4, 8]) => in_pairs(gaps) && with_century(digits),
        (10, bounds @ [_, ..]) => same && is_evenly_set(digits, bounds, gaps.first()?) && is_cpr(digits),
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

fn are_same(gaps: &[&[u8]]) -> bool {
    gaps.windows(2).all(|pair| pair.first() == pair.last())
}

/// Day, month and year with one sign between them; a date and a time differ from a person
/// number in the last gap only: it is a dash, or the same as the others.
fn in_pairs(gaps: &[&[u8]]) -> bool {
    let [first, second, last] = gaps else { return false };
    are_same(gaps) || (first == second && is_dash(last))
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
pub(super) fn digits_at(bytes: &[u8], start: usize) -> usize {
    bytes.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count()
}

/// The digits of a text as a number; never more than twenty.
pub(super) fn number_of(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}
