//! What stands around digits that machines have written: hexadecimal words, UUIDs, decimals.
//!
//! A word may be megabytes long and hold a hundred thousand runs of digits, so its bounds are
//! looked for once, and nothing else is looked for farther than it can be.

use std::ops::Range;

use super::characters::LETTER;
use super::gap::may_have_escapes;

/// Shorter hexadecimal words are written by people: `a0201609995`.
const SHORTEST_WORD: usize = 16;
/// Length of a UUID with its dashes.
const UUID: usize = 36;
/// Most digits before a decimal point; ten would be a person number of their own.
const MOST_BEFORE_POINT: usize = 9;

/// What is known of one text so far.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    whole: Option<Range<usize>>,
    has_escapes: Option<bool>,
    /// The word that was looked at last, and whether it is long and hexadecimal.
    word: Option<(Range<usize>, bool)>,
}

impl Surroundings {
    /// The text without white space around it.
    pub(super) fn whole(&mut self, bytes: &[u8]) -> Range<usize> {
        let whole = self.whole.get_or_insert_with(|| {
            let start = bytes.len() - bytes.trim_ascii_start().len();
            start..start + bytes.trim_ascii().len()
        });
        whole.clone()
    }

    /// Whether signs between digits may be escaped.
    pub(super) fn have_escapes(&mut self, bytes: &[u8]) -> bool {
        *self.has_escapes.get_or_insert_with(|| may_have_escapes(bytes))
    }

    /// Whether digits are more likely a machine's than a person's.
    pub(super) fn are_machine_text(&mut self, bytes: &[u8], found: &Range<usize>) -> bool {
        self.are_in_hexadecimal_word(bytes, found) || is_inside_uuid(bytes, found) || is_decimals(bytes, found)
    }

    /// Letters directly beside the number, and the whole word long and hexadecimal.
    fn are_in_hexadecimal_word(&mut self, bytes: &[u8], found: &Range<usize>) -> bool {
        let in_one_word = bytes.get(found.clone()).is_some_and(|found| found.iter().all(u8::is_ascii_hexdigit));
        if !in_one_word {
            return false;
        }
        let known = self.word.take().filter(|(word, _)| word.start <= found.start && found.end <= word.end);
        let (word, hexadecimal) = known.unwrap_or_else(|| {
            let word = widen(bytes, found, usize::MAX, |byte| byte.is_ascii_alphanumeric() || *byte == LETTER);
            let all = |word: &[u8]| word.len() >= SHORTEST_WORD && word.iter().all(u8::is_ascii_hexdigit);
            let hexadecimal = bytes.get(word.clone()).is_some_and(all);
            (word, hexadecimal)
        });
        let is = hexadecimal && word.len() > found.len();
        self.word = Some((word, hexadecimal));
        is
    }
}

fn is_inside_uuid(bytes: &[u8], found: &Range<usize>) -> bool {
    let word = widen(bytes, found, UUID, |byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let Some(word) = bytes.get(word).filter(|word| word.len() == UUID) else { return false };
    let dashes = [8, 13, 18, 23];
    word.iter().enumerate().all(|(at, byte)| (*byte == b'-') == dashes.contains(&at))
}

/// Nothing but digits, with one to nine digits and a point before them: `1940.2559890486`. A number with a sign
/// between its parts is no fraction.
fn is_decimals(bytes: &[u8], found: &Range<usize>) -> bool {
    if !bytes.get(found.clone()).is_some_and(|found| found.iter().all(u8::is_ascii_digit)) {
        return false;
    }
    let Some(before) = bytes.get(..found.start).and_then(|before| before.strip_suffix(b".")) else { return false };
    let digits = before.iter().rev().take(MOST_BEFORE_POINT + 1).take_while(|byte| byte.is_ascii_digit());
    (1..=MOST_BEFORE_POINT).contains(&digits.count())
}

/// A range with what belongs to it on both sides, at most so many bytes on each.
fn widen(bytes: &[u8], found: &Range<usize>, most: usize, belongs: impl Fn(&u8) -> bool) -> Range<usize> {
    let before = bytes.iter().take(found.start).rev().take(most).take_while(|byte| belongs(byte)).count();
    let after = bytes.iter().skip(found.end).take(most).take_while(|byte| belongs(byte)).count();
    found.start - before..found.end + after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_a_word_are_looked_for_once() {
        let text = [b"0201609995f".repeat(3), b" 0201609996 ".to_vec()].concat();
        let mut surroundings = Surroundings::default();
        for start in [0, 11, 22] {
            assert!(surroundings.are_machine_text(&text, &(start..start + 10)), "{start}");
            assert_eq!(surroundings.word, Some((0..33, true)));
        }
        assert!(!surroundings.are_machine_text(&text, &(34..44)));
        assert_eq!(surroundings.word, Some((34..44, false)));
        assert_eq!(surroundings.whole(&text), 0..44);
    }
}
